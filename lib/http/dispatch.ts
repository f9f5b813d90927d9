import { type IncomingHttpHeaders, METHODS, validateHeaderName, validateHeaderValue } from 'node:http';
import { inspect, types } from 'node:util';

import { ActionTimeout } from '../protocol/errors.js';
import { got, unexpected } from '../protocol/options.js';
import { MAX_TIMER_MS } from '../protocol/time.js';
import { asServerHandler, isApplication } from './application.js';
import { connectionReset, Exchange, type ExchangeOptions, type ExchangeRequest, type RequestBody } from './exchange.js';
import type { Handler, Next } from './handler.js';
import type { Peer } from './peer.js';

/** One request for {@link dispatch}. */
export interface DispatchRequest {
  /** HTTP method, in any case. @default 'GET' */
  readonly method?: string;
  /** Path and query as they stand in a request line; they reach the handler as they are. */
  readonly url: string;
  /** Header names in any case; a list is a repeated header. `Host` and `Content-Length` are added where a client would add them. */
  readonly headers?: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  /** Text (sent as UTF-8), bytes, or a stream of either. */
  readonly body?: RequestBody;
  /** IP address of the client: `req.socket.remoteAddress`, and `req.ip` without trusted proxies. @default '127.0.0.1' */
  readonly remoteAddress?: string;
  /** Whether the client is connected by TLS: `req.secure`. @default false */
  readonly encrypted?: boolean;
  /** Breaks the request off: the handler sees `close`, the caller the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Limits of one {@link dispatch}. */
export interface DispatchOptions {
  /** Milliseconds until the request is broken off with {@link ActionTimeout}; `Infinity` waits for ever. @default 30_000 */
  readonly timeoutMs?: number;
  /** Bytes of body above which the request is broken off with {@link ResponseTooLarge}. @default 16_777_216 (16 MiB) */
  readonly maxResponseBytes?: number;
}

/** The answer to a {@link dispatch}, as an HTTP client would have received it. */
export interface DispatchResponse {
  /** Status code of HTTP. */
  readonly status: number;
  /** The status in words. */
  readonly statusMessage: string;
  /** Names in lower case; `set-cookie` is a list, other repeated headers are joined. */
  readonly headers: IncomingHttpHeaders;
  /** The bytes of the body; none of it is an empty buffer. */
  readonly body: Buffer;
}

/** How {@link perform} runs a handler. */
export interface PerformOptions extends ExchangeOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the request and response, and with the handler's `next`, before the handler is. */
  readonly prepare?: ((exchange: Exchange, next: Next) => void) | undefined;
  /** What `next()` does after the last handler, and what a throw does. @default a failure of the request */
  readonly next?: ((exchange: Exchange, error: unknown) => void) | undefined;
  /** Hears of what a handler throws after it has answered. @default a warning of the process */
  readonly onLateError?: ((error: unknown) => void) | undefined;
}

/** Milliseconds that a request has. */
export const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_RESPONSE_BYTES = 16 * 1024 * 1024;
const LOOPBACK: Peer = { remoteAddress: '127.0.0.1', localAddress: '127.0.0.1' };
const knownMethods = new Set(METHODS);
/** Without a body, HTTP clients send `Content-Length: 0` for all methods but these (RFC 9110, 8.6). */
const bodylessMethods = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']);

/** Whether Node's HTTP server would take this method. */
export function isKnownMethod(method: string): boolean {
  return knownMethods.has(method);
}

/**
 * Sends one synthetic request through a handler, in process, and resolves with the answer that the same request would get over a
 * TCP socket: the handler meets a real `IncomingMessage` and `ServerResponse`, and nothing of Node or Express is changed.
 *
 * @param handler - an Express 4 or 5 application, a Router (it gets an application around it), or any `(req, res, next)`
 * @param request - method, url, headers and body, as they would be in HTTP
 * @param options - limits of time and size, and a signal
 * @throws TypeError if the request can't be a request (unknown method, unescaped characters in the url, invalid headers)
 * @throws {@link ActionTimeout}, {@link ResponseTooLarge}, the signal's reason, what the handler threw, or an `ECONNRESET` error if
 * the handler destroyed the socket: in each case the handler sees `close`
 *
 * @example
 * const { status, body } = await dispatch(app, { method: 'GET', url: '/users/1' });
 */
export async function dispatch(
  handler: Handler,
  request: DispatchRequest,
  options: DispatchOptions = {},
): Promise<DispatchResponse> {
  const exchange = await perform(asServerHandler(handler), toExchangeRequest(request), {
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxResponseBytes: options.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES,
    signal: request.signal,
    app: isApplication(handler) ? handler : undefined,
  });
  const { capture } = exchange;
  const headers = exchange.headers();
  return { status: capture.status, statusMessage: capture.statusMessage, headers, body: receivedBody(exchange, headers) };
}

