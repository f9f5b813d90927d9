import { runInNewContext } from 'node:vm';

import {
  ActionError,
  ActionTimeout,
  AuthenticationFailed,
  MethodNotAllowed,
  NotAcceptable,
  NotAuthenticated,
  NotFound,
  ParseError,
  PermissionDenied,
  ResponseTooLarge,
  Throttled,
  UnsupportedMediaType,
  ValidationError,
} from 'express-channels';
import createError from 'http-errors';

import { toError, toErrorReply } from '../../lib/protocol/errors.js';

const NEUTRAL = 'A server error occurred.';

describe('each error has its status, code and text', () => {
  const table: [error: ActionError, name: string, status: number, code: string, text: string][] = [
    [new ActionError(), 'ActionError', 500, 'error', NEUTRAL],
    [new ParseError(), 'ParseError', 400, 'parse_error', 'Malformed request.'],
    [new ValidationError(), 'ValidationError', 400, 'invalid', 'Invalid input.'],
    [new NotAuthenticated(), 'NotAuthenticated', 401, 'not_authenticated', 'Authentication credentials were not provided.'],
    [new AuthenticationFailed(), 'AuthenticationFailed', 401, 'authentication_failed', 'Incorrect authentication credentials.'],
    [new PermissionDenied(), 'PermissionDenied', 403, 'permission_denied', 'You do not have permission to perform this action.'],
    [new NotFound(), 'NotFound', 404, 'not_found', 'Not found.'],
    [new MethodNotAllowed('X'), 'MethodNotAllowed', 405, 'method_not_allowed', 'Method "X" not allowed.'],
    [new NotAcceptable(), 'NotAcceptable', 406, 'not_acceptable', 'Could not satisfy the request Accept header.'],
    [new UnsupportedMediaType('text/x'), 'UnsupportedMediaType', 415, 'unsupported_media_type', 'Unsupported media type "text/x" in request.'],
    [new Throttled(7), 'Throttled', 429, 'throttled', 'Request was throttled. Expected available in 7 seconds.'],
    [new Throttled(0.2), 'Throttled', 429, 'throttled', 'Request was throttled. Expected available in 1 second.'],
    [new Throttled(), 'Throttled', 429, 'throttled', 'Request was throttled.'],
    [new ActionTimeout(50), 'ActionTimeout', 504, 'timeout', 'No answer within 50 ms.'],
    [new ResponseTooLarge(10), 'ResponseTooLarge', 500, 'response_too_large', 'The response is too large.'],
  ]; // prettier-ignore
  test.each(table)('%s', (error, name, status, code, text) => {
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name, status, code, detail: text });
    expect(toErrorReply(error)).toEqual({ status, errors: [text], unexpected: status >= 500 });
    // Error handlers of an application, and another copy of this package, know it by the convention of http-errors.
    expect(error.expose).toBe(true);
  });
});

describe('a detail becomes the list of errors', () => {
  test.each([
    ['a text', 'just text', ['just text']],
    ['a list, as it is', ['one', { two: 2 }], ['one', { two: 2 }]],
    ['an empty list', [], []],
    ['an object', { field: ['bad'], nested: { x: ['y'] } }, [{ field: ['bad'], nested: { x: ['y'] } }]],
    ['an empty text', '', ['']],
  ])('%s', (_name, detail, errors) => {
    for (const Kind of [ActionError, ValidationError, NotFound, PermissionDenied]) {
      expect(toErrorReply(new Kind(detail)).errors).toEqual(errors);
    }
  });

  test('with status, code and cause of its own', () => {
    const cause = new Error('why');
    const error = new ActionError('teapot', { status: 418, code: 'teapot', cause });
    expect(error).toMatchObject({ status: 418, code: 'teapot', message: 'teapot', cause });
    expect(toErrorReply(error)).toEqual({ status: 418, errors: ['teapot'], unexpected: false });
    expect(new ValidationError('x', { code: 'unique' })).toMatchObject({ status: 400, code: 'unique' });
    expect(new ActionError('x')).not.toHaveProperty('cause');
  });
});

