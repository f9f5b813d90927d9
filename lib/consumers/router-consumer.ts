import { checkPermissions, type Permission } from '../auth/permissions.js';
import { enterApplication, hostOf } from '../http/application.js';
import { DEFAULT_TIMEOUT_MS, perform } from '../http/dispatch.js';
import type { Exchange } from '../http/exchange.js';
import { answerFinally } from '../http/final-answer.js';
import type { Handler } from '../http/handler.js';
import { resolvePath } from '../http/route-map.js';
import { failure, isObject } from '../protocol/envelope.js';
import {
  ActionError,
  ActionTimeout,
  type ErrorReply,
  NotFound,
  toError,
  toErrorReply,
  ValidationError,
} from '../protocol/errors.js';
import { checkKeys, got, isTextList, unexpected, VIEW_OPTIONS } from '../protocol/options.js';
import { replyOf, watchJson } from './captured-reply.js';
import { ActionConsumer, type ActionRun as RunOf, type BoundAction } from './action-consumer.js';
import type { Consumer } from './consumer.js';
import { bindActions, type ChooseTarget, type MappedActions } from './mapped-actions.js';

/** Options of {@link viewAsConsumer}. */
export interface ViewAsConsumerOptions {
  /** All of them are asked, at connect and before every action. @default [] (everybody may do what the router lets them) */
  readonly permissions?: readonly Permission[];
  /** Milliseconds until an action is answered with 504. @default 30_000 */
  readonly timeoutMs?: number;
  /** Bytes of a response above which an action is answered with 500. @default 1_048_576 (1 MiB) */
  readonly maxResponseBytes?: number;
  /** Names of response headers that the client is told in the reply's `headers`; of a redirect it is told `location` anyway. @default [] */
  readonly exposeHeaders?: readonly string[];
}

/** Synthetic requests ask for JSON, and take what else there is. */
const ACCEPT = ['Accept', 'application/json, */*;q=0.5'] as const;
type ActionRun = RunOf<undefined>;

/** A router's consumer holds nothing for a connection: what there is to know is in the login. */
const NOTHING_HELD = { held: undefined, end: () => Promise.resolve() };
const DEFAULT_MAX_RESPONSE_BYTES = 1024 * 1024;

/**
 * Makes a consumer of an Express Router, of a whole application with its middleware, or of a bare handler: an action becomes a request
 * through it, and the response becomes the reply. The handlers are not changed and can't tell the difference.
 *
 * What a handler throws or passes to `next` is answered. A promise that it returns is Express's to look at: Express 5 does, Express 4 does
 * not, so there a rejection that no handler passes on is an unhandled one, as over HTTP, and the action is answered with 504.
 *
 * @param handler - an Express 4 or 5 Router or application, or any `(req, res, next)`
 * @param mappedActions - the request that each action becomes; by default those of DCRF: create PUT, update PATCH, list and retrieve GET
 * @param options - permissions, limits of time and size, headers that the client is told
 * @throws TypeError for an action that no route answers; the message lists the routes there are
 *
 * @example
 * channels.route('/ws/users', viewAsConsumer(usersRouter));
 * channels.route('/ws/posts', viewAsConsumer(postsRouter, { list: 'GET /', publish: 'POST /:id/publish' }));
 */
export function viewAsConsumer(handler: Handler, mappedActions?: MappedActions, options: ViewAsConsumerOptions = {}): Consumer {
  if (typeof handler !== 'function') throw new TypeError(`Expected a Router, an application or a handler, got ${got(handler)}.`);
  const settings = readOptions(options);
  const actions = new Map<string, BoundAction<undefined>>();
  for (const [action, choose] of bindActions(handler, mappedActions))
    actions.set(action, { perform: performRoute(handler, choose, settings), permissions: [], parse: undefined, detached: false });
  return new ActionConsumer({ permissions: settings.permissions, actions, begin: () => NOTHING_HELD });
}

function readOptions(options: ViewAsConsumerOptions): Required<ViewAsConsumerOptions> {
  checkKeys('viewAsConsumer()', options, VIEW_OPTIONS);
  const {
    permissions = [],
    timeoutMs = DEFAULT_TIMEOUT_MS,
    maxResponseBytes = DEFAULT_MAX_RESPONSE_BYTES,
    exposeHeaders = [],
  } = options;
  for (const [name, value] of Object.entries({ timeoutMs, maxResponseBytes })) {
    if (typeof value !== 'number' || !(value > 0)) throw unexpected(`\`${name}\``, 'a positive number', value);
  }
  checkPermissions(permissions);
  if (!isTextList(exposeHeaders)) throw unexpected('`exposeHeaders`', "a list of names such as ['etag']", exposeHeaders);
  return { permissions, timeoutMs, maxResponseBytes, exposeHeaders };
}