/**
 * The body as a client takes it off the wire: `Content-Length` says where it ends, whatever the handler has written.
 *
 * @throws an `ECONNRESET` error if the handler has ended before it wrote all that it announced
 */
function receivedBody({ capture, res }: Exchange, headers: IncomingHttpHeaders): Buffer {
  const body = capture.body();
  const announced = Number(headers['content-length'] ?? body.length);
  if (announced > body.length && res._hasBody) throw connectionReset('aborted');
  return announced < body.length ? body.subarray(0, announced) : body;
}

/** Runs a handler on one exchange and resolves when its response is whole. */
export function perform(handler: Handler, request: ExchangeRequest, options: PerformOptions): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const { signal, timeoutMs } = options;
    if (signal?.aborted === true) {
      reject(reasonOf(signal));
      return;
    }
    const exchange = new Exchange(request, options, (failure) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      if (failure === undefined) resolve(exchange);
      else reject(failure);
    });
    const timer =
      timeoutMs > MAX_TIMER_MS
        ? undefined
        : setTimeout(() => {
            exchange.abort(new ActionTimeout(timeoutMs));
          }, timeoutMs);
    const onAbort = (): void => {
      if (signal !== undefined) exchange.abort(reasonOf(signal));
    };
    signal?.addEventListener('abort', onAbort);

    const next: Next = (error) => {
      if (options.next !== undefined) options.next(exchange, error);
      else fail(error ?? new Error('The handler called next(), and there is none after it.'));
    };
    const fail = (error: unknown): void => {
      if (exchange.over) (options.onLateError ?? warn)(error);
      // As in Express, what a handler throws goes to `next`; thrown nothing is an error, too.
      else if (options.next !== undefined) options.next(exchange, error ?? toError(error));
      else exchange.abort(toError(error));
    };
    try {
      options.prepare?.(exchange, next);
      const result = handler(exchange.req, exchange.res, next);
      exchange.received();
      if (isThenable(result)) result.then(undefined, fail);
    } catch (error) {
      fail(error);
    }
  });
}

function toExchangeRequest(request: DispatchRequest): ExchangeRequest {
  const method = (request.method ?? 'GET').toUpperCase();
  if (!isKnownMethod(method)) throw new TypeError(`Expected \`method\` to be an HTTP method, got ${got(request.method)}.`);
  if (typeof request.url !== 'string' || request.url === '' || /[^!-~]/.test(request.url)) {
    throw new TypeError(`Expected \`url\` to be a path without unescaped characters, got ${got(request.url)}.`);
  }
  const { body } = request;
  if (!isBody(body)) throw unexpected('`body`', 'text, bytes or a stream (JSON.stringify it)', body);
  const headerLines: string[] = [];
  const given = new Set<string>();
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    if (value === undefined) continue;
    validateHeaderName(name);
    given.add(name.toLowerCase());
    for (const line of isList(value) ? value : [String(value)]) {
      validateHeaderValue(name, line);
      // HTTP knows no blanks around a value.
      headerLines.push(name, line.replace(/^[ \t]+|[ \t]+$/g, ''));
    }
  }
  if (!given.has('host')) headerLines.push('Host', 'localhost');
  if (!given.has('content-length') && !given.has('transfer-encoding')) {
    if (body === undefined) {
      if (!bodylessMethods.has(method)) headerLines.push('Content-Length', '0');
    } else if (typeof body === 'string') headerLines.push('Content-Length', String(Buffer.byteLength(body)));
    else if (body instanceof Uint8Array) headerLines.push('Content-Length', String(body.byteLength));
    else headerLines.push('Transfer-Encoding', 'chunked');
  }
  return { method, url: request.url, headerLines, body, peer: peerOf(request) };
}

function isBody(body: unknown): boolean {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) return true;
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}

function isList(value: string | number | readonly string[]): value is readonly string[] {
  return Array.isArray(value);
}

function peerOf({ remoteAddress, encrypted }: DispatchRequest): Peer {
  if (remoteAddress === undefined && encrypted === undefined) return LOOPBACK;
  return { ...LOOPBACK, ...(remoteAddress !== undefined && { remoteAddress }), encrypted };
}

function reasonOf(signal: AbortSignal): Error {
  return toError(signal.reason);
}

function toError(thrown: unknown): Error {
  if (isError(thrown)) return thrown;
  return new Error(`A handler threw ${inspect(thrown)}, which is no Error.`, { cause: thrown });
}

/** An error of another realm (a `DOMException` in a test environment, say) is no `instanceof Error`. */
function isError(thrown: unknown): thrown is Error {
  if (types.isProxy(thrown)) return false;
  return thrown instanceof Error || (typeof thrown === 'object' && thrown !== null && 'stack' in thrown && 'message' in thrown);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function warn(error: unknown): void {
  process.emitWarning(toError(error));
}
