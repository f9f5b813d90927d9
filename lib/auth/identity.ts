import type { IncomingMessage } from 'node:http';

import { hasSession } from './login-session.js';
import { ownCopy } from './own-copy.js';
import { isPresent, USER_PLACES } from './user.js';

/** Properties that belong to one exchange, not to who sent it: what Express, body parsers and loggers write on every request. */
const OF_THE_EXCHANGE = new Set<PropertyKey>([
  'app', 'baseUrl', 'body', '_body', '_consuming', 'complete', 'file', 'files', 'method', 'next', 'originalUrl', '_parsedOriginalUrl',
  '_parsedUrl', 'params', 'query', 'rawBody', '_read', '_remoteAddress', 'res', 'route', '_startAt', '_startTime', 'url',
]); // prettier-ignore

/** A session of a store is loaded and saved by each action, see LoginSession. One that lives in a cookie stays as the handshake had it. */
const OF_A_STORED_SESSION = new Set<PropertyKey>(['session', 'sessionID', 'sessionStore']);

/** What the handshake's middleware put on its request (user, passport's methods, cookies, anything else), to be put on others. */
export class Identity {
  readonly #properties = new Map<PropertyKey, PropertyDescriptor>();
  /** The properties that are the user. */
  readonly #ofUser = new Set<PropertyKey>(USER_PLACES);

  /** Remembers which properties a request has by itself, before any middleware. */
  static before(req: IncomingMessage): ReadonlySet<PropertyKey> {
    return new Set(Reflect.ownKeys(req));
  }

  /**
   * What the middleware has put on a request that had some properties before.
   *
   * @param user - the user, wherever the application has found it
   */
  static of(req: IncomingMessage, before: ReadonlySet<PropertyKey>, user: unknown): Identity {
    const identity = new Identity();
    const stored = hasSession(req);
    for (const key of Reflect.ownKeys(req)) {
      if (before.has(key) || OF_THE_EXCHANGE.has(key) || (stored && OF_A_STORED_SESSION.has(key))) continue;
      const descriptor = { ...Object.getOwnPropertyDescriptor(req, key), configurable: true };
      identity.#properties.set(key, descriptor);
      if (isPresent(user) && descriptor.value === user) identity.#ofUser.add(key);
    }
    return identity;
  }

  /** The same properties for one action: what it writes on the user ends with it. What else there is may be shared on purpose. */
  ofAction(): Identity {
    const own = new Identity();
    for (const [key, descriptor] of this.#properties) {
      const isUser = this.#ofUser.has(key) && 'value' in descriptor;
      own.#properties.set(key, isUser ? { ...descriptor, value: ownCopy(descriptor.value) } : descriptor);
    }
    return own;
  }

  /** Puts the same properties on another request. */
  applyTo(req: IncomingMessage): void {
    for (const [key, descriptor] of this.#properties) Object.defineProperty(req, key, descriptor);
  }

  /** A login or logout within the socket replaces the user for what follows. */
  setUser(user: unknown): void {
    if (user === undefined) this.#properties.delete('user');
    else this.#properties.set('user', { configurable: true, enumerable: true, writable: true, value: user });
  }
}
