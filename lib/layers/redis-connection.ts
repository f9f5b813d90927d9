import { isObject } from '../protocol/envelope.js';
import { within } from '../protocol/time.js';

/** What is wanted of a Redis client; each of the two that there are has its own words for it. */
export interface ClientAdapter {
  connect(): Promise<unknown>;
  command(name: string, ...args: string[]): Promise<unknown>;
  subscribe(channels: readonly string[], sharded: boolean): Promise<unknown>;
  unsubscribe(channel: string, sharded: boolean): Promise<unknown>;
  /** Must not throw, in whatever state the client is; what was asked of it is rejected. */
  destroy(): void;
}

/** What a client tells. */
export interface ClientEvents {
  readonly message: (channel: string, text: string) => void;
  /** An error of any kind, or the end: the client is given up. */
  readonly lost: (reason: Error) => void;
}

/** Makes a client that connects once: it neither tries again nor queues while it is not connected. */
export type OpenClient = (events: ClientEvents, timeoutMs: number) => ClientAdapter;

/**
 * One connection to Redis. It lives once: when it has gone, another one is made. So there is one way to lose it, whichever the client,
 * and nothing is asked again or kept in a queue behind our back.
 */
export class RedisConnection {
  /** Resolves when it can be used; rejects if it is lost before. */
  readonly ready: Promise<void>;
  /** Resolves with the reason when the connection has gone. */
  readonly lost: Promise<Error>;
  readonly #client: ClientAdapter;
  readonly #timeoutMs: number;
  #sharded = false;
  #reason: Error | undefined;
  #tellLost: (reason: Error) => void = () => undefined;

  constructor(open: OpenClient, timeoutMs: number, receive: ClientEvents['message']) {
    this.#timeoutMs = timeoutMs;
    this.lost = new Promise((resolve) => {
      this.#tellLost = resolve;
    });
    const lost = (reason: Error): void => {
      this.end(reason);
    };
    this.#client = open({ message: receive, lost }, timeoutMs);
    this.ready = this.#open();
  }

  get gone(): boolean {
    return this.#reason !== undefined;
  }

  subscribe(channels: readonly string[]): Promise<unknown> {
    return this.#ask(() => this.#client.subscribe(channels, this.#sharded));
  }

  unsubscribe(channel: string): Promise<unknown> {
    return this.#ask(() => this.#client.unsubscribe(channel, this.#sharded));
  }

  /** When it resolves, everything that was published on our channels before has been received. */
  ping(): Promise<unknown> {
    return this.#ask(() => this.#client.command('ping'));
  }

  publish(channel: string, text: string): Promise<unknown> {
    return this.#ask(() => this.#client.command(this.#sharded ? 'spublish' : 'publish', channel, text));
  }

  /** Gives the connection up; what it was asked is rejected. */
  end(reason: Error): void {
    if (this.gone) return;
    this.#reason = reason;
    this.#client.destroy();
    this.#tellLost(reason);
  }

  async #open(): Promise<void> {
    const given = this.lost.then((reason) => {
      throw reason;
    });
    await Promise.race([this.#ask(() => this.#client.connect()), given]);
    this.#sharded = await Promise.race([this.#speaksSharded(), given]);
  }

  /**
   * Sharded pub/sub came with Redis 7. In a cluster it needs a connection to each node; plain messages reach all nodes there by
   * themselves. All processes must come to the same answer, so it is read from the server, which ACLs can't forbid.
   */
  async #speaksSharded(): Promise<boolean> {
    const about = fieldsOf(await this.#ask(() => this.#client.command('hello').catch(() => [])));
    return Number.parseInt(String(about.get('version')), 10) >= 7 && about.get('mode') !== 'cluster';
  }

  /** An answer that does not come in time is the end of the connection: nobody could tell what waits before it. */
  async #ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    if (this.#reason !== undefined) throw this.#reason;
    return await within(this.#timeoutMs, question(), () => {
      const late = new Error(`Redis has not answered within ${String(this.#timeoutMs)} ms.`);
      this.end(late);
      return late;
    });
  }
}

/** The fields of a map, which RESP2 writes as a list. */
function fieldsOf(reply: unknown): ReadonlyMap<unknown, unknown> {
  if (reply instanceof Map) return reply;
  if (isObject(reply)) return new Map(Object.entries(reply));
  const fields = new Map<unknown, unknown>();
  if (Array.isArray(reply)) for (let index = 0; index < reply.length; index += 2) fields.set(reply[index], reply[index + 1]);
  return fields;
}
