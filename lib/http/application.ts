import type { IncomingMessage, ServerResponse } from 'node:http';

import express from 'express';

import type { Handler, Next } from './handler.js';
import type { NodeRequest, NodeResponse } from './node-messages.js';

/** An Express 4 or 5 application, by those of its public members that are needed here. */
export interface Application {
  (req: IncomingMessage, res: ServerResponse): unknown;
  readonly request: object;
  readonly response: object;
  enabled(setting: string): boolean;
  get(setting: string): unknown;
}

/** A request and its response. */
interface Messages {
  readonly req: NodeRequest;
  readonly res: NodeResponse;
}

const standalone = new WeakMap<Handler, Handler>();
let fallback: Application | undefined;
const expressJson: unknown = Reflect.get(express.response, 'json');

/** Whether a handler is an Express application: it has settings and brings its own `req.*` and `res.*`. */
export function isApplication(handler: unknown): handler is Application {
  return typeof handler === 'function' && 'request' in handler && 'response' in handler && 'enabled' in handler;
}

/** Whether a handler is an Express Router: it routes, but has no `res.json` without an application around it. */
export function isRouter(handler: unknown): boolean {
  if (typeof handler !== 'function') return false;
  return 'stack' in handler && Array.isArray(handler.stack) && 'route' in handler && typeof handler.route === 'function';
}

/**
 * The handler as an HTTP server would call it: a Router gets an application around it, and what falls through is answered by
 * Express's own 404.
 */
export function asServerHandler(handler: Handler): Handler {
  const known = standalone.get(handler);
  if (known !== undefined) return known;
  const answer = toServerHandler(handler);
  const serve: Handler = (req, res, next) => {
    if (isExpectationMet(req)) return answer(req, res, next);
    return res.writeHead(417).end();
  };
  standalone.set(handler, serve);
  return serve;
}

/** Node's server refuses by itself what it is expected to do, save to let the client continue. */
function isExpectationMet({ headers: { expect } }: IncomingMessage): boolean {
  return expect === undefined || /(?:^|\W)100-continue(?:$|\W)/i.test(expect);
}

function toServerHandler(handler: Handler): Handler {
  // Called without `next`, an application answers what falls through, and errors, by itself.
  if (isApplication(handler)) return (req, res) => handler(req, res);
  if (isRouter(handler)) {
    const app = express().use(handler);
    return (req, res) => {
      app(req, res);
    };
  }
  return (req, res, next) =>
    handler(req, res, (error) => {
      if (error !== undefined && error !== null) next(error);
      else defaultApplication()(req, res);
    });
}

/** The application that a handler runs in: it is one itself, or is run as if it were mounted in the one that is given. */
export function hostOf(handler: Handler, app: Application): Application {
  return isApplication(handler) ? handler : app;
}

/**
 * Readies the messages of an application for a Router or a plain handler, as if that were mounted in the application: with its
 * settings, yet without its middleware. What `app.handle` does before it routes, for Express 4 and 5 alike.
 */
export function enterApplication(app: Application, messages: Messages, next: Next): void {
  if (app.enabled('x-powered-by')) messages.res.setHeader('X-Powered-By', 'Express');
  becomeExpress(app, messages, next);
}

/** Puts on the messages of an application what it puts on every request. */
export function becomeExpress(app: Application, { req, res }: Messages, next: Next): void {
  req.res = res;
  req.next = next;
  res.locals = { __proto__: null };
  // Express 5 has a getter for it on its prototype; Express 4 parses it in a middleware.
  if (!Reflect.has(req, 'query')) req.query = parseQuery(app, req.url ?? '');
}

/** Whether a `res.json` is Express's own, which prints JSON and nothing else. */
export function isExpressJson(json: unknown): boolean {
  return json === expressJson;
}

/** The application of handlers that were given none. */
export function defaultApplication(): Application {
  fallback ??= express();
  return fallback;
}

function parseQuery(app: Application, url: string): unknown {
  const start = url.indexOf('?');
  const parse = app.get('query parser fn');
  if (typeof parse !== 'function' || start < 0) return {};
  return Reflect.apply(parse, undefined, [url.slice(start + 1)]);
}
