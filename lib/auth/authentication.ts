import type { IncomingMessage } from 'node:http';

import type { Application } from '../http/application.js';
import { becomeExpress } from '../http/application.js';
import { perform } from '../http/dispatch.js';
import type { Exchange } from '../http/exchange.js';
import { answerFinally } from '../http/final-answer.js';
import type { Handler, Next } from '../http/handler.js';
import type { Peer } from '../http/peer.js';
import { Advice } from '../protocol/advice.js';
import { ActionTimeout, refusalOf, toError, toErrorReply } from '../protocol/errors.js';
import { Identity } from './identity.js';
import type { Scope } from './scope.js';
import { expiryOf } from './token-expiry.js';
import { isPresent } from './user.js';

/** The request that opened a socket. */
export interface Handshake {
  /** As it stood in the request line. */
  readonly url: string;
  readonly headerLines: readonly string[];
  readonly peer: Peer;
  /** Parameters of the path. */
  readonly params: Readonly<Record<string, string>>;
}

/** What the middleware found out about a handshake. */
export interface Credentials {
  readonly scope: Scope;
  readonly identity: Identity;
  /** When the token says that it ends, in milliseconds since 1970; undefined if it does not say. */
  readonly expiresAt: number | undefined;
  /** The request as the middleware left it. */
  readonly exchange: Exchange;
}

/** How handshakes are authenticated; the same for all sockets of a server. */
export interface AuthenticationOptions {
  readonly app: Application;
  readonly middleware: readonly Handler[];
  /** Milliseconds for all of the middleware together. */
  readonly timeoutMs: number;
  /** Who the user of a request is. */
  readonly userOf: (req: IncomingMessage) => unknown;
  readonly onError: (error: unknown) => void;
}

