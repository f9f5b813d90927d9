import type { IncomingMessage } from 'node:http';

import type { Identity } from './identity.js';
import type { Login } from './login.js';
import { hasSession, LoginSession, passSession } from './login-session.js';

/** A session and what its store held when the action began. */
interface ActionSession {
  readonly session: LoginSession;
  readonly data: object;
}

/** A login as the requests of one action have it: the identity of the handshake, and the session as it is now. */
export class RequestLogin {
  readonly #login: Login;
  readonly #identity: Identity;
  readonly #of: ActionSession | undefined;
  #req: IncomingMessage | undefined;
  /** Whether there was a user before the handler. */
  #hadUser = false;
  #before = '';

  constructor(login: Login, identity: Identity, of?: ActionSession) {
    this.#login = login;
    this.#identity = identity.ofAction();
    this.#of = of;
  }

  /** Logs a request in. The handler's comes after those of the permissions, and has the session as they left it. */
  apply(req: IncomingMessage): void {
    const earlier = this.#req;
    this.#req = req;
    this.#identity.applyTo(req);
    if (earlier !== undefined) passSession(earlier, req);
    else if (this.#of !== undefined) this.#before = this.#of.session.inflate(req, this.#of.data);
    this.#hadUser = this.#login.hasUser(req);
  }

  /** Whether the handler has destroyed or regenerated the session by itself. */
  hasLeft(session: LoginSession): boolean {
    if (this.#req === undefined) return false;
    return !hasSession(this.#req) || this.#req.sessionID !== session.id;
  }

  /** Saves nothing, because the action was broken off. What its handler still does to the session is no longer of this socket. */
  abandon(): void {
    this.#login.release(this);
  }

  /** Saves the session as express-session does at the end of a request; the socket follows a login or logout of its handler. */
  async commit(): Promise<void> {
    const req = this.#req;
    this.#login.release(this);
    if (req === undefined || this.#login.ended) return;
    const before = this.#of?.session;
    const after = before === undefined ? LoginSession.of(req) : await before.commit(req, this.#before);
    if (after !== before) this.#login.follow(after, req);
    // A session that lives in a cookie does not say that it has ended; neither does one that stays, without its user.
    if (this.#hadUser && !this.#login.hasUser(req)) this.#login.leave();
  }
}
