import type { IncomingMessage } from 'node:http';

import { isObject } from '../protocol/envelope.js';
import { toError } from '../protocol/errors.js';

/** A session on a request, by those members of express-session that are needed here. */
interface RequestSession {
  readonly cookie: object;
  save(done: (error?: unknown) => void): unknown;
  touch(): unknown;
}

/** Fingerprint of a session that nothing was written to. */
const BLANK = '{}';

type Done<Value = void> = (error?: unknown, value?: Value) => void;

/** A session store, by those members of express-session's `Store` that are needed here. */
export interface SessionStore {
  get(id: string, done: (error: unknown, data?: object | null) => void): void;
  createSession(req: IncomingMessage, data: object): RequestSession;
  destroy(id: string, done?: (error?: unknown) => void): void;
  touch?(id: string, session: object, done: (error?: unknown) => void): void;
}

/** What express-session puts on a request. */
export interface SessionRequest {
  sessionID: string;
  readonly sessionStore: SessionStore;
  readonly session: RequestSession;
}

/**
 * The session of a socket. Each action loads it from its store and saves it if it was changed, as each HTTP request does: sockets and
 * HTTP requests see each other's changes, and nobody mints a session per action.
 */
export class LoginSession {
  readonly store: SessionStore;
  readonly id: string;
  /** Whether the store has held it: a session that was there and is gone has ended. */
  #stored: boolean;
  /** JSON text of a session that no store holds yet (an anonymous one that nothing was written to). */
  readonly #blank: string;

  private constructor({ sessionStore, sessionID, session }: SessionRequest) {
    this.store = sessionStore;
    this.id = sessionID;
    this.#blank = JSON.stringify(session);
    // One that holds something was saved at the end of the request; whether it is still there, the next read tells.
    this.#stored = fingerprint(session) !== BLANK;
  }

  /** The session of a request that express-session has worked on and finished; undefined if there is none. */
  static of(req: IncomingMessage): LoginSession | undefined {
    return hasSession(req) ? new LoginSession(req) : undefined;
  }

  /** Reads the session for one action; undefined if it has ended. */
  async read(): Promise<object | undefined> {
    const data = await this.#get();
    if (data !== undefined) {
      this.#stored = true;
      return data;
    }
    if (this.#stored) return undefined;
    return parsed(this.#blank);
  }

  /** Puts the session on a request, and returns how it looks before the handler has it. */
  inflate(req: IncomingMessage, data: object): string {
    Object.assign(req, { sessionStore: this.store, sessionID: this.id });
    return fingerprint(this.store.createSession(req, data));
  }

  /**
   * Saves what the handler changed, or extends the session's life if it changed nothing, as express-session does at the end of a
   * request.
   *
   * @returns the session that the socket has from now on: another one if the handler regenerated it, undefined if it destroyed it
   */
  async commit(req: IncomingMessage, before: string): Promise<LoginSession | undefined> {
    if (!hasSession(req)) return undefined;
    const { session } = req;
    if (req.sessionID !== this.id) {
      // A blank one (after a logout, for instance) would stay in the store for nobody: its cookie can't reach the client.
      if (fingerprint(session) !== BLANK) await promised((done) => session.save(done));
      return LoginSession.of(req);
    }
    if (fingerprint(session) !== before) {
      session.touch();
      await promised((done) => session.save(done));
      this.#stored = true;
    } else if (this.#stored && this.store.touch !== undefined) {
      session.touch();
      await promised((done) => this.store.touch?.(this.id, session, done));
    }
    return this;
  }

  async #get(): Promise<object | undefined> {
    const data = await promised<object | null>((done) => {
      this.store.get(this.id, done);
    }).catch((error: unknown) => {
      // The file store's way to say that there is no such session; express-session takes it so, too.
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    });
    return data ?? undefined;
  }
}

/** Whether express-session's session is on a request. */
export function hasSession(req: object): req is SessionRequest {
  return (
    'sessionID' in req &&
    typeof req.sessionID === 'string' &&
    'sessionStore' in req &&
    typeof req.sessionStore === 'object' &&
    'session' in req &&
    typeof req.session === 'object' &&
    req.session !== null &&
    'save' in req.session
  );
}

/** Puts the session of one request on another request of the same action, as it is now. */
export function passSession(from: IncomingMessage, to: IncomingMessage): void {
  if (!hasSession(from)) return;
  const { session, sessionID, sessionStore } = from;
  Object.assign(to, { sessionID, sessionStore });
  sessionStore.createSession(to, parsed(JSON.stringify(session)));
}

function parsed(session: string): object {
  const data: unknown = JSON.parse(session);
  return isObject(data) ? data : {};
}

/** The session's own content; the cookie's dates change with every request. */
function fingerprint(session: RequestSession): string {
  return JSON.stringify({ ...session, cookie: undefined });
}

function promised<Value = void>(start: (done: Done<Value>) => unknown): Promise<Value | undefined> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error === undefined || error === null) resolve(value);
      else reject(toError(error));
    });
  });
}