describe('an error that is not ours', () => {
  const told: [name: string, error: unknown, status: number, text: string, unexpected?: boolean][] = [
    ['http-errors below 500', createError(418, 'teapot'), 418, 'teapot'],
    ['http-errors that say so', createError(503, 'later', { expose: true }), 503, 'later', true],
    ['one with statusCode', Object.assign(new Error('gone'), { statusCode: 410, expose: true }), 410, 'gone'],
    ['one of another realm', runInNewContext('Object.assign(new Error("far"), { status: 409, expose: true })'), 409, 'far'],
    ['no Error at all', { status: 400, expose: true, message: 'an object' }, 400, 'an object'],
    ['one without a text', { status: 400, expose: true, secret: 'secret' }, 400, 'Bad Request'],
    ['one with an empty text', Object.assign(new Error(''), { status: 400, expose: true }), 400, 'Bad Request'],
    ['one whose text is none', { status: 400, expose: true, message: { secret: true } }, 400, 'Bad Request'],
  ];
  test.each(told)('is told if it has a status and says expose: %s', (_name, error, status, text, unexpected = false) => {
    expect(toErrorReply(error)).toEqual({ status, errors: [text], unexpected });
  });

  const withStatus: [name: string, error: unknown, status: number, text: string][] = [
    ['http-errors from 500 on', createError(503, 'secret'), 503, 'Service Unavailable'],
    ['one with a status alone', Object.assign(new Error('secret'), { status: 404 }), 404, 'Not Found'],
    ['one with a statusCode alone', Object.assign(new Error('secret'), { statusCode: 402 }), 402, 'Payment Required'],
    ['one with a status that is none', Object.assign(new Error('secret'), { status: 1, statusCode: 409 }), 409, 'Conflict'],
    ['one with a status of its own', Object.assign(new Error('secret'), { status: 499 }), 499, NEUTRAL],
    ['one that says expose by another word', Object.assign(new Error('secret'), { status: 400, expose: 'yes' }), 400, 'Bad Request'],
    ['what looks like ours', { name: 'ActionError', status: 400, detail: 'secret' }, 400, 'Bad Request'],
  ]; // prettier-ignore
  test.each(withStatus)('has its status, and the text of that: %s', (_name, error, status, text) => {
    expect(toErrorReply(error)).toEqual({ status, errors: [text], unexpected: status >= 500 });
  });

  test('has the status of the response that was begun, if it has none', () => {
    expect(toErrorReply(new Error('secret'), 403)).toEqual({ status: 403, errors: ['Forbidden'], unexpected: false });
    expect(toErrorReply(createError(404, 'gone'), 403)).toEqual({ status: 404, errors: ['gone'], unexpected: false });
    for (const begun of [200, 302, 600]) expect(toErrorReply(new Error('secret'), begun)).toMatchObject({ status: 500 });
  });

  const fail = (): never => {
    throw new Error('a trap');
  };
  const hidden: [name: string, error: unknown][] = [
    ['an ordinary error', new Error('secret')],
    ['one that says expose alone', Object.assign(new Error('secret'), { expose: true })],
    ['a status that is none of an error', Object.assign(new Error('secret'), { status: 200, expose: true })],
    ['a status that is none', Object.assign(new Error('secret'), { status: 4_000, expose: true })],
    ['a status that is no number', Object.assign(new Error('secret'), { status: '400', expose: true })],
    ['a text', 'secret'],
    ['undefined', undefined],
    ['null', null],
    ['an object', { detail: 'secret' }],
    ['one whose getters throw', Object.defineProperty({}, 'status', { get: () => fail() })],
    ['a Proxy that refuses everything', new Proxy({}, { get: fail, getPrototypeOf: fail, has: fail })],
  ];
  test.each(hidden)('is a neutral 500 otherwise: %s', (_name, error) => {
    expect(toErrorReply(error)).toEqual({ status: 500, errors: [NEUTRAL], unexpected: true });
  });
});

describe('anything that was thrown as an error', () => {
  test('is itself if it is one, of any realm', () => {
    const error = new TypeError('x');
    const far: unknown = runInNewContext('new RangeError("far")');
    expect(toError(error)).toBe(error);
    expect(toError(far)).toBe(far);
  });

  test.each(['text', 5, undefined, null, { a: 1 }, Symbol('s')])('keeps what was thrown as its cause: %p', (thrown) => {
    const error = toError(thrown);
    expect(error).toBeInstanceOf(Error);
    expect(error.cause).toBe(thrown);
    expect(error.message).toMatch(/^Expected an Error to be thrown, got .+\.$/);
  });
});
