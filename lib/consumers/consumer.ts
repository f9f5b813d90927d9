import { askMiddleware } from '../auth/ask-middleware.js';
import { checkAction, checkConnect, type ConnectRequest, type Permission } from '../auth/permissions.js';
import type { Login } from '../auth/login.js';
import type { RequestLogin } from '../auth/request-login.js';
import type { Scope } from '../auth/scope.js';
import type { Application } from '../http/application.js';
import { type ActionFrame, failure, formatEnvelope, type Outcome } from '../protocol/envelope.js';
import { MethodNotAllowed, toErrorReply } from '../protocol/errors.js';

/** What a consumer needs of the connection, or of the stream, that it answers on. */
export interface Link {
  readonly login: Login;
  /** The application that brings the settings of bare routers. */
  readonly app: Application;
  /** Aborted when the socket goes. */
  readonly signal: AbortSignal;
  /** Hears of every unexpected error, whose text is kept from the client. */
  readonly onError: (error: unknown, details: ErrorDetails) => void;
}

/** Where an unexpected error came from. */
export interface ErrorDetails {
  readonly scope: Scope;
  /** The action that failed; undefined outside of one. */
  readonly action?: string | undefined;
}

/** One run of an action. */
export interface ActionRun {
  readonly link: Link;
  readonly action: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** The login as this action's requests have it; asked for once, however often it is used. */
  readonly login: () => Promise<RequestLogin>;
}

/** Performs an action. What it throws becomes the reply. */
export type Perform = (run: ActionRun) => Promise<Outcome>;

/** What answers on a connection: named actions behind permissions. */
export class Consumer {
  readonly #permissions: readonly Permission[];
  readonly #actions: ReadonlyMap<string, Perform>;

  constructor(permissions: readonly Permission[], actions: ReadonlyMap<string, Perform>) {
    this.#permissions = permissions;
    this.#actions = actions;
  }

  /** Asks the connect rules. What they throw refuses the handshake. */
  async admit(request: ConnectRequest): Promise<void> {
    await checkConnect(this.#permissions, request);
  }

  /** Answers one frame with the text of its reply. */
  async answer(frame: ActionFrame, link: Link): Promise<string> {
    return formatEnvelope(frame.action, frame.requestId, await this.#outcome(frame, link));
  }

  /** The one place where whatever is thrown on the way of a frame becomes its reply. */
  async #outcome({ action, args }: ActionFrame, link: Link): Promise<Outcome> {
    try {
      if (action === null) throw new MethodNotAllowed('', 'Unable to find action in message body.');
      return await this.#perform(action, args, link);
    } catch (error) {
      const { status, errors, unexpected } = toErrorReply(error);
      // That the socket has gone is no error, but the reason why the action was broken off.
      if (unexpected && error !== link.signal.reason) {
        link.onError(error, { scope: link.login.scope, ...(action !== null && { action }) });
      }
      return failure(errors, status);
    }
  }

  async #perform(action: string, args: ActionRun['args'], link: Link): Promise<Outcome> {
    let begun: Promise<RequestLogin> | undefined;
    const login = (): Promise<RequestLogin> => (begun ??= link.login.begin());
    try {
      await checkAction(this.#permissions, {
        scope: link.login.scope,
        action,
        args,
        passes: async (middleware, method) => {
          const requestLogin = await login();
          return askMiddleware(middleware, link.login.request(method, link.login.scope.path), link.app, (req) => {
            requestLogin.apply(req);
          });
        },
      });
    } catch (refusal) {
      // Over HTTP a refusal, too, is a response, at whose end the session is saved.
      await (await begun)?.commit();
      throw refusal;
    }
    const perform = this.#actions.get(action);
    if (perform === undefined) throw new MethodNotAllowed(action);
    return perform({ link, action, args, login });
  }
}
