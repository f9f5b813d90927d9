import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';

import type { Channels } from 'express-channels';
import { TestClient, type TestFrame } from 'express-channels/testing';
import { WebSocket } from 'ws';

/** What a handshake on a real socket is made of. */
export interface HandshakeOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly protocols?: readonly string[];
  readonly perMessageDeflate?: boolean;
  readonly tls?: boolean;
  /** A header line that no client would send, as it stands. */
  readonly line?: string;
}

/** The answer to a handshake that was not let in. */
export interface Refusal {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A client on a real socket, with the socket itself for tests that mistreat it. */
export class SocketClient extends TestClient {
  readonly socket: WebSocket;
  /** With which code it was closed; undefined while it is open. */
  closedWith: number | undefined;

  constructor(socket: WebSocket, headers: IncomingHttpHeaders) {
    super(socket, headers, 5_000);
    this.socket = socket;
    socket.on('close', (code) => (this.closedWith = code));
    socket.on('error', ignore);
  }

  /** Sends a frame and returns the next one that comes. */
  act(action: string, more: Readonly<Record<string, unknown>> = {}): Promise<TestFrame> {
    return this.request({ action, ...more });
  }
}

const started = new Set<Channels>();

/** Serves channels on a free port of the loopback interface, until they or the tests of the file are through. */
export async function listen(channels: Channels): Promise<number> {
  started.add(channels);
  return portOf(channels.listen(0, '127.0.0.1'));
}

// A test that fails leaves its channels open, and jest would wait for them.
afterAll(async () => {
  await Promise.all([...started].map((channels) => channels.close({ timeoutMs: 1 })));
});

/** The port of a server that has begun to listen. */
export async function portOf(server: Server): Promise<number> {
  if (!server.listening) await once(server, 'listening');
  const address = server.address() as AddressInfo;
  return address.port;
}

/** Opens a socket, which must be let in. */
export async function open(port: number, path: string, options: HandshakeOptions = {}): Promise<SocketClient> {
  const opened = await shake(port, path, options);
  if (opened instanceof SocketClient) return opened;
  throw new Error(`The handshake was refused with ${opened.status}: ${opened.body}`);
}

/** Tries to open a socket, which must be refused. */
export async function refusal(port: number, path: string, options: HandshakeOptions = {}): Promise<Refusal> {
  const opened = await shake(port, path, options);
  if (!(opened instanceof SocketClient)) return opened;
  await opened.close();
  throw new Error('The handshake was let in.');
}

/** The status of a handshake: 101 if it was let in. */
export async function statusOf(port: number, path: string, options: HandshakeOptions = {}): Promise<number> {
  const opened = await shake(port, path, options);
  if (!(opened instanceof SocketClient)) return opened.status;
  await opened.close();
  return 101;
}

function shake(port: number, path: string, options: HandshakeOptions): Promise<SocketClient | Refusal> {
  const socket = new WebSocket(
    `${options.tls === true ? 'wss' : 'ws'}://127.0.0.1:${port}${path}`,
    [...(options.protocols ?? [])],
    {
      headers: { ...options.headers },
      perMessageDeflate: options.perMessageDeflate ?? false,
      rejectUnauthorized: false,
      ...(options.line !== undefined && { createConnection: () => connectWith(port, options.line ?? '') }),
    },
  );
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('upgrade', ({ headers }) => {
      socket.once('open', () => {
        resolve(new SocketClient(socket, headers));
      });
    });
    socket.once('unexpected-response', (_request, response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    });
  });
}

/** A connection that puts one more line into the head of the first request on it. */
function connectWith(port: number, line: string): Socket {
  const socket = connect(port, '127.0.0.1');
  const write = socket.write.bind(socket);
  socket.write = (head: string | Uint8Array) => {
    Reflect.deleteProperty(socket, 'write');
    return write(String(head).replace('\r\n\r\n', `\r\n${line}\r\n\r\n`), 'latin1');
  };
  return socket;
}

/** Lines of a handshake that is in order; `more` comes after them, and `without` names what is left out. */
export function handshakeLines(path: string, more: readonly string[] = [], without: readonly string[] = []): readonly string[] {
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  return [...lines.filter((line) => !without.some((name) => line.startsWith(`${name}:`))), ...more];
}

/** A handshake byte by byte, for headers that no client would send. Resolves with the head of the answer, and the socket. */
export async function rawHandshake(port: number, lines: readonly string[]): Promise<{ head: string; socket: Socket }> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', ignore);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  let received = '';
  for await (const chunk of on(socket)) {
    received += chunk.toString('latin1');
    const end = received.indexOf('\r\n\r\n');
    if (end >= 0) return { head: received.slice(0, end), socket };
  }
  return { head: received, socket };
}

/** What arrives, piece by piece, without ending the socket when nobody wants more. */
function on(socket: Socket): AsyncIterable<Buffer> {
  return socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

/** Resolves as soon as the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 5_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Not within ${timeoutMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function ignore(): void {
  // What went wrong is seen by the close code.
}
