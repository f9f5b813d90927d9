import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';

import { type BusFrame, formatFrame, MAX_HEAD_LENGTH, parseFrame } from './bus-frame.js';
import type { ChannelLayer, GroupReceiver } from './channel-layer.js';
import { Presence } from './presence.js';
import { type OpenClient, RedisConnection } from './redis-connection.js';
import { RedisGroups } from './redis-groups.js';
import { noConnection, RedisLink } from './redis-link.js';
import { within } from '../protocol/time.js';

type ControlType = Exclude<BusFrame['type'], 'message'>;

/** Options of a bus, with nothing left open. */
export interface RedisBusOptions {
  readonly open: OpenClient;
  readonly prefix: string;
  readonly maxMessageBytes: number;
  readonly timeoutMs: number;
  readonly beatMs: number;
  readonly onError: (error: unknown) => void;
}

/** Bytes of messages that Redis has not acknowledged: with more, `send` refuses. */
const MAX_PENDING_BYTES = 64 * 1024 * 1024;
/** Milliseconds that the last words of a layer may take at most. */
const FAREWELL_MS = 1_000;

/** A channel layer over Redis: one connection publishes, one receives. */
export class RedisBus implements ChannelLayer {
  readonly shared = true;
  readonly #options: RedisBusOptions;
  readonly #id = randomUUID();
  readonly #control: string;
  readonly #publisher: RedisLink;
  readonly #subscriber: RedisLink;
  readonly #groups: RedisGroups;
  readonly #presence: Presence;
  readonly #beats: NodeJS.Timeout;
  readonly #listeners = new Set<() => void>();
  /** Links without a connection, so that an outage of both is told once. */
  readonly #down = new Set<string>();
  #closing: Promise<void> | undefined;
  #ignored = 0;
  #pendingBytes = 0;
  /** A message was lost, and the others have not been told yet. */
  #gapOwed = false;
  /** Whether anything was ever received, and can thus be missed. */
  #received = false;
  /** Beats that were published and have not come back. */
  #unheardBeats = 0;
  /** A beat is under way. */
  #beating = false;

