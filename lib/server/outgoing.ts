import type { Duplex } from 'node:stream';

import type { WebSocket } from 'ws';

import { flush, write } from './batch.js';
import { textFrame } from './text-frame.js';

/** Milliseconds within which a client that has too much to read must take some of it. */
const READ_GRACE_MS = 1_000;

/** What goes out on one socket, and what of it still waits for the client to read. */
export class Outgoing {
  readonly #socket: WebSocket;
  readonly #transport: Duplex;
  readonly #maxQueuedBytes: number;
  /** Aborted when the socket is closed from here, or has gone. */
  readonly #signal: AbortSignal;
  readonly #tooSlow: () => void;
  #overfull: Promise<void> | undefined;

  /**
   * @param transport - what the socket writes to
   * @param tooSlow - closes the connection of a client that takes nothing of what waits
   */
  constructor(socket: WebSocket, transport: Duplex, maxQueuedBytes: number, signal: AbortSignal, tooSlow: () => void) {
    this.#socket = socket;
    this.#transport = transport;
    this.#maxQueuedBytes = maxQueuedBytes;
    this.#signal = signal;
    this.#tooSlow = tooSlow;
  }

  /** Lasts while more waits than is allowed. */
  get overfull(): Promise<void> | undefined {
    return this.#overfull;
  }

  send(frame: string | Uint8Array): void {
    if (this.#signal.aborted || this.#socket.readyState !== this.#socket.OPEN) return;
    // The socket compresses nothing, so none of its own frames waits, and it writes each in one go: this one comes between two of them.
    if (typeof frame === 'string') write(this.#transport, textFrame(frame));
    else this.#socket.send(frame);
    if (this.#isWithinLimit()) return;
    // What has not been offered to the network yet does not wait for the client.
    flush();
    if (this.#isWithinLimit()) return;
    this.#overfull ??= this.#taken().then(() => {
      this.#overfull = undefined;
    });
  }

  /**
   * Resolves when all that was sent is on its way; if the socket is lost first, after the signal says so.
   *
   * A ping goes behind all frames that wait; its callback is called when it has been sent, or never will be.
   */
  drained(): Promise<void> {
    if (this.#signal.aborted) return Promise.resolve();
    flush();
    const isOpen = this.#socket.readyState === this.#socket.OPEN;
    if (isOpen && this.#socket.bufferedAmount === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.ping(undefined, false, (error?: Error | null) => {
        if (error) this.#signal.addEventListener('abort', () => resolve(), { once: true });
        else resolve();
      });
    });
  }

  #isWithinLimit(): boolean {
    return this.#socket.bufferedAmount <= this.#maxQueuedBytes;
  }

  /** Waits until the client has taken enough to be sent more; one that takes nothing at all is closed. */
  async #taken(): Promise<void> {
    for (let before = Infinity; !this.#signal.aborted;) {
      if (this.#isWithinLimit()) return;
      const waiting = this.#socket.bufferedAmount;
      if (waiting >= before) this.#tooSlow();
      else await this.#sent(READ_GRACE_MS);
      before = waiting;
    }
  }

  /** Resolves when everything has been sent, or after a while. */
  #sent(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      void this.drained().then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
