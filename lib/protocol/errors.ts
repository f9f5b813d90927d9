import { STATUS_CODES } from 'node:http';
import { inspect, types } from 'node:util';

/** What an error says to the client: a text, a list, or an object of fields, each with its list of texts. */
export type ErrorDetail = string | readonly unknown[] | Readonly<Record<string, unknown>>;

/** What is told of an error that says nothing to the client. */
const NEUTRAL = 'A server error occurred.';

/** Options of the constructors below. */
export interface ActionErrorOptions {
  /** HTTP status of the reply. @default the status of the class */
  readonly status?: number;
  /** Stable, machine-readable name of the error. @default the code of the class */
  readonly code?: string;
  /** What it was made of: for `onError`, never for the client. @default none */
  readonly cause?: unknown;
}

/**
 * An error that an action, a permission or a connect rule throws in order to answer the client with it. Its detail goes on the wire;
 * of every other error only a neutral 500 does. The names, statuses and texts are those of Django REST framework.
 *
 * @example
 * throw new ActionError('I am a teapot', { status: 418, code: 'teapot' });
 */
export class ActionError extends Error {
  /** HTTP status of the reply. */
  readonly status: number;
  /** Stable, machine-readable name. */
  readonly code: string;
  /** What the client is told. */
  readonly detail: ErrorDetail;
  /** The convention of http-errors: error handlers of an app, too, may answer with status and message. */
  readonly expose = true;

  constructor(detail: ErrorDetail = NEUTRAL, options: ActionErrorOptions = {}) {
    super(
      typeof detail === 'string' ? detail : JSON.stringify(detail),
      'cause' in options ? { cause: options.cause } : undefined,
    );
    this.name = new.target.name;
    this.detail = detail;
    this.status = options.status ?? 500;
    this.code = options.code ?? 'error';
  }
}

/** 400: the frame can't be understood. */
export class ParseError extends ActionError {
  constructor(detail: ErrorDetail = 'Malformed request.', options: ActionErrorOptions = {}) {
    super(detail, { status: 400, code: 'parse_error', ...options });
  }
}

/** 400: the arguments are not acceptable; an object names each field with its texts. */
export class ValidationError extends ActionError {
  constructor(detail: ErrorDetail = 'Invalid input.', options: ActionErrorOptions = {}) {
    super(detail, { status: 400, code: 'invalid', ...options });
  }
}

/** 401: nobody is logged in. */
export class NotAuthenticated extends ActionError {
  constructor(detail: ErrorDetail = 'Authentication credentials were not provided.', options: ActionErrorOptions = {}) {
    super(detail, { status: 401, code: 'not_authenticated', ...options });
  }
}

/** 401: the credentials are wrong. */
export class AuthenticationFailed extends ActionError {
  constructor(detail: ErrorDetail = 'Incorrect authentication credentials.', options: ActionErrorOptions = {}) {
    super(detail, { status: 401, code: 'authentication_failed', ...options });
  }
}

/** 403: this user may not do this. */
export class PermissionDenied extends ActionError {
  constructor(detail: ErrorDetail = 'You do not have permission to perform this action.', options: ActionErrorOptions = {}) {
    super(detail, { status: 403, code: 'permission_denied', ...options });
  }
}

/** 404: there is no such thing. */
export class NotFound extends ActionError {
  constructor(detail: ErrorDetail = 'Not found.', options: ActionErrorOptions = {}) {
    super(detail, { status: 404, code: 'not_found', ...options });
  }
}

/** 405: there is no such action. */
export class MethodNotAllowed extends ActionError {
  /** @param method - name of the action, as it is told to the client */
  constructor(method: string, detail: ErrorDetail = `Method "${method}" not allowed.`, options: ActionErrorOptions = {}) {
    super(detail, { status: 405, code: 'method_not_allowed', ...options });
  }
}

/** 406: nothing that the client would accept can be made. */
export class NotAcceptable extends ActionError {
  constructor(detail: ErrorDetail = 'Could not satisfy the request Accept header.', options: ActionErrorOptions = {}) {
    super(detail, { status: 406, code: 'not_acceptable', ...options });
  }
}

/** 415: the data is of a kind that is not taken. */
export class UnsupportedMediaType extends ActionError {
  constructor(
    mediaType: string,
    detail: ErrorDetail = `Unsupported media type "${mediaType}" in request.`,
    options: ActionErrorOptions = {},
  ) {
    super(detail, { status: 415, code: 'unsupported_media_type', ...options });
  }
}

/** 429: too many requests. */
export class Throttled extends ActionError {
  /** @param waitSeconds - seconds until the next request is welcome; told to the client if given */
  constructor(waitSeconds?: number, detail: ErrorDetail = throttledText(waitSeconds), options: ActionErrorOptions = {}) {
    super(detail, { status: 429, code: 'throttled', ...options });
  }
}

