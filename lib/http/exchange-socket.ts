import { isIPv6, Socket } from 'node:net';

import type { Peer } from './peer.js';

/** What an exchange wants to hear from its socket. */
export interface SocketListener {
  /** The socket was destroyed or ended, by the handler or by {@link ExchangeSocket.destroy}. */
  onGone(reason: Error | null): void;
  /** The inactivity timeout that the handler asked for has passed; returns whether somebody handled it. */
  onTimeout(): boolean;
}

/**
 * The socket that a handler finds at `req.socket`: a real `net.Socket` without a handle. It has the peer's addresses, takes
 * every byte without sending any, and tells its exchange when the handler destroys it. No connection of the client is touched.
 */
export class ExchangeSocket extends Socket {
  readonly peer: Peer;
  readonly #listener: SocketListener;
  #timeoutHandled = false;
  declare encrypted?: boolean;

  constructor(peer: Peer, listener: SocketListener) {
    super();
    this.peer = peer;
    this.#listener = listener;
    if (peer.encrypted === true) this.encrypted = true;
  }

  override _read(): void {
    // The request body is pushed by the exchange; nothing is read from here.
  }

  // Only informational responses (100, 102, 103) get here: nobody in process waits for one.
  override _write(_chunk: unknown, _encoding: BufferEncoding, done: () => void): void {
    done();
  }

  override _writev(_chunks: unknown, done: () => void): void {
    done();
  }

  override _final(done: () => void): void {
    done();
    this.destroy();
  }

  // A server's socket has an error listener of the HTTP server; here the exchange takes the error instead.
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    super._destroy(null, done);
    this.#listener.onGone(error);
  }

  override setTimeout(timeoutMs: number, callback?: () => void): this {
    if (!this.#timeoutHandled) {
      this.#timeoutHandled = true;
      this.on('timeout', () => {
        if (!this.#listener.onTimeout()) this.destroy();
      });
    }
    return super.setTimeout(timeoutMs, callback);
  }
}

// net.Socket has these as accessors of its prototype, so a subclass can only replace them in the same way.
Object.defineProperties(ExchangeSocket.prototype, {
  remoteAddress: address((peer) => peer.remoteAddress),
  remotePort: address((peer) => peer.remotePort),
  remoteFamily: address((peer) => familyOf(peer.remoteAddress)),
  localAddress: address((peer) => peer.localAddress),
  localPort: address((peer) => peer.localPort),
  localFamily: address((peer) => familyOf(peer.localAddress)),
});

function address(read: (peer: Peer) => string | number | undefined): PropertyDescriptor {
  return {
    configurable: true,
    enumerable: true,
    get(this: ExchangeSocket) {
      return read(this.peer);
    },
  };
}

function familyOf(ip: string | undefined): string | undefined {
  if (ip === undefined) return undefined;
  return isIPv6(ip) ? 'IPv6' : 'IPv4';
}
