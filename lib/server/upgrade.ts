import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

import type { Exchange } from '../http/exchange.js';
import type { Peer } from '../http/peer.js';

/** A request to open a socket, and the raw connection that it came on. */
export interface Upgrade {
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** Whether the server has other listeners of upgrades. */
  readonly shared: boolean;
}

// Headers of the connection, which the refusal states by itself.
const OF_THE_CONNECTION = new Set(['connection', 'content-length', 'keep-alive', 'transfer-encoding']);

/** Whether another listener has taken the upgrade: it reads from the socket, has answered on it, or has destroyed it. */
export function isTaken({ socket, shared }: Upgrade): boolean {
  if (!shared) return false;
  // A client that goes ends what can be read, or leaves an error.
  const destroyed = socket.destroyed && socket.errored === null && !socket.readableEnded;
  return destroyed || socket.writableEnded || socket.listenerCount('data') > 0;
}

/** Refuses an upgrade with a status. */
export function refuseUpgrade({ socket }: Upgrade, status: number): void {
  const text = STATUS_CODES[status] ?? String(status);
  write(socket, status, text, ['Content-Type: text/plain; charset=utf-8'], Buffer.from(text));
}

/** Refuses an upgrade with the response that a middleware gave. */
export function refuseUpgradeWith({ socket }: Upgrade, exchange: Exchange): void {
  const lines: string[] = [];
  for (const [name, value] of Object.entries(exchange.headers())) {
    if (value === undefined || OF_THE_CONNECTION.has(name)) continue;
    for (const line of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${line}`);
  }
  write(socket, exchange.res.statusCode, exchange.res.statusMessage, lines, exchange.capture.body());
}

/** The peer of a handshake's socket. */
export function peerOf({ socket }: IncomingMessage): Peer {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  return { remoteAddress, remotePort, localAddress, localPort, encrypted: socket instanceof TLSSocket };
}

/** The cookies of a `set-cookie` header. */
export function cookiesOf(header: number | string | readonly string[] | undefined): readonly string[] {
  if (header === undefined) return [];
  return typeof header === 'object' ? header : [String(header)];
}

function write(socket: Duplex, status: number, statusMessage: string, headerLines: readonly string[], body: Buffer): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const head = [
    `HTTP/1.1 ${String(status)} ${statusMessage}`,
    ...headerLines,
    `Content-Length: ${String(body.length)}`,
    'Connection: close',
  ].join('\r\n');
  socket.once('finish', () => socket.destroy());
  socket.end(Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), body]));
}
