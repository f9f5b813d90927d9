import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';

import { ResponseTooLarge } from '../protocol/errors.js';
import type { Application } from './application.js';
import { type ExpressMessages, messagesOf } from './express-messages.js';
import { ExchangeSocket, type SocketListener } from './exchange-socket.js';
import { KEEP_ALIVE_MS, NodeRequest, NodeResponse } from './node-messages.js';
import type { Peer } from './peer.js';
import { type CaptureListener, ResponseCapture } from './response-capture.js';

/** The body of a synthetic request: text (as UTF-8), bytes, or a stream of either. */
export type RequestBody = string | Uint8Array | AsyncIterable<string | Uint8Array>;

/** One request, its parts checked already. */
export interface ExchangeRequest {
  readonly method: string;
  readonly url: string;
  /** Header names and values in turn, as `req.rawHeaders` has them. */
  readonly headerLines: string[];
  readonly body?: RequestBody | undefined;
  readonly peer: Peer;
}

/** What an exchange is made for. */
export interface ExchangeOptions {
  /** Bytes of body above which the exchange is broken off. */
  readonly maxResponseBytes: number;
  /** The application whose `req.*` and `res.*` the messages have from birth. @default none: they are Node's own */
  readonly app?: Application | undefined;
  /** Whether the request of an application keeps its method, whatever a middleware writes there. @default false */
  readonly fixedMethod?: boolean | undefined;
}

/**
 * One synthetic request and its response: Node's own `IncomingMessage` and `ServerResponse` over a socket that leads nowhere.
 * It is settled once: when the handler has ended the response, or when the exchange is broken off, by the handler (it destroyed
 * the socket) or from outside ({@link Exchange.abort}).
 */
export class Exchange implements SocketListener, CaptureListener {
  readonly req: NodeRequest;
  readonly res: NodeResponse;
  readonly capture: ResponseCapture;
  readonly #socket: ExchangeSocket;
  readonly #maxResponseBytes: number;
  readonly #settled: (failure: Error | undefined) => void;
  readonly #streamed: boolean;
  #failed = false;
  #ended = false;

  /**
   * @param settled - called once, with the reason if the exchange was broken off
   */
  constructor(request: ExchangeRequest, options: ExchangeOptions, settled: (failure: Error | undefined) => void) {
    this.#settled = settled;
    this.#maxResponseBytes = options.maxResponseBytes;
    this.#socket = new ExchangeSocket(request.peer, this);
    const { Request, Response } = classesFor(options);
    this.req = new Request(this.#socket, request.method, request.url, request.headerLines);
    this.#streamed = provideBody(this.req, request.body);
    this.res = new Response(this.req);
    this.res.shouldKeepAlive = !closesConnection(this.req.headers.connection);
    this.res._keepAliveTimeout = KEEP_ALIVE_MS;
    this.capture = new ResponseCapture(this.res, this);
    this.res.assignSocket(this.#socket);
    this.res.on('finish', () => {
      this.#detach();
    });
  }

  /** Whether the response is whole, or never will be. */
  get over(): boolean {
    return this.#ended || this.#failed;
  }

  /** Headers of the response as an HTTP client would see them. */
  headers(): IncomingHttpHeaders {
    return this.capture.headers(this.#socket);
  }

  /** The request has arrived in full; over a socket, that is just after the handler was called. */
  received(): void {
    if (!this.#streamed) this.req.complete = true;
  }

  /** Breaks the exchange off as a lost connection would: request, response and socket emit `close`. */
  abort(reason: Error): void {
    if (!this.over) this.#socket.destroy(reason);
  }

  onBody(total: number): void {
    if (total > this.#maxResponseBytes) this.abort(new ResponseTooLarge(this.#maxResponseBytes));
  }

  onEnd(): void {
    if (this.over) return;
    this.#ended = true;
    // Behind the tick that emits 'finish', which Node queued before it called us.
    process.nextTick(leave, this);
  }

  /** The response has left; as over HTTP, 'close' comes one tick after 'finish'. */
  leave(): void {
    this.#detach();
    process.nextTick(depart, this);
  }

  depart(): void {
    close(this.res);
    this.#settled(undefined);
  }

  onGone(reason: Error | null): void {
    // In end() Node hands the response to the operating system: destroying the socket afterwards does not take it back.
    if (this.over) return;
    this.#failed = true;
    if (!this.req.destroyed) this.req.destroy(connectionReset('aborted'));
    this.#settled(reason ?? connectionReset('socket hang up'));
  }

  /** As over HTTP, the response has let go of its socket when a handler hears 'finish'. */
  #detach(): void {
    if (this.res.socket === null) return;
    this.res.detachSocket(this.#socket);
    if ((this.#socket.timeout ?? 0) > 0) this.#socket.setTimeout(0);
    if (!this.req._consuming && this.req.readableFlowing !== true && (this.#streamed || isAwaited(this.req))) this.req._dump();
  }

  onTimeout(): boolean {
    const byRequest = !this.req.complete && this.req.emit('timeout');
    const byResponse = this.res.emit('timeout');
    return byRequest || byResponse;
  }
}

function classesFor({ app, fixedMethod = false }: ExchangeOptions): Pick<ExpressMessages, 'Request' | 'Response'> {
  if (app === undefined) return { Request: NodeRequest, Response: NodeResponse };
  const { Request, FixedRequest, Response } = messagesOf(app);
  return { Request: fixedMethod ? FixedRequest : Request, Response };
}

function leave(exchange: Exchange): void {
  exchange.leave();
}

function depart(exchange: Exchange): void {
  exchange.depart();
}

function close(res: NodeResponse): void {
  res.destroyed = true;
  res._closed = true;
  res.emit('close');
}

/**
 * The body is pushed when somebody reads: a request without a reader costs no stream.
 *
 * @returns whether the body is yet to come, piece by piece
 */
function provideBody(req: NodeRequest, body: RequestBody | undefined): boolean {
  if (body === undefined) {
    req._read = endOfBody;
    return false;
  }
  if (typeof body === 'string' || body instanceof Uint8Array) {
    req._read = () => {
      req._consuming = true;
      if (body.length > 0) req.push(body);
      req.push(null);
    };
    return false;
  }
  const source = (body instanceof Readable ? body : Readable.from(body, { objectMode: false })).pause();
  source.on('data', (chunk: unknown) => {
    if (!req.push(chunk)) source.pause();
  });
  source.on('end', () => {
    req.complete = true;
    req.push(null);
  });
  source.on('error', (error) => req.destroy(error));
  // A source that is given up: the client went away in the middle of its body.
  source.on('close', () => {
    if (!req.complete) req.destroy(connectionReset('aborted'));
  });
  req.on('close', () => source.destroy());
  req._read = () => {
    req._consuming = true;
    source.resume();
  };
  return true;
}

function endOfBody(this: NodeRequest): void {
  this._consuming = true;
  this.push(null);
}

/** Somebody waits for the end of a request that nobody reads; over HTTP the server reads the rest of it. */
function isAwaited(req: NodeRequest): boolean {
  return !req.readableEnded && (req.listenerCount('end') > 0 || req.listenerCount('close') > 0);
}

function closesConnection(header: string | undefined): boolean {
  return header !== undefined && /\bclose\b/i.test(header);
}

/** The error that Node's HTTP client and server use for a lost connection. */
export function connectionReset(message: string): Error {
  return Object.assign(new Error(message), { code: 'ECONNRESET' });
}