function performRoute(
  handler: Handler,
  choose: ChooseTarget,
  settings: Required<ViewAsConsumerOptions>,
): BoundAction<undefined>['perform'] {
  return async (run) => {
    const { target, values } = choose(run.args);
    const path = pathOf(target, values);
    const url = path + queryOf(run.args);
    const login = await run.login();
    const body = bodyOf(run);
    const host = hostOf(handler, run.link.app);
    const request = run.link.login.request(target.method, url, headersFor(body), body);

    let printed: () => string | undefined = () => undefined;
    let failed: ErrorReply | undefined;
    const performed = perform(handler, request, {
      timeoutMs: settings.timeoutMs,
      maxResponseBytes: settings.maxResponseBytes,
      signal: run.link.signal,
      app: host,
      // The mapping has fixed it.
      fixedMethod: true,
      prepare: (begun, next) => {
        if (handler !== host) enterApplication(host, begun, next);
        printed = watchJson(begun);
        provide(begun, run, url);
        login.apply(begun.req);
      },
      next: (begun, error) => {
        failed ??= fallThrough(begun, error, run);
      },
      onLateError: (error) => {
        report(error, run);
      },
    });
    let exchange: Exchange;
    try {
      exchange = await performed;
    } catch (error) {
      // Over HTTP an error, too, ends in a response, at whose end the session is saved; a request that is broken off does not.
      if (error instanceof ActionTimeout || run.link.signal.aborted) login.abandon();
      else await login.commit();
      if (error instanceof ActionTimeout) throw unanswered(`${target.method} ${path}`, settings.timeoutMs);
      if (error instanceof ActionError || run.link.signal.aborted) throw error;
      // The handler has broken its answer off. Over HTTP no status arrives, whatever the error says.
      report(error, run);
      return failure(toErrorReply(undefined).errors, 500);
    }
    const reply = replyOf(exchange, printed, settings.exposeHeaders);
    await login.commit();
    return failed === undefined ? reply : { ...failure(failed.errors, failed.status), headers: reply.headers };
  };
}

/** The client is told of a timeout, the operator of its reason. */
function unanswered(route: string, timeoutMs: number): ActionTimeout {
  const message = `${route} has neither answered nor called next() within ${String(timeoutMs)} ms (timeoutMs).`;
  return Object.assign(new ActionTimeout(timeoutMs), { message });
}

function pathOf(target: Parameters<typeof resolvePath>[0], values: ReadonlyMap<string, unknown>): string {
  let path: string | undefined;
  try {
    path = resolvePath(target, values);
  } catch (error) {
    if (error instanceof TypeError) throw new ValidationError({ parameters: [error.message] }, { cause: error });
    throw error;
  }
  if (path === undefined) throw new NotFound();
  return path;
}

/** The query string; a list repeats its key. */
function queryOf(args: ActionRun['args']): string {
  if (!Object.hasOwn(args, 'query')) return '';
  const { query } = args;
  if (!isObject(query)) throw new ValidationError({ query: ['Expected an object.'] });
  const pairs: string[] = [];
  for (const [key, value] of Object.entries(query)) {
    // The mapping has fixed the method; this is where method-override looks for another one.
    if (key === '_method') continue;
    for (const item of Array.isArray(value) ? value : [value]) pairs.push(`${encode(key)}=${encode(queryText(key, item))}`);
  }
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

function queryText(key: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new ValidationError({ query: [`Expected "${key}" to be a text, a number, a boolean, or a list of them.`] });
}

function encode(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new ValidationError({ query: ['Expected whole characters.'] });
  return encodeURIComponent(text);
}

function bodyOf({ args }: ActionRun): string | undefined {
  return args['data'] === undefined ? undefined : JSON.stringify(args['data']);
}

function headersFor(body: string | undefined): readonly string[] {
  if (body === undefined) return ACCEPT;
  return [...ACCEPT, 'Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(body))];
}

/** A router without a body parser finds the data all the same; one with `mergeParams` finds the parameters of the socket's path. */
function provide({ req }: Exchange, { args, link }: ActionRun, url: string): void {
  if (args['data'] !== undefined) req.body = args['data'];
  req.originalUrl = url;
  // As it would find those of the path that it is mounted under.
  req.params = { ...link.login.scope.params };
}

/**
 * Nothing in the handler has answered: there is no such thing, or an error that no error handler wanted. Either is answered as Express's
 * final handler does it, so that what waits for the end of a response (sessions, loggers) meets one.
 *
 * @returns what the client is told; undefined if the handler had begun an answer, which is broken off
 */
function fallThrough(exchange: Exchange, error: unknown, run: ActionRun): ErrorReply | undefined {
  const isError = error !== undefined && error !== null;
  if (exchange.over) {
    if (isError) report(error, run);
    return undefined;
  }
  const { res } = exchange;
  if (res.headersSent) {
    exchange.abort(isError ? toError(error) : new NotFound());
    return undefined;
  }
  const reply = isError ? toErrorReply(error, res.statusCode) : toErrorReply(new NotFound());
  if (reply.unexpected) report(error, run);
  answerFinally(exchange, reply, error);
  return reply;
}

function report(error: unknown, { link, action }: ActionRun): void {
  link.onError(toError(error), { scope: link.login.scope, action });
}