  constructor(options: RedisBusOptions) {
    this.#options = options;
    this.#control = `${options.prefix}:control`;
    this.#presence = new Presence(options.beatMs);
    this.#publisher = this.#link(
      'publisher',
      // Whoever may not publish here learns it before the first message.
      (connection) => this.#say(connection, 'beat'),
      () => {
        this.#greet();
        this.#tellGap();
      },
    );
    this.#subscriber = this.#link(
      'subscriber',
      async (connection) => {
        await connection.subscribe([this.#control]);
        await this.#groups.restore(connection);
      },
      () => {
        this.#unheardBeats = 0;
        this.#presence.restart();
        this.#greet();
        if (this.#received) this.#gap();
        this.#received = true;
      },
    );
    this.#groups = new RedisGroups(options.prefix, this.#subscriber, this.#report);
    this.#beats = setInterval(() => {
      this.#beat();
    }, options.beatMs).unref();
  }

  get ignored(): number {
    return this.#ignored;
  }

  async join(group: string, receiver: GroupReceiver): Promise<void> {
    this.#checkOpen();
    await this.#groups.join(group, receiver);
  }

  leave(group: string, receiver: GroupReceiver): Promise<void> {
    this.#groups.leave(group, receiver);
    return Promise.resolve();
  }

  async send(group: string, message: string): Promise<void> {
    this.#checkOpen();
    const frame = formatFrame({ type: 'message', from: this.#id, group, text: message });
    const bytes = Buffer.byteLength(message);
    const { maxMessageBytes } = this.#options;
    if (bytes > maxMessageBytes)
      throw new RangeError(`Expected a message of at most ${String(maxMessageBytes)} bytes, got ${String(bytes)}.`);
    if (frame.length - message.length > MAX_HEAD_LENGTH) throw new RangeError('The name of the group is too long.');
    this.#pendingBytes += bytes;
    try {
      await this.#publish(this.#groups.channelOf(group), frame);
    } catch (cause) {
      this.#gapOwed = true;
      throw new Error('The message may not have reached everybody in the group.', { cause });
    } finally {
      this.#pendingBytes -= bytes;
    }
  }

  onGap(listener: () => void): () => void {
    // A listener that is added twice is called twice.
    const entry = (): void => {
      listener();
    };
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #link(name: string, prepare: (connection: RedisConnection) => Promise<void>, up: () => void): RedisLink {
    const { open, timeoutMs } = this.#options;
    return new RedisLink({
      timeoutMs,
      prepare,
      open: () =>
        new RedisConnection(open, timeoutMs, (channel, published) => {
          this.#receive(channel, published);
        }),
      up: () => {
        this.#down.delete(name);
        up();
      },
      down: (cause) => {
        if (this.#down.size === 0)
          this.#report(new Error('There is no connection to Redis. It is tried again until there is.', { cause }));
        this.#down.add(name);
      },
    });
  }

  async #publish(channel: string, frame: string): Promise<void> {
    if (this.#publisher.outage !== undefined) throw noConnection(this.#publisher.outage);
    if (this.#pendingBytes > MAX_PENDING_BYTES) throw new Error('Redis is too slow: too much waits to be sent.');
    const connection = await this.#publisher.connected();
    await connection.publish(channel, frame);
  }

  async #say(connection: RedisConnection, type: ControlType): Promise<void> {
    const from = this.#id;
    const frame: BusFrame = type === 'bye' || type === 'gap' ? { type, from } : { type, from, everyMs: this.#options.beatMs };
    await connection.publish(this.#control, formatFrame(frame));
  }

  /** Says what nobody waits for. If it fails, the connection has gone, or must go: Redis has refused it. */
  #saySoon(type: ControlType, said: (done: boolean) => void): void {
    const connection = this.#publisher.current;
    if (connection === undefined) {
      said(false);
      return;
    }
    this.#say(connection, type).then(
      () => {
        said(true);
      },
      (error: unknown) => {
        connection.end(new Error('Redis has refused what keeps processes together.', { cause: error }));
        said(false);
      },
    );
  }

  /** Who can hear us and be heard asks who is there: one that dies before its first beat must not go unnoticed. */
  #greet(): void {
    if (this.#subscriber.current !== undefined) this.#saySoon('hello', ignore);
  }

  #beat(): void {
    this.#tellGap();
    // Those that a slow bus has held up would come all at once, and the others' seem to be missing between them.
    if (this.#beating) return;
    const heard = this.#subscriber.current !== undefined;
    this.#beating = true;
    this.#saySoon('beat', (done) => {
      this.#beating = false;
      if (done && heard) this.#expectBeat();
    });
  }

  /** A beat was published, and has to come back. */
  #expectBeat(): void {
    const { beatMs, timeoutMs } = this.#options;
    this.#unheardBeats += 1;
    if (this.#unheardBeats * beatMs <= Math.max(timeoutMs, 3 * beatMs)) return;
    // A connection may be cut without a word, or lead to another server than its twin.
    const reason = new Error('What is published does not come back.');
    this.#publisher.current?.end(reason);
    this.#subscriber.current?.end(reason);
  }

  /** Tells everybody, ourselves as well, that a message of ours may be lost. */
  #tellGap(): void {
    if (!this.#gapOwed) return;
    this.#gapOwed = false;
    this.#saySoon('gap', (done) => {
      // Or one more was lost meanwhile.
      this.#gapOwed ||= !done;
    });
  }

  #receive(channel: string, published: string): void {
    const frame = parseFrame(published, this.#options.maxMessageBytes);
    if (frame === undefined || !this.#take(channel, frame)) this.#ignored += 1;
  }

  /** @returns whether the frame belongs here */
  #take(channel: string, frame: BusFrame): boolean {
    if (frame.type === 'message') return channel !== this.#control && this.#groups.deliver(channel, frame.group, frame.text);
    if (channel !== this.#control) return false;
    if (frame.type === 'gap') this.#gap();
    else if (frame.from === this.#id) this.#hearOurselves(frame.type);
    else if (frame.type === 'bye') this.#presence.bye(frame.from);
    else {
      if (!this.#presence.heard(frame.from, frame.everyMs)) return false;
      if (frame.type === 'hello') this.#saySoon('here', ignore);
    }
    return true;
  }

  #hearOurselves(type: BusFrame['type']): void {
    this.#unheardBeats = 0;
    if (type === 'beat' && this.#presence.ownBeat() > 0) this.#gap();
  }

  #gap(): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        this.#report(error);
      }
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new Error('The channel layer is closed.');
  }

  async #close(): Promise<void> {
    clearInterval(this.#beats);
    const late = (): Error => new Error('Redis did not take the last words in time.');
    // Without them, the others find out by themselves.
    await within(Math.min(FAREWELL_MS, this.#options.timeoutMs), this.#farewell(), late).catch((error: unknown) => error);
    this.#groups.clear();
    this.#listeners.clear();
    const reason = new Error('The channel layer is closed.');
    await Promise.all([this.#publisher.close(reason), this.#subscriber.close(reason)]);
  }

  async #farewell(): Promise<void> {
    const connection = this.#publisher.current;
    if (connection === undefined) return;
    // When this is answered, so is all that was sent before.
    await connection.ping();
    await setImmediate();
    if (this.#gapOwed) await this.#say(connection, 'gap');
    await this.#say(connection, 'bye');
  }

  /** An error handler that fails must not take the process with it. */
  readonly #report = (error: unknown): void => {
    try {
      this.#options.onError(error);
    } catch (failure) {
      console.error(error);
      console.error(failure);
    }
  };
}

function ignore(): void {
  // A connection that fails is made again.
}
