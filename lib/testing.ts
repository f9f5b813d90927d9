import { type EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';

import { WebSocket } from 'ws';

import { Consumer } from './consumers/consumer.js';
import type { Handler } from './http/handler.js';
import { MemoryAgent } from './http/memory-agent.js';
import { isObject } from './protocol/envelope.js';
import { type Channels, createChannels } from './server/channels.js';

/** Options of {@link connect}. */
export interface ConnectOptions {
  /** Headers of the handshake, e.g. `cookie` or `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Subprotocols that are offered. */
  readonly protocols?: readonly string[];
  /** Milliseconds that the handshake and each {@link TestClient.receive} may take. @default 2_000 */
  readonly timeoutMs?: number;
}

/** Who connects, and whence, for a {@link connect} that leaves the login out. */
export interface TestScope {
  /** What the login middleware would have left at `req.user`. @default nobody */
  readonly user?: Express.User;
  /** Parameters of the path. @default none */
  readonly params?: Readonly<Record<string, string>>;
  /** Query of the handshake. @default none */
  readonly query?: Readonly<Record<string, string>>;
}

/** Options of {@link connect} to a consumer alone. */
export interface ConsumerConnectOptions extends ConnectOptions {
  /** @default an anonymous one */
  readonly scope?: TestScope;
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
export async function connect(channels: Channels, path: string, options?: ConnectOptions): Promise<TestClient>;
/**
 * Opens a socket on a consumer alone, as whoever the scope says.
 *
 * @example
 * const client = await connect(Chat, { scope: { user: { id: 1 }, params: { room: 'lobby' } } });
 */
export async function connect(consumer: Consumer, options?: ConsumerConnectOptions): Promise<TestClient>;
/** @internal What both are. */
export async function connect(
  target: Channels | Consumer,
  pathOrOptions: string | ConsumerConnectOptions = {},
  options: ConnectOptions = {},
): Promise<TestClient> {
  if (!(target instanceof Consumer))
    return open(serverOf(target), typeof pathOrOptions === 'string' ? pathOrOptions : '/', options);
  const { scope = {}, ...others } = typeof pathOrOptions === 'string' ? {} : pathOrOptions;
  return open(serverOf(channelsFor(target, scope)), pathOf(scope), others);
}

/** Channels of one consumer, in which everybody is the user of the scope. */
function channelsFor(consumer: Consumer, { user, params = {} }: TestScope): Channels {
  const logIn: Handler = (req, _res, next) => {
    if (user !== undefined) Object.assign(req, { user });
    next();
  };
  const names = Object.keys(params).map((name) => `:${name}`);
  return createChannels()
    .use(logIn)
    .route(`/${names.join('/')}`, consumer);
}

function pathOf({ params = {}, query = {} }: TestScope): string {
  return `/${Object.values(params).map(encodeURIComponent).join('/')}?${new URLSearchParams(query).toString()}`;
}

async function open(server: Server, path: string, options: ConnectOptions): Promise<TestClient> {
  const timeoutMs = options.timeoutMs ?? 2_000;
  const socket = new WebSocket(`ws://localhost${path}`, [...(options.protocols ?? [])], {
    headers: { ...options.headers },
    agent: new MemoryAgent(server),
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
