import type { IncomingMessage, ServerResponse } from 'node:http';

import express from 'express';

import type { Handler, Next } from './handler.js';

/** An Express 4 or 5 application, by those of its public members that are needed here. */
export interface Application {
  (req: IncomingMessage, res: ServerResponse): unknown;
  readonly request: object;
  readonly response: object;
  enabled(setting: string): boolean;
  get(setting: string): unknown;
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

/**
 * Runs a Router or a plain handler as if it were mounted in an application: with that application's `req.*`, `res.*` and settings, yet
 * without its middleware. What `app.handle` does before it routes, for Express 4 and 5 alike.
 */
export function inApplication(handler: Handler, app: Application | undefined): Handler {
  if (isApplication(handler)) return handler;
  const host = app ?? defaultApplication();
  return (req, res, next) => {
    if (host.enabled('x-powered-by')) res.setHeader('X-Powered-By', 'Express');
    becomeExpress(host, req, res, next);
    return handler(req, res, next);
  };
}

/** Gives a request and its response the methods and settings of an application. */
export function becomeExpress(app: Application, req: IncomingMessage, res: ServerResponse, next: Next): void {
  Object.setPrototypeOf(req, app.request);
  Object.setPrototypeOf(res, app.response);
  Object.assign(req, { res, next });
  Object.assign(res, { req, locals: { __proto__: null } });
  // Express 5 has a getter for it on its prototype; Express 4 parses it in a middleware.
  if (!('query' in req)) Object.assign(req, { query: parseQuery(app, req.url ?? '') });
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
