import type { IncomingMessage } from 'node:http';

import type { ExchangeRequest, RequestBody } from '../http/exchange.js';
import { CloseCode } from '../protocol/close-code.js';
import { AuthenticationFailed, NotAuthenticated, PermissionDenied, toErrorReply } from '../protocol/errors.js';
import { askMiddleware } from './ask-middleware.js';
import {
  authenticate,
  type Authentication,
  type AuthenticationOptions,
  type Credentials,
  type Handshake,
} from './authentication.js';
import { replaceBearerToken } from './bearer-token.js';
import { forwardedHeaders } from './forwarded-headers.js';
import type { Identity } from './identity.js';
import { hasSession, LoginSession } from './login-session.js';
import type { ConnectRequest } from './permissions.js';
import { RequestLogin } from './request-login.js';
import type { Revocations } from './revocations.js';
import type { Scope } from './scope.js';
import { ExpiryWatch } from './token-expiry.js';
import { isPresent } from './user.js';

/** Options of a {@link Login}. */
export interface LoginOptions extends AuthenticationOptions {
  /** Further headers of the handshake that travel with actions. */
  readonly forwardHeaders: readonly string[];
  /** Whether two users are the same. */
  readonly isSameUser: (one: Express.User | undefined, other: Express.User | undefined) => boolean;
  /** Ends of sessions, of all logins. */
  readonly revocations: Revocations;
}

/** The connect rules of the consumer behind a socket; they throw to refuse. */
export type Admit = (request: ConnectRequest) => Promise<void>;

/**
 * Who is behind one socket, for as long as it lives: what the handshake's middleware found, revalidated by running the same middleware
 * again, and ended at once when the session is.
 */
