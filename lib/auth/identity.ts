import type { IncomingMessage } from 'node:http';

/**
 * Properties that belong to one exchange, not to who sent it: what Express, body parsers and loggers write on every request. The
 * session is handled by itself, see LoginSession.
 */
const OF_THE_EXCHANGE = new Set<PropertyKey>([
  'app', 'baseUrl', 'body', '_body', '_consuming', 'complete', 'file', 'files', 'method', 'next', 'originalUrl', '_parsedOriginalUrl',
  '_parsedUrl', 'params', 'query', 'rawBody', '_read', '_remoteAddress', 'res', 'route', 'session', 'sessionID', 'sessionStore', '_startAt',
  '_startTime', 'url',
]); // prettier-ignore

/** What the handshake's middleware put on its request (user, passport's methods, cookies, anything else), to be put on others. */
export class Identity {
  readonly #values = new Map<PropertyKey, unknown>();
  readonly #accessors = new Map<PropertyKey, PropertyDescriptor>();

  /** Remembers which properties a request has by itself, before any middleware. */
  static before(req: IncomingMessage): ReadonlySet<PropertyKey> {
    return new Set(Reflect.ownKeys(req));
  }

  constructor(req: IncomingMessage, before: ReadonlySet<PropertyKey>) {
    for (const key of Reflect.ownKeys(req)) {
      if (before.has(key) || OF_THE_EXCHANGE.has(key)) continue;
      const descriptor = Object.getOwnPropertyDescriptor(req, key);
      if (descriptor === undefined) continue;
      if (descriptor.get === undefined && descriptor.set === undefined) this.#values.set(key, descriptor.value);
      else this.#accessors.set(key, { ...descriptor, configurable: true });
    }
  }

  /** Puts the same properties on another request. */
  applyTo(req: IncomingMessage): void {
    for (const [key, value] of this.#values) Reflect.set(req, key, value);
    for (const [key, descriptor] of this.#accessors) Object.defineProperty(req, key, descriptor);
  }

  /** A login or logout within the socket replaces the user for what follows. */
  setUser(user: unknown): void {
    if (user === undefined) this.#values.delete('user');
    else this.#values.set('user', user);
  }
}
