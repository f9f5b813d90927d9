import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';

import type { WebSocket } from 'ws';

import type { Login } from '../auth/login.js';
import type { Consumer, Conversation, ErrorDetails, Frame } from '../consumers/consumer.js';
import type { Application } from '../http/application.js';
import { CloseCode } from '../protocol/close-code.js';
import { failure, formatEnvelope, parseObject, success } from '../protocol/envelope.js';
import { ParseError, toErrorReply, ValidationError } from '../protocol/errors.js';
import type { ChannelLayer } from '../layers/channel-layer.js';
import { Inbox, type Task } from './inbox.js';
import { type Limits, type RateLimit, TokenBucket } from './limits.js';
import { Outgoing } from './outgoing.js';

/** What all connections of a server share. */
export interface ConnectionOptions {
  readonly app: Application;
  readonly layer: ChannelLayer;
  readonly limits: Limits;
  readonly rate: RateLimit | undefined;
  /** Milliseconds between two signs of life; undefined for no heartbeat. */
  readonly heartbeatMs: number | undefined;
  /** Milliseconds between two revalidations of the login; undefined for none. */
  readonly revalidateMs: number | undefined;
  /** Whether the action `reauthenticate` is understood. */
  readonly reauthenticate: boolean;
  readonly onError: (error: unknown, details: ErrorDetails) => void;
}

/** Milliseconds that a client has to answer a close, before its socket is cut. */
export const CLOSE_GRACE_MS = 1_000;

/** One socket: its frames in order, its limits, its signs of life. */
export class Connection {
  readonly #socket: WebSocket;
  readonly #outgoing: Outgoing;
  readonly #login: Login;
  readonly #options: ConnectionOptions;
  readonly #abort = new AbortController();
  readonly #conversation: Conversation;
  readonly #bucket: TokenBucket | undefined;
  readonly #inbox = new Inbox();
  readonly #release: (() => void)[] = [];
  readonly #closed: Promise<void>;
  /** Frames that wait or are being answered; group messages, which wait among them, are none of the client's. */
  #queuedFrames = 0;
  #malformed = 0;
  #alive = true;
  #draining = false;
  #closing = false;

