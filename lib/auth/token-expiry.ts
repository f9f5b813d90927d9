import type { IncomingMessage } from 'node:http';

import { isObject } from '../protocol/envelope.js';
import { MAX_TIMER_MS } from '../protocol/time.js';
import { USER_PLACES } from './user.js';

/** Between the questions after a token has ended, in milliseconds; each time twice as long. */
const FIRST_LEEWAY_MS = 1_000;
const LAST_LEEWAY_MS = 32_000;

/**
 * When the token of a request ends, in milliseconds since 1970, as its claim `exp` says (RFC 7519, 4.1.4): in `req.user` (passport-jwt),
 * `req.auth` (express-jwt) or `req.auth.payload` (express-oauth2-jwt-bearer). Undefined if nothing says so, or if that moment has passed: a
 * middleware that has let such a token through does not go by it.
 *
 * @param user - the user, wherever the application has found it
 */
export function expiryOf(req: IncomingMessage, user: unknown): number | undefined {
  const places = [user, ...USER_PLACES.map((name): unknown => Reflect.get(req, name))].filter(isObject);
  const claims = [...places, ...places.map(({ payload }) => payload).filter(isObject)];
  const ends = claims.map(({ exp }) => (typeof exp === 'number' ? exp * 1000 : NaN)).filter((end) => end > Date.now());
  return ends.length === 0 ? undefined : Math.min(...ends);
}

/**
 * Asks about a login when its token has ended. A middleware may allow for clocks that differ: it is asked until that is over, too.
 *
 * ```
 * begin ── the token ends ──▶ asked ── still let in ──▶ asked again 1, 2, 4, … 32 s later ──▶ no more
 * ```
 */
export class ExpiryWatch {
  readonly #ask: () => Promise<boolean>;
  #stop: (() => void) | undefined;

  /** @param ask - whether the login is still let in; it does not reject */
  constructor(ask: () => Promise<boolean>) {
    this.#ask = ask;
  }

  /** @param at - when the token ends, in milliseconds since 1970; undefined if it does not say */
  begin(at: number | undefined): void {
    this.end();
    if (at !== undefined) this.#askAt(at, FIRST_LEEWAY_MS);
  }

  end(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  #askAt(moment: number, leewayMs: number): void {
    this.#stop = callAt(moment, () => {
      this.#stop = undefined;
      void this.#asked(leewayMs);
    });
  }

  async #asked(leewayMs: number): Promise<void> {
    const isLetIn = await this.#ask();
    // A renewed token has another end.
    if (isLetIn && this.#stop === undefined && leewayMs <= LAST_LEEWAY_MS) this.#askAt(Date.now() + leewayMs, leewayMs * 2);
  }
}

/** Calls a function at a moment, however far it is. Returns the function that stops it. */
function callAt(moment: number, call: () => void): () => void {
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const left = moment - Date.now();
    timer = setTimeout(left > MAX_TIMER_MS ? wait : call, Math.min(Math.max(left, 0), MAX_TIMER_MS)).unref();
  };
  wait();
  return () => {
    clearTimeout(timer);
  };
}
