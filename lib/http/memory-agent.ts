import { Agent, type Server } from 'node:http';
import { Duplex } from 'node:stream';

/** Connects HTTP requests to a server in the same process. */
export class MemoryAgent extends Agent {
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
