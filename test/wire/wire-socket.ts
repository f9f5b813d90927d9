import { once } from 'node:events';

import { WebSocket } from 'ws';

/** A frame as it arrived. */
export type Received = { readonly frame: unknown } | { readonly binary: string };

/** A client's end of one connection, with every frame that nobody has taken yet. */
export class WireSocket {
  readonly #socket: WebSocket;
  readonly #received: Received[] = [];
  /** The code with which it was closed; undefined while it is open. */
  closedWith: number | undefined;
  /** Whether the play itself has closed it. */
  left = false;

  private constructor(socket: WebSocket, onChange: () => void) {
    this.#socket = socket;
    socket.on('message', (data, isBinary) => {
      const bytes = Buffer.isBuffer(data) ? data : Buffer.concat(Array.isArray(data) ? data : [Buffer.from(data)]);
      this.#received.push(
        isBinary ? { binary: bytes.toString('base64') } : { frame: JSON.parse(bytes.toString('utf8')) as unknown },
      );
      onChange();
    });
    socket.on('close', (code) => {
      this.closedWith = code;
      onChange();
    });
  }

  /** Opens a connection; a number is the HTTP status with which it was refused. */
  static open(url: string, headers: Readonly<Record<string, string>>, onChange: () => void): Promise<WireSocket | number> {
    const socket = new WebSocket(url, { headers: { ...headers }, perMessageDeflate: false });
    return new Promise((resolve, reject) => {
      // Listening from the start: nothing may be sent on connect, and nothing that is may be missed.
      const opened = new WireSocket(socket, onChange);
      socket.once('open', () => {
        resolve(opened);
      });
      socket.once('unexpected-response', (request, { statusCode }) => {
        request.destroy();
        resolve(statusCode ?? 0);
      });
      socket.on('error', reject);
    });
  }

  get count(): number {
    return this.#received.length;
  }

  /** All frames that have arrived and were not taken yet. */
  take(): readonly Received[] {
    return this.#received.splice(0);
  }

  send(data: string | Buffer): void {
    this.#socket.send(data);
  }

  /** Resolves when all that the server has sent so far is here: it answers a ping behind everything else. */
  async flush(): Promise<void> {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const gone = new AbortController();
    const { signal } = gone;
    const answered = Promise.race([once(this.#socket, 'pong', { signal }), once(this.#socket, 'close', { signal })]);
    this.#socket.ping();
    await answered;
    gone.abort();
  }

  async close(code: number): Promise<void> {
    this.left = true;
    const closed = once(this.#socket, 'close');
    this.#socket.close(code);
    await closed;
  }

  cut(): void {
    this.left = true;
    this.#socket.terminate();
  }
}