/** What {@link authenticate} adds to the middleware. */
export interface AuthenticationHooks {
  /** Called on the request before the middleware. */
  readonly prepare?: ((exchange: Exchange) => void) | undefined;
  /** The connect rules; what they throw refuses. */
  readonly admit: (credentials: Credentials) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

/** The outcome: `credentials` if the socket is let in, and in any case the response that says so. */
export interface Authentication {
  readonly credentials: Credentials | undefined;
  readonly exchange: Exchange;
}

const MAX_REFUSAL_BYTES = 64 * 1024;

/** Scopes of handshakes on which no middleware has run: who they are was never asked. */
const unasked = new WeakSet<Scope>();
const advice = new Advice('EXPRESS_CHANNELS_LOGIN');

/** Tells the developer if nobody can be logged in: over HTTP the same users may well be. */
export function adviseOfLogin(scope: Scope): void {
  if (!unasked.has(scope)) return;
  advice.give(
    scope.path,
    `isAuthenticated has refused an action at ${scope.path}, where nobody can be logged in: no middleware runs on handshakes. ` +
      'Give the channels what logs in over HTTP: channels.use(session(…), passport.session()).',
  );
}

/**
 * Runs the login middleware once on a handshake, as a request of its own with a response that can refuse: whatever a middleware answers
 * (a 401 of passport, a redirect) is the answer to the handshake. If it lets the request through and the connect rules agree, the
 * response ends as 101, so that a session is saved and its cookie set just as at the end of any request.
 */
export async function authenticate(
  handshake: Handshake,
  options: AuthenticationOptions,
  hooks: AuthenticationHooks,
): Promise<Authentication> {
  let before: ReadonlySet<PropertyKey> = new Set();
  let credentials: Credentials | undefined;
  let passed = false;

  const decide = async (exchange: Exchange, error: unknown): Promise<void> => {
    try {
      if (error !== undefined && error !== null) throw refusalOf(exchange.res, error);
      const found = credentialsOf(handshake, exchange, before, options.userOf);
      if (options.middleware.length === 0) unasked.add(found.scope);
      await hooks.admit(found);
      if (exchange.over) return;
      credentials = found;
      exchange.res.writeHead(101).end();
    } catch (refusal) {
      refuse(exchange, refusal, options.onError);
    }
  };

  const request = { method: 'GET', url: handshake.url, headerLines: [...handshake.headerLines], peer: handshake.peer };
  const exchange = await perform(inTurn(options.middleware, options.onError), request, {
    timeoutMs: options.timeoutMs,
    maxResponseBytes: MAX_REFUSAL_BYTES,
    signal: hooks.signal,
    app: options.app,
    prepare: (begun) => {
      becomeExpress(options.app, begun, ignore);
      Object.assign(begun.req, { originalUrl: handshake.url, baseUrl: '', params: {} });
      before = Identity.before(begun.req);
      hooks.prepare?.(begun);
    },
    next: (begun, error) => {
      passed = true;
      void decide(begun, error);
    },
    onLateError: options.onError,
  }).catch((error: unknown) => {
    throw error instanceof ActionTimeout && !passed ? hangs(options.timeoutMs) : error;
  });
  return { credentials, exchange };
}

/** The client is told of a timeout, the operator of its reason. */
function hangs(timeoutMs: number): ActionTimeout {
  const message = `The handshake's middleware has neither called next() nor answered within ${String(timeoutMs)} ms (handshakeTimeoutMs).`;
  return Object.assign(new ActionTimeout(timeoutMs), { message });
}

/** Express's way through a list of middleware: an error goes to the next error handler. */
function inTurn(middleware: readonly Handler[], onError: (error: unknown) => void): Handler {
  return (req, res, done) => {
    const step = (index: number, error: unknown): void => {
      const handler: unknown = middleware[index];
      if (typeof handler !== 'function') {
        done(error);
        return;
      }
      let called = false;
      const next: Next = (problem) => {
        if (called) {
          // A middleware that fails after it has let the request through; there is nobody left to tell but the operator.
          if (problem !== undefined && problem !== null) onError(problem);
          return;
        }
        called = true;
        step(index + 1, problem);
      };
      const failed = error !== undefined && error !== null;
      if (failed !== (handler.length === 4)) {
        next(error);
        return;
      }
      try {
        const result: unknown = failed
          ? Reflect.apply(handler, undefined, [error, req, res, next])
          : Reflect.apply(handler, undefined, [req, res, next]);
        if (result instanceof Promise) result.catch(next);
      } catch (thrown) {
        next(thrown);
      }
    };
    step(0, undefined);
  };
}

function credentialsOf(
  handshake: Handshake,
  exchange: Exchange,
  before: ReadonlySet<PropertyKey>,
  userOf: AuthenticationOptions['userOf'],
): Credentials {
  const { req } = exchange;
  const [path, search] = splitUrl(handshake.url);
  const user = userOf(req);
  if (user instanceof Promise)
    throw new TypeError('Expected `user` to return who the user is, got a promise: find it in a middleware.');
  const scope: Scope = Object.freeze({
    path,
    params: Object.freeze({ ...handshake.params }),
    query: Object.freeze(queryOf(search)),
    headers: Object.freeze({ ...req.headers }),
    user: isPresent(user) ? user : undefined,
    remoteAddress: handshake.peer.remoteAddress,
    encrypted: handshake.peer.encrypted === true,
    request: req,
  });
  return { scope, identity: Identity.of(req, before, user), expiresAt: expiryOf(req, user), exchange };
}

function refuse(exchange: Exchange, refusal: unknown, onError: (error: unknown) => void): void {
  const { res, over } = exchange;
  if (res.headersSent && !over) {
    // An answer has begun that must not go out: the caller refuses in its place.
    exchange.abort(toError(refusal));
    return;
  }
  const { status, errors, unexpected } = toErrorReply(refusal);
  if (unexpected) onError(refusal);
  if (over) return;
  answerFinally(exchange, { status, errors, unexpected }, refusal);
}

function splitUrl(url: string): [string, string] {
  const start = url.indexOf('?');
  return start < 0 ? [url, ''] : [url.slice(0, start), url.slice(start + 1)];
}

function queryOf(search: string): Record<string, string | readonly string[]> {
  const query = new Map<string, string | string[]>();
  for (const [key, value] of new URLSearchParams(search)) {
    const earlier = query.get(key);
    if (earlier === undefined) query.set(key, value);
    else if (typeof earlier === 'string') query.set(key, [earlier, value]);
    else earlier.push(value);
  }
  for (const value of query.values()) Object.freeze(value);
  return Object.fromEntries(query);
}

function ignore(): void {
  // `req.next` of a request that no router is working on.
}
