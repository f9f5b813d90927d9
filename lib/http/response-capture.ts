import type { IncomingHttpHeaders, OutgoingHttpHeader } from 'node:http';

import type { ExchangeSocket } from './exchange-socket.js';
import { type HeaderBlock, NodeRequest, type NodeResponse } from './node-messages.js';

/** A piece of the body as the handler wrote it; a string keeps its encoding until somebody needs the bytes. */
interface BodyChunk {
  readonly data: string | Uint8Array;
  readonly encoding: BufferEncoding;
}

/** What the exchange wants to hear. */
export interface CaptureListener {
  /** More of the body has been written; `total` counts all of its bytes so far. */
  onBody(total: number): void;
  /** `end()` has been called: the response is whole. */
  onEnd(): void;
}

// Node's default for a server; seconds of `Keep-Alive: timeout=`.
const KEEP_ALIVE = 'timeout=5';

/**
 * Keeps what a real `http.ServerResponse` would send. Node's own code does all the rest (argument checks, implicit headers, HEAD
 * and 204 without a body, events, errors after the end): only the three places where it would render and send are replaced, as own
 * properties of the instance, because Express puts another prototype under the response.
 */
export class ResponseCapture {
  readonly #response: NodeResponse;
  readonly #listener: CaptureListener;
  readonly #chunks: BodyChunk[] = [];
  /** Names and values of the headers that Node would have added to the handler's own. */
  readonly #implied: string[] = [];
  #length = 0;

  constructor(response: NodeResponse, listener: CaptureListener) {
    this.#response = response;
    this.#listener = listener;
    response._storeHeader = (statusLine, headers) => {
      this.#decideHeaders(statusLine, headers);
    };
    response._send = (data, encoding, callback) => this.#keep(data, encoding, callback);
    response._finish = () => {
      response.emit('prefinish');
      listener.onEnd();
    };
    // Writing after the end is the handler's mistake: it hears of it by its callback, and the process stays up.
    response.on('error', ignore);
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
    if (first === undefined || this.#chunks.length > 1 || typeof first.data !== 'string') return undefined;
    return first.encoding === 'utf8' || first.encoding === 'utf-8' ? first.data : undefined;
  }

  /** The headers as an HTTP client sees them: names in lower case, repeated ones folded by Node's own rules. */
  headers(socket: ExchangeSocket): IncomingHttpHeaders {
    const lines: string[] = [];
    for (const [name, value] of Object.entries(this.#response.getHeaders())) {
      if (Array.isArray(value)) for (const item of value) lines.push(name, item.trim());
      else if (value !== undefined) lines.push(name, String(value).trim());
    }
    return new NodeRequest(socket, lines.concat(this.#implied)).headers;
  }

  /** Node's `_storeHeader` without the text: decides what the headers imply, and renders nothing. */
  #decideHeaders(statusLine: string, headers: HeaderBlock): void {
    const response = this.#response;
    if (headers && response.getHeaderNames().length === 0) adoptHeaders(response, headers);
    const implied = this.#implied;

    if (response.sendDate && !response.hasHeader('date')) implied.push('date', httpDate());

    const hasLength = response.hasHeader('content-length');
    if (!response.hasHeader('connection') && !response._removedConnection) {
      const keepAlive = response.shouldKeepAlive && (hasLength || response.useChunkedEncodingByDefault);
      implied.push('connection', keepAlive ? 'keep-alive' : 'close');
      if (keepAlive && !response.hasHeader('keep-alive')) implied.push('keep-alive', KEEP_ALIVE);
    }

    const encoding = response.getHeader('transfer-encoding');
    const trailer = response.hasHeader('trailer');
    let chunked = encoding !== undefined && /\bchunked\b/i.test(String(encoding));
    if (!hasLength && encoding === undefined && response._hasBody && response.useChunkedEncodingByDefault) {
      if (!trailer && !response._removedContLen && typeof response._contentLength === 'number') {
        implied.push('content-length', String(response._contentLength));
      } else if (!response._removedTE) {
        implied.push('transfer-encoding', 'chunked');
        chunked = true;
      }
    }
    if (trailer && !chunked) {
      throw Object.assign(new Error('Trailers are invalid with this transfer encoding'), { code: 'ERR_HTTP_TRAILER_INVALID' });
    }

    response._header = statusLine;
    response._headerSent = false;
  }

  /** Node's `_send` without the socket. */
  #keep(data: unknown, encoding: unknown, callback: unknown): boolean {
    if (this.#response.socket?.destroyed === true) return false;
    this.#response._headerSent = true;
    if ((typeof data === 'string' || data instanceof Uint8Array) && data.length > 0) {
      const chunkEncoding = typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8';
      this.#chunks.push({ data, encoding: chunkEncoding });
      this.#length += typeof data === 'string' ? Buffer.byteLength(data, chunkEncoding) : data.length;
      this.#listener.onBody(this.#length);
    }
    if (isCallback(callback)) process.nextTick(callback);
    return true;
  }
}

/** Headers that were given to `writeHead` alone; `setHeader` checks them as Node does. */
function adoptHeaders(response: NodeResponse, headers: NonNullable<HeaderBlock>): void {
  if (!isList(headers)) {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, given(name, value));
    return;
  }
  const pairs = headers.every(Array.isArray) ? headers.flat() : headers;
  if (pairs.length % 2 !== 0) {
    throw Object.assign(new TypeError(`The argument 'headers' is invalid. Received ${String(pairs.length)} items`), {
      code: 'ERR_INVALID_ARG_VALUE',
    });
  }
  for (let index = 0; index < pairs.length; index += 2) {
    const name = String(pairs[index]);
    const value = given(name, pairs[index + 1]);
    response.appendHeader(name, typeof value === 'number' ? String(value) : value);
  }
}

function given(name: string, value: OutgoingHttpHeader | undefined): OutgoingHttpHeader {
  if (value !== undefined) return value;
  throw Object.assign(new TypeError(`Invalid value "undefined" for header "${name}"`), { code: 'ERR_HTTP_INVALID_HEADER_VALUE' });
}

function isList(headers: NonNullable<HeaderBlock>): headers is readonly OutgoingHttpHeader[] {
  return Array.isArray(headers);
}

function isCallback(value: unknown): value is () => void {
  return typeof value === 'function';
}

function ignore(): void {
  // See the constructor of ResponseCapture.
}

function toBuffer({ data, encoding }: BodyChunk): Buffer {
  if (typeof data === 'string') return Buffer.from(data, encoding);
  return Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

let renderedDate = '';
let renderedSecond = 0;

/** The `Date` header, rendered once a second. */
function httpDate(): string {
  const second = Math.floor(Date.now() / 1_000);
  if (second !== renderedSecond) {
    renderedSecond = second;
    renderedDate = new Date(second * 1_000).toUTCString();
  }
  return renderedDate;
}