export class Login {
  readonly #options: LoginOptions;
  readonly #admit: Admit;
  #handshake: Handshake;
  #scope: Scope;
  #identity: Identity;
  #session: LoginSession | undefined;
  #headerLines: readonly string[];
  /** Of the actions that run; those of several streams do so at once. */
  readonly #inUse = new Set<RequestLogin>();
  #onEnd: ((code: CloseCode) => void) | undefined;
  #unwatch: (() => void) | undefined;
  #ended = false;
  #asking: Promise<void> | undefined;
  #expiresAt: number | undefined;
  readonly #expiry = new ExpiryWatch(async () => {
    // A question from before that moment says nothing.
    await this.#asking;
    await this.revalidate();
    return !this.#ended && this.#onEnd !== undefined;
  });

  private constructor(
    handshake: Handshake,
    options: LoginOptions,
    admit: Admit,
    credentials: Credentials,
    session: LoginSession | undefined,
  ) {
    this.#handshake = handshake;
    this.#options = options;
    this.#admit = admit;
    this.#scope = credentials.scope;
    this.#identity = credentials.identity;
    this.#expiresAt = credentials.expiresAt;
    this.#session = session;
    this.#headerLines = forwardedHeaders(handshake.headerLines, options.forwardHeaders);
  }

  /** Authenticates a handshake; without a login, the authentication's exchange holds the refusal. */
  static async open(
    handshake: Handshake,
    options: LoginOptions,
    admit: Admit,
    signal: AbortSignal,
  ): Promise<{ login: Login | undefined; authentication: Authentication }> {
    const authentication = await authenticate(handshake, options, {
      admit: (credentials) => admit(connectRequest(handshake, options, credentials)),
      signal,
    });
    const { credentials, exchange } = authentication;
    if (credentials === undefined) return { login: undefined, authentication };
    return { login: new Login(handshake, options, admit, credentials, LoginSession.of(exchange.req)), authentication };
  }

  get scope(): Scope {
    return this.#scope;
  }

  /** Whether the login is over: the socket is to be closed as soon as the reply at hand has been sent. */
  get ended(): boolean {
    return this.#ended;
  }

  /** From now on `onEnd` hears when the login ends other than by an action of this socket. Returns the function that stops it. */
  watch(onEnd: (code: CloseCode) => void): () => void {
    this.#onEnd = onEnd;
    this.#watchSession();
    this.#expiry.begin(this.#expiresAt);
    return () => {
      this.#onEnd = undefined;
      this.#expiry.end();
      this.#unwatch?.();
      this.#unwatch = undefined;
    };
  }

  /**
   * The login as the requests of one action have it.
   *
   * @throws {@link NotAuthenticated} if the session is gone; the socket is then closed
   */
  async begin(): Promise<RequestLogin> {
    if (this.#ended) throw new NotAuthenticated();
    const session = this.#session;
    if (session === undefined) return this.#use(new RequestLogin(this, this.#identity));
    const data = await session.read();
    if (data === undefined) {
      this.#end(CloseCode.loginEnded);
      throw new NotAuthenticated();
    }
    return this.#use(new RequestLogin(this, this.#identity, { session, data }));
  }

  /** A request by this login. Its headers come from the handshake, and `more` from the consumer; never from a frame. */
  request(method: string, url: string, more: readonly string[] = [], body?: RequestBody): ExchangeRequest {
    return { method, url, headerLines: [...this.#headerLines, ...more], body, peer: this.#handshake.peer };
  }

  /**
   * Runs the handshake's middleware and connect rules again. Ends the login if they refuse or find another user; takes over what they
   * found otherwise (a new role, for instance). A failure from 500 on (a database that is away) is reported, and asked again
   * the next time.
   */
  revalidate(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    this.#asking ??= this.#askAgain().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #askAgain(): Promise<void> {
    const [handshake, session] = [this.#handshake, this.#session];
    try {
      const credentials = await this.#authenticateAgain(handshake);
      // An action that logs in or out, or a renewed token, has overtaken the question: its answer is about a login of the past.
      if (this.#handshake !== handshake || this.#session !== session || this.#isLeaving(session)) return;
      if (credentials instanceof Error)
        this.#end(toErrorReply(credentials).status === 403 ? CloseCode.refused : CloseCode.loginEnded);
      else this.#take(credentials);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  /**
   * Goes on with another bearer token of the same user.
   *
   * @throws {@link AuthenticationFailed} if the middleware refuses it, {@link PermissionDenied} if it is another user's
   */
  async renew(token: string): Promise<void> {
    const handshake = { ...this.#handshake, headerLines: replaceBearerToken(this.#handshake.headerLines, token) };
    const credentials = await this.#authenticateAgain(handshake);
    if (credentials instanceof Error) throw new AuthenticationFailed();
    if (this.#scope.user !== undefined && !this.#options.isSameUser(this.#scope.user, credentials.scope.user)) {
      throw new PermissionDenied('The token belongs to another user.');
    }
    this.#handshake = handshake;
    this.#expiry.end();
    this.#headerLines = forwardedHeaders(handshake.headerLines, this.#options.forwardHeaders);
    this.#take(credentials);
  }

  /** Whether a request of this login has a user. */
  hasUser(req: IncomingMessage): boolean {
    return isPresent(this.#options.userOf(req));
  }

  /** An action has logged out: the socket is closed behind its reply. */
  leave(): void {
    this.#ended = true;
  }

  /** An action has logged in or out, or came by a session: what follows has it too. */
  follow(session: LoginSession | undefined, req: IncomingMessage): void {
    const before = this.#scope.user;
    const user = this.#options.userOf(req);
    this.#session = session;
    this.#watchSession();
    this.#identity.setUser(Reflect.get(req, 'user'));
    this.#scope = Object.freeze({ ...this.#scope, user: isPresent(user) ? user : undefined });
    if (session === undefined || (before !== undefined && !this.#options.isSameUser(before, this.#scope.user)))
      this.#ended = true;
  }

  /** Called by an action's login when it is done. */
  release(request: RequestLogin): void {
    this.#inUse.delete(request);
  }

  #use(request: RequestLogin): RequestLogin {
    this.#inUse.add(request);
    return request;
  }

  #end(code: CloseCode): void {
    this.#ended = true;
    this.#onEnd?.(code);
  }

  #watchSession(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    const session = this.#session;
    if (session === undefined || this.#onEnd === undefined) return;
    const ended = (): void => {
      // If an action of ours has ended it, its reply is still to be sent.
      if (this.#session === session && !this.#isLeaving(session)) this.#end(CloseCode.loginEnded);
    };
    const doubted = (): void => {
      session.read().then((data) => {
        if (data === undefined) ended();
      }, this.#options.onError);
    };
    this.#unwatch = this.#options.revocations.listen(session, { ended, doubted });
    // It may have ended before anybody watched, while the handshake was being decided for instance.
    doubted();
  }

  /** Whether the action that runs has destroyed or regenerated the session itself. */
  #isLeaving(session: LoginSession | undefined): boolean {
    return session !== undefined && [...this.#inUse].some((request) => request.hasLeft(session));
  }

  /** The credentials, or the refusal as an error. */
  async #authenticateAgain(handshake: Handshake): Promise<Credentials | Error> {
    const session = this.#session;
    const data = await session?.read();
    if (session !== undefined && data === undefined) return new NotAuthenticated();
    const { credentials, exchange } = await authenticate(handshake, this.#options, {
      prepare: ({ req }) => {
        if (session !== undefined && data !== undefined) session.inflate(req, data);
      },
      admit: (found) => this.#admit(connectRequest(handshake, this.#options, found)),
    });
    if (credentials !== undefined) return credentials;
    const { statusCode } = exchange.res;
    if (statusCode >= 500 || statusCode === 429)
      throw new Error(`Revalidating a login failed with status ${String(statusCode)}.`);
    return statusCode === 403 ? new PermissionDenied() : new NotAuthenticated();
  }

  #take({ scope, identity, expiresAt }: Credentials): void {
    if (this.#scope.user !== undefined && !this.#options.isSameUser(this.#scope.user, scope.user)) {
      this.#end(CloseCode.loginEnded);
      return;
    }
    this.#scope = scope;
    this.#identity = identity;
    this.#expiresAt = expiresAt;
    // A token that has ended says nothing more: it is asked about until the leeway is over, however often that is done anyway.
    if (this.#onEnd !== undefined && expiresAt !== undefined) this.#expiry.begin(expiresAt);
  }
}

function connectRequest(handshake: Handshake, options: LoginOptions, { scope, identity, exchange }: Credentials): ConnectRequest {
  return {
    scope,
    passes: (middleware, method) => {
      const request = {
        method,
        url: handshake.url,
        headerLines: [...forwardedHeaders(handshake.headerLines, options.forwardHeaders)],
        peer: handshake.peer,
      };
      return askMiddleware(middleware, request, options.app, (req) => {
        identity.applyTo(req);
        if (!hasSession(exchange.req)) return;
        const { session, sessionID, sessionStore } = exchange.req;
        Object.assign(req, { session, sessionID, sessionStore });
      });
    },
  };
}
