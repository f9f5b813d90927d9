import { validateHeaderName, validateHeaderValue } from 'node:http';

import { type ErrorReply, headersOf } from '../protocol/errors.js';
import type { Exchange } from './exchange.js';

/** Headers of a body that is not sent after all. */
const OF_THE_BODY = ['content-encoding', 'content-language', 'content-range', 'content-length', 'transfer-encoding'];

/**
 * Answers an exchange that no handler has answered, as Express's final handler does: with the status and the headers of the error.
 *
 * @param reply - what the client is told
 * @param error - where the headers come from
 */
export function answerFinally({ res }: Exchange, { status, errors }: ErrorReply, error: unknown): void {
  for (const name of OF_THE_BODY) res.removeHeader(name);
  for (const [name, value] of Object.entries(headersOf(error))) if (isHeader(name, value)) res.setHeader(name, value);
  res.statusCode = status;
  res.statusMessage = '';
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.end(JSON.stringify({ errors }));
}

/** Over HTTP, a header that cannot be one would end the process. */
function isHeader(name: string, value: unknown): value is number | string | readonly string[] {
  try {
    validateHeaderName(name);
    for (const one of Array.isArray(value) ? value : [value]) {
      if (typeof one !== 'string' && typeof one !== 'number') return false;
      validateHeaderValue(name, String(one));
    }
    return true;
  } catch {
    // Node says by an error that it is none.
    return false;
  }
}
