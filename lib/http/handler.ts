import type { IncomingMessage, ServerResponse } from 'node:http';

/** Continues with the next handler; with an error, with the next error handler. */
export type Next = (error?: unknown) => void;

/**
 * Anything that answers a request as Express and Node call it: an Express 4 or 5 application, a Router, a middleware, or a plain
 * `(req, res) => …`. Declared as a method so that handlers with Express's narrower `Request` and `Response` are accepted as they are.
 */
export type Handler = { handle(req: IncomingMessage, res: ServerResponse, next: Next): unknown }['handle'];
