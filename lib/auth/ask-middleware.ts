import type { IncomingMessage } from 'node:http';

import { type Application, enterApplication, hostOf } from '../http/application.js';
import { DEFAULT_TIMEOUT_MS, perform } from '../http/dispatch.js';
import type { ExchangeRequest } from '../http/exchange.js';
import type { Handler } from '../http/handler.js';
import { NotAuthenticated, refusalOf } from '../protocol/errors.js';

/**
 * Whether an Express middleware lets a request through: it does by `next()`, and refuses by answering.
 *
 * @param logIn - puts the socket's login on the request
 * @throws {@link NotAuthenticated} if it answers 401, and what it passes to `next(error)`
 */
export async function askMiddleware(
  middleware: Handler,
  request: ExchangeRequest,
  app: Application,
  logIn: (req: IncomingMessage) => void,
): Promise<boolean> {
  const verdict = { passed: false };
  const host = hostOf(middleware, app);
  const { res } = await perform(middleware, request, {
    timeoutMs: DEFAULT_TIMEOUT_MS,
    maxResponseBytes: Infinity,
    app: host,
    prepare: (exchange, next) => {
      if (host !== middleware) enterApplication(host, exchange, next);
      logIn(exchange.req);
    },
    next: (exchange, error) => {
      if (error !== undefined && error !== null) {
        exchange.abort(refusalOf(exchange.res, error));
        return;
      }
      verdict.passed = true;
      exchange.res.end();
    },
  });
  if (!verdict.passed && res.statusCode === 401) throw new NotAuthenticated();
  return verdict.passed;
}
