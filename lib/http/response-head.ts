import type { OutgoingHttpHeader } from 'node:http';

import { type HeaderBlock, KEEP_ALIVE_MS, NodeResponse, type StoredHeaders } from './node-messages.js';

type Header = readonly [name: string, value: OutgoingHttpHeader];

/** Status and headers of a response, as they were when they would have been sent: what is changed later comes too late. */
export interface ResponseHead {
  readonly status: number;
  readonly statusMessage: string;
  /** The handler's own headers. */
  readonly headers: readonly Header[];
  /** The headers that Node adds to them. */
  readonly implied: readonly Header[];
  /** Whether the body is framed in chunks. */
  readonly chunked: boolean;
}

/**
 * Node's `_storeHeader` without the text: decides what the status and the headers imply, and renders nothing.
 *
 * @throws what Node throws for headers that can't be sent
 */
export function decideHead(response: NodeResponse, statusLine: string, block: HeaderBlock): ResponseHead {
  const { statusCode: status, statusMessage } = response;
  if (!isStored(response, block)) {
    return { status, statusMessage, ...renderedHead(response, statusLine, block) };
  }

  const headers: Header[] = [];
  let ownConnection = false;
  let ownLength = false;
  let ownEncoding = false;
  let ownDate = false;
  let ownKeepAlive = false;
  let trailer = false;
  let chunked = false;
  for (const name of Object.keys(block)) {
    const header = block[name];
    // For an empty list nothing is sent.
    if (header === undefined || (Array.isArray(header[1]) && header[1].length === 0)) continue;
    headers.push(header);
    if (name === 'connection') ownConnection = true;
    else if (name === 'date') ownDate = true;
    else if (name === 'keep-alive') ownKeepAlive = true;
    else if (name === 'trailer') trailer = true;
    else if (name === 'content-length') {
      ownLength = true;
      response._contentLength = Number(header[1]);
    } else if (name === 'transfer-encoding') {
      ownEncoding = true;
      chunked = /\bchunked\b/i.test(String(header[1]));
    } else if (name === 'content-disposition' && response._contentLength) {
      headers[headers.length - 1] = [header[0], asBytes(header[1])];
    }
  }

  const implied: Header[] = [];
  if (response.sendDate && !ownDate) implied.push(['date', httpDate()]);

  if (chunked && (status === 204 || status === 304)) {
    chunked = false;
    response.shouldKeepAlive = false;
  }
  if (!ownConnection && !response._removedConnection) {
    const keepAlive = response.shouldKeepAlive && (ownLength || response.useChunkedEncodingByDefault);
    implied.push(['connection', keepAlive ? 'keep-alive' : 'close']);
    if (keepAlive && !ownKeepAlive) implied.push(['keep-alive', `timeout=${String(KEEP_ALIVE_MS / 1_000)}`]);
  }

  if (!ownLength && !ownEncoding && response._hasBody && response.useChunkedEncodingByDefault) {
    if (!trailer && !response._removedContLen && typeof response._contentLength === 'number') {
      implied.push(['content-length', response._contentLength]);
    } else if (!response._removedTE) {
      implied.push(['transfer-encoding', 'chunked']);
      chunked = true;
    }
  }
  // Node has an error for this.
  if (trailer && !chunked) NodeResponse.prototype._storeHeader.call(response, statusLine, block);

  return { status, statusMessage, headers, implied, chunked };
}

/**
 * Names and values in turn, as a client receives them.
 *
 * @param encoding - in which the header block would have been sent; a client reads it as latin1
 */
export function headerLines(head: ResponseHead, encoding: BufferEncoding): string[] {
  const lines: string[] = [];
  for (const [name, value] of head.headers) {
    if (Array.isArray(value)) for (const item of value) lines.push(name, received(item, encoding));
    else lines.push(name, received(value, encoding));
  }
  for (const [name, value] of head.implied) lines.push(name, String(value));
  return lines;
}

/** The status message as a client receives it. */
export function receivedStatusMessage({ statusMessage }: ResponseHead, encoding: BufferEncoding): string {
  return recoded(statusMessage, encoding);
}

/** Whether the headers are those of `setHeader`: only where there are none does Node pass on what `writeHead` was given. */
function isStored(response: NodeResponse, block: HeaderBlock): block is StoredHeaders {
  return Boolean(block) && response.getHeaderNames().length > 0;
}

/** Headers that were given to `writeHead` alone come in three shapes, unchecked: Node checks and renders them, and they are read back. */
function renderedHead(
  response: NodeResponse,
  statusLine: string,
  block: HeaderBlock,
): Omit<ResponseHead, 'status' | 'statusMessage'> {
  NodeResponse.prototype._storeHeader.call(response, statusLine, block);
  const chunked = response.chunkedEncoding;
  // Nothing is framed here.
  response.chunkedEncoding = false;
  const lines = String(response._header).split('\r\n').slice(1, -2);
  const headers = lines.map((line): Header => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1)];
  });
  return { headers, implied: [], chunked };
}

/** Where the length is known, Node makes bytes of `Content-Disposition`, and text again of them, as if they were UTF-8. */
function asBytes(value: OutgoingHttpHeader): OutgoingHttpHeader {
  return [value].flat().map((item) => Buffer.from(String(item), 'latin1').toString());
}

function received(value: string | number, encoding: BufferEncoding): string {
  return recoded(String(value), encoding).replace(/^[ \t]+|[ \t]+$/g, '');
}

function recoded(text: string, encoding: BufferEncoding): string {
  return /[\u0080-\uffff]/.test(text) ? Buffer.from(text, encoding).toString('latin1') : text;
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
