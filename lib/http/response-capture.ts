import type { IncomingHttpHeaders } from 'node:http';

import type { ExchangeSocket } from './exchange-socket.js';
import { NodeRequest, type NodeResponse } from './node-messages.js';
import { decideHead, headerLines, receivedStatusMessage, type ResponseHead } from './response-head.js';

/** A piece of the body as the handler wrote it; a string keeps its encoding until somebody needs the bytes. */
type BodyChunk = Buffer | { readonly text: string; readonly encoding: BufferEncoding };

/** What the exchange wants to hear. */
export interface CaptureListener {
  /** More of the body has been written; `total` counts all of its bytes so far. */
  onBody(total: number): void;
  /** `end()` has been called: the response is whole. */
  onEnd(): void;
}

/** Until the handler's own is decided. */
const NO_HEAD: ResponseHead = { status: 0, statusMessage: '', headers: [], implied: [], chunked: false };

/**
 * Keeps what a real `http.ServerResponse` would send. Node's own code does all the rest (argument checks, implicit headers, HEAD
 * and 204 without a body, events, errors after the end): only the three places where it would render and send are replaced, as own
 * properties of the instance, because Express puts another prototype under the response.
 */
export class ResponseCapture {
  readonly #response: NodeResponse;
  readonly #listener: CaptureListener;
  readonly #chunks: BodyChunk[] = [];
  #head = NO_HEAD;
  #headEncoding: BufferEncoding = 'latin1';
  #length = 0;
  /** Bytes since a writer was last told that all of them are sent. */
  #pending = 0;

  constructor(response: NodeResponse, listener: CaptureListener) {
    this.#response = response;
    this.#listener = listener;
    response._storeHeader = (statusLine, block) => {
      this.#head = decideHead(response, statusLine, block);
      response._header = statusLine;
      response._headerSent = false;
    };
    response._send = (data, encoding, callback) => this.#keep(data, encoding, callback);
    response._finish = () => {
      response.emit('prefinish');
      listener.onEnd();
    };
    // Writing after the end is the handler's mistake: it hears of it by its callback, and the process stays up.
    response.on('error', ignore);
  }

  /** The status as it was when the headers were decided. */
  get status(): number {
    return this.#head.status;
  }

  get statusMessage(): string {
    return receivedStatusMessage(this.#head, this.#headEncoding);
  }

  /** Bytes of the body so far. */
  get length(): number {
    return this.#length;
  }

  /** The whole body as bytes. */
  body(): Buffer {
    const [first] = this.#chunks;
    if (first === undefined) return Buffer.alloc(0);
    if (this.#chunks.length === 1) return toBuffer(first);
    return Buffer.concat(this.#chunks.map(toBuffer));
  }

  /** The body as text if the handler wrote it as one UTF-8 string, which saves the detour over bytes. */
  singleText(): string | undefined {
    const [first] = this.#chunks;
    if (first === undefined || this.#chunks.length > 1 || first instanceof Uint8Array) return undefined;
    return /^utf-?8$/i.test(first.encoding) ? first.text : undefined;
  }

  /** The headers as an HTTP client sees them: names in lower case, repeated ones folded by Node's own rules. */
  headers(socket: ExchangeSocket): IncomingHttpHeaders {
    return new NodeRequest(socket, '', '', headerLines(this.#head, this.#headEncoding)).headers;
  }

  /** Node's `_send` without the socket. */
  #keep(data: unknown, encoding: unknown, callback: unknown): boolean {
    const response = this.#response;
    if (response.socket?.destroyed === true) return false;
    if (!response._headerSent) {
      response._headerSent = true;
      // A chunk's size precedes it.
      const size = this.#head.chunked && data !== '';
      this.#headEncoding = size ? 'latin1' : headEncoding(data, encoding);
    }
    if (isCallback(callback)) process.nextTick(callback);
    if (typeof data === 'string') {
      if (data === '') return true;
      const chunk = { text: data, encoding: typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8' };
      this.#chunks.push(chunk);
      return this.#count(Buffer.byteLength(data, chunk.encoding));
    }
    if (!(data instanceof Uint8Array) || data.length === 0) return true;
    // A handler may fill its buffer anew once it is written.
    this.#chunks.push(Buffer.from(data));
    return this.#count(data.length);
  }

  /** Whether the handler may go on writing, or had better wait for 'drain'. */
  #count(bytes: number): boolean {
    const response = this.#response;
    this.#length += bytes;
    this.#pending += bytes;
    this.#listener.onBody(this.#length);
    if (this.#pending < response.writableHighWaterMark) return true;
    // Not before other work had its turn: a handler that writes for ever must not keep the event loop for itself.
    if (this.#pending - bytes < response.writableHighWaterMark) setImmediate(drain, this);
    return false;
  }

  /** All is sent: 'drain' for a handler that waits for it. */
  drain(): void {
    const response = this.#response;
    this.#pending = 0;
    if (!response.writableNeedDrain || response.socket === null) return;
    // Node emits 'drain', and clears the state behind it, when it has flushed something.
    response.outputData.push({ data: '', encoding: 'latin1', callback: null });
    response._flush();
  }
}

function drain(capture: ResponseCapture): void {
  capture.drain();
}

/** Node sends the header block together with a first piece of text, in the encoding of the latter. */
function headEncoding(data: unknown, encoding: unknown): BufferEncoding {
  return typeof data === 'string' && (encoding === 'utf8' || !encoding) ? 'utf8' : 'latin1';
}

function isCallback(value: unknown): value is () => void {
  return typeof value === 'function';
}

function ignore(): void {
  // See the constructor of ResponseCapture.
}

function toBuffer(chunk: BodyChunk): Buffer {
  return chunk instanceof Uint8Array ? chunk : Buffer.from(chunk.text, chunk.encoding);
}
