import type { RedisConnection } from './redis-connection.js';
import { pause } from '../protocol/time.js';

/** Milliseconds before a connection is made again: the first time, and at most. */
const RETRY_MS = { first: 50, most: 2_000 };

/** What a link is made of. */
export interface LinkOptions {
  /** Begins a connection. */
  readonly open: () => RedisConnection;
  /** What must be done before others may use the connection. */
  readonly prepare: (connection: RedisConnection) => Promise<void>;
  /** The connection can be used. */
  readonly up: () => void;
  /** It was lost, or could not be made. */
  readonly down: (reason: Error) => void;
  readonly timeoutMs: number;
}

interface Waiter {
  readonly resolve: (connection: RedisConnection) => void;
  readonly reject: (reason: Error) => void;
}

/** Keeps one connection open, until it is closed: one that was lost is made again, for as long as it takes. */
export class RedisLink {
  readonly #options: LinkOptions;
  readonly #closing = new AbortController();
  readonly #waiters = new Set<Waiter>();
  readonly #ended: Promise<void>;
  #opened: RedisConnection | undefined;
  #current: RedisConnection | undefined;
  #outage: Error | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#ended = this.#run();
  }

  /** The connection that can be used now. */
  get current(): RedisConnection | undefined {
    return this.#current;
  }

  /** Milliseconds that anything asked of Redis may take. */
  get timeoutMs(): number {
    return this.#options.timeoutMs;
  }

  /** Why there is no connection; undefined while there is one, and while the first one is being made. */
  get outage(): Error | undefined {
    return this.#outage;
  }

  /** The connection as soon as there is one, for those who asked first at first. Rejects when there was none in time. */
  connected(): Promise<RedisConnection> {
    if (this.#current !== undefined) return Promise.resolve(this.#current);
    if (this.#isClosing()) return Promise.reject(noConnection(undefined));
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        resolve: (connection) => {
          settle();
          resolve(connection);
        },
        reject: (reason) => {
          settle();
          reject(reason);
        },
      };
      const timer = setTimeout(() => {
        waiter.reject(noConnection(this.#outage));
      }, this.#options.timeoutMs);
      this.#waiters.add(waiter);
    });
  }

  /** Ends for good. Resolves when nothing is left. */
  async close(reason: Error): Promise<void> {
    this.#closing.abort();
    this.#opened?.end(reason);
    await this.#ended;
    for (const waiter of this.#waiters) waiter.reject(reason);
  }

  async #run(): Promise<void> {
    let retryMs = RETRY_MS.first;
    while (!this.#isClosing()) {
      const reason = await this.#once(() => {
        retryMs = RETRY_MS.first;
      });
      if (this.#isClosing()) return;
      this.#outage = reason;
      this.#options.down(reason);
      // Processes that lost their connections together come back one by one.
      await pause(retryMs * (0.5 + Math.random()), this.#closing.signal);
      retryMs = Math.min(2 * retryMs, RETRY_MS.most);
    }
  }

  #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  /** One connection, from its making to its end. */
  async #once(success: () => void): Promise<Error> {
    const connection = this.#open();
    if (connection instanceof Error) return connection;
    this.#opened = connection;
    try {
      await connection.ready;
      await this.#options.prepare(connection);
      if (!connection.gone) {
        success();
        this.#up(connection);
      }
    } catch (error) {
      connection.end(asError(error));
    }
    const reason = await connection.lost;
    this.#current = undefined;
    return reason;
  }

  #open(): RedisConnection | Error {
    try {
      return this.#options.open();
    } catch (error) {
      return asError(error);
    }
  }

  #up(connection: RedisConnection): void {
    this.#current = connection;
    this.#outage = undefined;
    for (const waiter of this.#waiters) waiter.resolve(connection);
    this.#options.up();
  }
}

/** The error of what can't be done without a connection. */
export function noConnection(cause: Error | undefined): Error {
  return new Error('There is no connection to Redis.', { cause });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
