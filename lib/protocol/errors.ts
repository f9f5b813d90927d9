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
  // An error of another realm is none of ours by `instanceof`.
  if (thrown instanceof Error || types.isNativeError(thrown)) return thrown;
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
 * The one place that turns a throw into an answer. An {@link ActionError} is told as it is; an error that carries a `status` and
 * says `expose` (the convention of http-errors) is told with its message; of anything else the client learns nothing.
 */
export function toErrorReply(error: unknown): ErrorReply {
  if (error instanceof ActionError)
    return { status: error.status, errors: detailList(error.detail), unexpected: error.status >= 500 };
  const status = exposedStatus(error);
  if (status !== undefined) return { status, errors: [messageOf(error) ?? NEUTRAL], unexpected: status >= 500 };
  return { status: 500, errors: [NEUTRAL], unexpected: true };
}

/** The status of an error that may be told to the client: by the convention of http-errors, one that says `expose`. */
export function exposedStatus(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if (!('expose' in error) || error.expose !== true) return undefined;
  const status = 'status' in error ? error.status : 'statusCode' in error ? error.statusCode : undefined;
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 400 || status > 599) return undefined;
  return status;
}

/** Errors of another realm are no `Error` of ours, and what says `expose` need not be one. */
function messageOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('message' in error)) return undefined;
  return typeof error.message === 'string' && error.message !== '' ? error.message : undefined;
}

function detailList(detail: ErrorDetail): readonly unknown[] {
  return isList(detail) ? detail : [detail];
}

function isList(detail: ErrorDetail): detail is readonly unknown[] {
  return Array.isArray(detail);
}