  /** @param transport - what the socket writes to */
  constructor(socket: WebSocket, transport: Duplex, login: Login, consumer: Consumer, options: ConnectionOptions) {
    this.#socket = socket;
    this.#login = login;
    this.#options = options;
    this.#outgoing = new Outgoing(socket, transport, options.limits.maxQueuedBytes, this.#abort.signal, () => {
      void this.close(CloseCode.tooSlow, 'The client reads too slowly.');
    });
    // Many actions may run beside each other and listen: that is no leak for Node to warn of.
    setMaxListeners(Infinity, this.#abort.signal);
    this.#bucket = options.rate === undefined ? undefined : new TokenBucket(options.rate);
    this.#conversation = consumer.open({
      login,
      app: options.app,
      layer: options.layer,
      signal: this.#abort.signal,
      send: (frame) => {
        this.#outgoing.send(frame);
      },
      drained: () => this.#outgoing.drained(),
      close: (code) => {
        void this.close(code, '');
      },
      answered: () => {
        if (login.ended) void this.close(CloseCode.loginEnded, 'The login has ended.');
      },
      maxQueuedEvents: options.limits.maxQueuedEvents,
      enqueue: (task) => {
        if (this.#inbox.size >= options.limits.maxQueuedEvents) void this.close(CloseCode.tooSlow, 'Too many events wait.');
        else this.#inbox.push(() => this.#perform(task));
      },
      onError: options.onError,
    });
    this.#release.push(
      login.watch((code) => {
        void this.close(code, 'The login has ended.');
      }),
    );
    this.#repeat(options.heartbeatMs, () => {
      this.#beat();
    });
    this.#repeat(options.revalidateMs, () => login.revalidate());
    socket.on('pong', () => (this.#alive = true));
    socket.on('message', (data, isBinary) => {
      this.#receive(isBinary ? null : textOf(data));
    });
    // ws closes the socket by itself then (a frame too big, no UTF-8); 'close' follows.
    socket.on('error', (error) => {
      if (!isClientFault(error)) this.#report(error);
    });
    this.#closed = new Promise((resolve) => {
      socket.on('close', (code) => {
        this.#gone();
        void this.#conversation.closed(code).then(resolve);
      });
    });
  }

  /**
   * Closes the socket, and cuts it if the client does not answer. Actions that run are aborted, and nothing more is sent.
   *
   * @returns when the socket has gone, and the consumer has taken leave of it
   */
  close(code: number, reason: string): Promise<void> {
    if (!this.#closing) this.#close(code, reason);
    return this.#closed;
  }

  #close(code: number, reason: string): void {
    // First: it throws for a code that is none.
    this.#socket.close(code, reason);
    this.#closing = true;
    this.#inbox.close();
    this.#socket.resume();
    this.#abort.abort(new Error(reason));
    const timer = setTimeout(() => {
      this.#socket.terminate();
    }, CLOSE_GRACE_MS);
    this.#release.push(() => {
      clearTimeout(timer);
    });
  }

  /** Answers the frames that have arrived, and reads no more. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#socket.pause();
    await this.#inbox.idle();
    await this.#conversation.idle();
  }

  #receive(text: string | null): void {
    this.#alive = true;
    if (this.#closing) return;
    if (this.#bucket?.take() === false) {
      void this.close(CloseCode.rate, 'Too many frames.');
      return;
    }
    const { maxQueuedFrames } = this.#options.limits;
    this.#queuedFrames += 1;
    this.#inbox.push(async () => {
      await this.#answer(text);
      this.#queuedFrames -= 1;
      // While more waits to be sent than is allowed, the frames wait with it.
      if (this.#outgoing.overfull !== undefined) await this.#outgoing.overfull;
      if (this.#queuedFrames <= maxQueuedFrames / 2) this.#readOn();
    });
    if (this.#queuedFrames > maxQueuedFrames) this.#socket.pause();
  }

  #perform(task: Task): undefined | Promise<void> {
    const begun = task();
    return begun === undefined ? this.#outgoing.overfull : begun.then(() => this.#outgoing.overfull);
  }

  #answer(text: string | null): Promise<void> | undefined {
    const frame = this.#parse(text);
    if (frame === undefined) return undefined;
    if (frame['action'] === 'reauthenticate' && this.#options.reauthenticate) return this.#reauthenticate(frame);
    return this.#conversation.receive(frame);
  }

  #parse(text: string | null): Frame | undefined {
    try {
      if (text === null) throw new ParseError('Malformed request: expected a text frame, got a binary one.');
      const frame = parseObject(text);
      this.#malformed = 0;
      return frame;
    } catch (error) {
      this.#conversation.malformed(error);
      this.#malformed += 1;
      if (this.#malformed >= this.#options.limits.maxMalformedFrames)
        void this.close(CloseCode.malformed, 'Too many malformed frames.');
      return undefined;
    }
  }

  async #reauthenticate({ request_id: requestId = null, token }: Frame): Promise<void> {
    let outcome = success(null, 200);
    try {
      if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
        throw new ValidationError({ token: ['Expected a bearer token.'] });
      await this.#login.renew(token);
    } catch (error) {
      const { status, errors, unexpected } = toErrorReply(error);
      if (unexpected) this.#report(error);
      outcome = failure(errors, status);
    }
    this.#outgoing.send(formatEnvelope('reauthenticate', requestId, outcome));
  }

  #readOn(): void {
    if (this.#socket.isPaused && !this.#draining) this.#socket.resume();
  }

  #beat(): void {
    if (this.#alive) {
      this.#alive = false;
      if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
    } else if (!this.#socket.isPaused) {
      // While frames wait, nothing is read, no pong either: then silence is of our own making. So it is where the process was too
      // busy for a while: what has arrived by now is read before the immediate.
      setImmediate(() => {
        if (!this.#alive) void this.close(CloseCode.idle, 'No sign of life.');
      });
    }
  }

  #repeat(everyMs: number | undefined, run: () => unknown): void {
    if (everyMs === undefined) return;
    const timer = setInterval(run, everyMs);
    timer.unref();
    this.#release.push(() => {
      clearInterval(timer);
    });
  }

  #gone(): void {
    this.#closing = true;
    this.#inbox.close();
    for (const release of this.#release) release();
    this.#abort.abort(new Error('The socket has gone.'));
  }

  #report(error: unknown): void {
    this.#options.onError(error, { scope: this.#login.scope });
  }
}

function textOf(data: Buffer | ArrayBuffer | Buffer[]): string {
  if (Buffer.isBuffer(data)) return data.toString('utf8');
  return Array.isArray(data) ? Buffer.concat(data).toString('utf8') : Buffer.from(data).toString('utf8');
}

/** What ws says of a client that breaks the WebSocket protocol or a limit. */
function isClientFault(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && error.code.startsWith('WS_ERR_');
}
