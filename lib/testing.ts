import { type EventEmitter, once } from 'node:events';
import { Agent, createServer, type IncomingMessage, type Server } from 'node:http';
import { Duplex } from 'node:stream';

import { WebSocket } from 'ws';

import { isObject } from './protocol/envelope.js';
import type { Channels } from './server/channels.js';

/** Options of {@link connect}. */
export interface ConnectOptions {
  /** Headers of the handshake, e.g. `cookie` or `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Subprotocols that are offered. */
  readonly protocols?: readonly string[];
  /** Milliseconds that the handshake and each {@link TestClient.receive} may take. @default 2_000 */
  readonly timeoutMs?: number;
}

/** A frame of the server. */
export type TestFrame = Readonly<Record<string, unknown>>;

/** The server has refused a handshake. */
export class HandshakeRefused extends Error {
  /** HTTP status of the refusal. */
  readonly status: number;
  /** Body of the refusal. */
  readonly body: string;

  constructor(status: number, body: string) {
    super(`The handshake was refused with ${String(status)}: ${body}`);
    this.name = 'HandshakeRefused';
    this.status = status;
    this.body = body;
  }
}

/** What is needed here of the socket of `ws`, whose declarations the package's users need not have. */
interface ClientSocket extends EventEmitter {
  send(text: string): void;
  ping(): void;
  close(code: number): void;
}

/** A client for tests. Frames that nobody has asked for yet wait in a queue, so that none is missed. */
export class TestClient {
  readonly #socket: ClientSocket;
  readonly #timeoutMs: number;
  readonly #frames: TestFrame[] = [];
  readonly #waiting: ((frame: TestFrame) => void)[] = [];
  /** Headers of the accepted handshake, `set-cookie` for instance. */
  readonly headers: IncomingMessage['headers'];
  /** Resolves with the code with which the socket was closed. */
  readonly closed: Promise<number>;

  /** @internal Use {@link connect}. */
  constructor(socket: ClientSocket, headers: IncomingMessage['headers'], timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    this.headers = headers;
    this.closed = once(socket, 'close').then(([code]) => Number(code));
    socket.on('message', (data: Buffer) => {
      this.#arrived(data.toString());
    });
  }

  /** Sends a frame; a text goes as it is. */
  send(frame: unknown): void {
    this.#socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /**
   * The next frame.
   *
   * @throws Error if none comes in time
   */
  async receive(): Promise<TestFrame> {
    const queued = this.#frames.shift();
    if (queued !== undefined) return queued;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(arrived), 1);
        reject(new Error(`No frame within ${String(this.#timeoutMs)} ms.`));
      }, this.#timeoutMs);
      const arrived = (frame: TestFrame): void => {
        clearTimeout(timer);
        resolve(frame);
      };
      this.#waiting.push(arrived);
    });
  }

  /** Sends a frame and returns the next one that comes. */
  async request(frame: unknown): Promise<TestFrame> {
    this.send(frame);
    return this.receive();
  }

  /**
   * Makes sure that the server has sent nothing: it has answered a ping, which it does behind everything that it had to send.
   *
   * @throws Error if there is a frame
   */
  async receiveNothing(): Promise<void> {
    const pong = once(this.#socket, 'pong', { signal: AbortSignal.timeout(this.#timeoutMs) });
    this.#socket.ping();
    await pong;
    const [frame] = this.#frames;
    if (frame !== undefined) throw new Error(`Expected no frame, got ${JSON.stringify(frame)}.`);
  }

  /** Closes the socket and resolves when it has gone. */
  async close(code = 1000): Promise<void> {
    this.#socket.close(code);
    await this.closed;
  }

  #arrived(text: string): void {
    const value: unknown = JSON.parse(text);
    const frame = isObject(value) ? value : { value };
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#frames.push(frame);
    else waiting(frame);
  }
}

const servers = new WeakMap<Channels, Server>();

/**
 * Opens a socket on channels without a port: the real handshake and the real WebSocket protocol, over a pair of streams in memory. It
 * needs no test framework.
 *
 * @throws {@link HandshakeRefused} if the server refuses
 *
 * @example
 * const client = await connect(channels, '/ws/users', { headers: { cookie } });
 * const { data } = await client.request({ action: 'list' });
 * await client.close();
 */
export async function connect(channels: Channels, path: string, options: ConnectOptions = {}): Promise<TestClient> {
  const timeoutMs = options.timeoutMs ?? 2_000;
  const socket = new WebSocket(`ws://localhost${path}`, [...(options.protocols ?? [])], {
    headers: { ...options.headers },
    agent: new MemoryAgent(serverOf(channels)),
    handshakeTimeout: timeoutMs,
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('upgrade', ({ headers }) => {
      socket.once('open', () => {
        resolve(new TestClient(socket, headers, timeoutMs));
      });
    });
    socket.once('unexpected-response', (_request, response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('end', () => {
        reject(new HandshakeRefused(Number(response.statusCode), body));
      });
    });
  });
}

/** An HTTP server that listens nowhere; connections are handed to it. */
function serverOf(channels: Channels): Server {
  const known = servers.get(channels);
  if (known !== undefined) return known;
  const server = createServer();
  channels.attach(server);
  servers.set(channels, server);
  return server;
}

/** Connects HTTP requests to a server in the same process. */
class MemoryAgent extends Agent {
  readonly #server: Server;

  constructor(server: Server) {
    super();
    this.#server = server;
  }

  override createConnection(): Duplex {
    const near = new MemorySocket();
    const far = new MemorySocket();
    near.connectTo(far);
    far.connectTo(near);
    this.#server.emit('connection', far);
    return near;
  }
}

/** One end of a connection in memory. */
class MemorySocket extends Duplex {
  readonly remoteAddress = '127.0.0.1';
  #other: MemorySocket | undefined;
  #resume: (() => void) | undefined;

  connectTo(other: MemorySocket): void {
    this.#other = other;
  }

  override _read(): void {
    const resume = this.#other?.takeResume();
    resume?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // Later, as from a network: a writer must not find the answer there before it has returned.
    setImmediate(() => {
      if (this.#other === undefined || this.#other.destroyed || this.#other.push(chunk)) done();
      else this.#resume = done;
    });
  }

  override _final(done: () => void): void {
    this.#other?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#other?.destroyed === false) this.#other.push(null);
    done(error);
  }

  takeResume(): (() => void) | undefined {
    const resume = this.#resume;
    this.#resume = undefined;
    return resume;
  }

  // What net.Socket has beyond a stream and http and ws call.
  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }
}