/** 504: the handler gave no answer in time. */
export class ActionTimeout extends ActionError {
  /** @param timeoutMs - milliseconds that were waited */
  constructor(timeoutMs: number, options: ActionErrorOptions = {}) {
    super(`No answer within ${String(timeoutMs)} ms.`, { status: 504, code: 'timeout', ...options });
  }
}

/** 500: the handler's response is above the size that is allowed for it. */
export class ResponseTooLarge extends ActionError {
  /** @param maxBytes - bytes that are allowed */
  constructor(maxBytes: number, options: ActionErrorOptions = {}) {
    super('The response is too large.', { status: 500, code: 'response_too_large', ...options });
    this.message = `The response is larger than the ${String(maxBytes)} bytes that are allowed (maxResponseBytes).`;
  }
}

function throttledText(waitSeconds: number | undefined): string {
  const text = 'Request was throttled.';
  if (waitSeconds === undefined) return text;
  const seconds = Math.ceil(waitSeconds);
  return `${text} Expected available in ${String(seconds)} second${seconds === 1 ? '' : 's'}.`;
}

/** A thrown value as an error; JavaScript lets anything be thrown. */
export function toError(thrown: unknown): Error {
  if (isError(thrown)) return thrown;
  return new Error(`Expected an Error to be thrown, got ${inspect(thrown, { depth: 0 })}.`, { cause: thrown });
}

/** Status and `errors` of the reply that answers a thrown error. */
export interface ErrorReply {
  readonly status: number;
  readonly errors: readonly unknown[];
  /** Whether the error was unexpected: its detail is for `onError`, not for the client. */
  readonly unexpected: boolean;
}

/**
 * The one place that turns a throw into an answer. An {@link ActionError} is sent as it is. Of any other error the status is what Express's
 * final handler would answer; the client gets the message only of one that says `expose` (the convention of http-errors), otherwise the
 * status in words.
 *
 * @param begun - the status that the handler has set on its response before it failed
 */
export function toErrorReply(error: unknown, begun = 500): ErrorReply {
  const own = ownReply(error);
  if (own !== undefined) return own;
  const status = statusOf(error) ?? (isErrorStatus(begun) ? begun : 500);
  return { status, errors: [exposedText(error) ?? textOf(status)], unexpected: status >= 500 };
}

/** The status that an error has by itself, as Express's final handler reads it: `status` or `statusCode`, from 400 to 599. */
function statusOf(error: unknown): number | undefined {
  return [property(error, 'status'), property(error, 'statusCode')].find(isErrorStatus);
}

/**
 * What a middleware has passed to `next`, to be thrown: its status is that of the response, if it has none by itself.
 *
 * @param res - the response of the middleware
 */
export function refusalOf({ statusCode }: { readonly statusCode: number }, error: unknown): Error {
  const own = statusOf(error);
  if (own === undefined ? !isErrorStatus(statusCode) : isError(error)) return toError(error);
  const { status, errors } = toErrorReply(error, statusCode);
  return new ActionError(errors, { status, cause: error });
}

/** Response headers that an error has by itself, as Express's final handler reads them. */
export function headersOf(error: unknown): Readonly<Record<string, unknown>> {
  const headers = statusOf(error) === undefined ? undefined : property(error, 'headers');
  return typeof headers === 'object' && headers !== null ? { ...headers } : {};
}

function ownReply(error: unknown): ErrorReply | undefined {
  if (!isError(error) || !(error instanceof ActionError)) return undefined;
  const { status, detail } = error;
  return { status, errors: detailList(detail), unexpected: status >= 500 };
}

function isErrorStatus(status: unknown): status is number {
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599;
}

function exposedText(error: unknown): string | undefined {
  if (property(error, 'expose') !== true || statusOf(error) === undefined) return undefined;
  const message = property(error, 'message');
  return typeof message === 'string' && message !== '' ? message : undefined;
}

function textOf(status: number): string {
  return status === 500 ? NEUTRAL : (STATUS_CODES[status] ?? NEUTRAL);
}

/** A property of what was thrown; that may be anything, also an object whose getters throw. */
export function property(error: unknown, name: string): unknown {
  if (typeof error !== 'object' || error === null) return undefined;
  try {
    return Reflect.get(error, name);
  } catch {
    return undefined;
  }
}

/** Whether what was thrown is an error, of any realm. Of a Proxy nothing is sure: it may throw when it is asked. */
export function isError(thrown: unknown): thrown is Error {
  return !types.isProxy(thrown) && (thrown instanceof Error || types.isNativeError(thrown));
}

function detailList(detail: ErrorDetail): readonly unknown[] {
  return isList(detail) ? detail : [detail];
}

function isList(detail: ErrorDetail): detail is readonly unknown[] {
  return Array.isArray(detail);
}
