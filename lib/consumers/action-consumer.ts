import { askMiddleware } from '../auth/ask-middleware.js';
import {
  type ActionRequest,
  checkAction,
  checkConnect,
  checkPermissions,
  type ConnectRequest,
  type Permission,
} from '../auth/permissions.js';
import { OwnScope } from '../auth/own-scope.js';
import type { RequestLogin } from '../auth/request-login.js';
import { type ActionFrame, failure, formatEnvelope, isObject, type Outcome, toActionFrame } from '../protocol/envelope.js';
import { MethodNotAllowed, property, toErrorReply } from '../protocol/errors.js';
import { toActionError } from '../serializers/constraint-errors.js';
import { Consumer, type Conversation, type Frame, type Link } from './consumer.js';

/** Detached actions of one connection that may run at once; above, its frames wait. */
const MAX_DETACHED = 64;

/** One run of an action on a connection for which the consumer holds something of type `Held`. */
export interface ActionRun<Held> {
  readonly link: Link;
  readonly held: Held;
  readonly action: string;
  readonly requestId: unknown;
  /** All other keys of the frame, as the client sent them. */
  readonly args: Frame;
  /** What the schema of the action has made of them; the same, without one. */
  readonly parsed: unknown;
  /** The scope as this action and its permissions have it. */
  readonly scope: OwnScope;
  /** The login as this action's requests have it; asked for once, however often it is used. */
  readonly login: () => Promise<RequestLogin>;
  /** Asks again whether the action would be allowed. @throws what refuses it */
  readonly permit: () => true | Promise<void>;
}

/** An action as a consumer performs it. */
export interface BoundAction<Held> {
  /** What it throws becomes the reply; undefined means that all has been answered. */
  readonly perform: (run: ActionRun<Held>) => Promise<Outcome | undefined>;
  /** Asked after those of the consumer, with the arguments as they are parsed. */
  readonly permissions: readonly Permission[];
  /** Parses the arguments; undefined if they are left as they are. @throws what answers bad ones */
  readonly parse: ((args: Frame) => Promise<unknown>) | undefined;
  /** Whether the next frame does not wait for it. */
  readonly detached: boolean;
}

/** What a consumer holds for one connection, and what it does when that has gone. */
export interface Begun<Held> {
  readonly held: Held;
  readonly end: (code: number) => Promise<void>;
}

/** Reads the name of the action from a frame, and takes it out. */
export type ReadActionName = (
  frame: Frame,
) => readonly [name: string | null, rest: Frame] | Promise<readonly [name: string | null, rest: Frame]>;

/** What an {@link ActionConsumer} is made of. */
export interface ActionConsumerParts<Held> {
  readonly permissions: readonly Permission[];
  readonly actions: ReadonlyMap<string, BoundAction<Held>>;
  readonly begin: (link: Link) => Begun<Held>;
  /** @default from the key `action` */
  readonly actionName?: ReadActionName | undefined;
}

/** A consumer of named actions behind permissions. */
export class ActionConsumer<Held> extends Consumer {
  readonly #parts: ActionConsumerParts<Held>;

  constructor(parts: ActionConsumerParts<Held>) {
    super();
    checkPermissions(parts.permissions);
    this.#parts = parts;
  }

  async admit(request: ConnectRequest): Promise<void> {
    await checkConnect(this.#parts.permissions, request);
  }

  open(link: Link): Conversation {
    return new ActionConversation(this.#parts, link);
  }
}

class ActionConversation<Held> implements Conversation {
  readonly #parts: ActionConsumerParts<Held>;
  readonly #link: Link;
  readonly #held: Held;
  readonly #end: (code: number) => Promise<void>;
  /** Actions that run beside the frames. */
  readonly #detached = new Set<Promise<void>>();

  constructor(parts: ActionConsumerParts<Held>, link: Link) {
    this.#parts = parts;
    this.#link = link;
    const { held, end } = parts.begin(link);
    this.#held = held;
    this.#end = end;
  }

  async receive(frame: Frame): Promise<void> {
    let action: ActionFrame;
    try {
      const { actionName } = this.#parts;
      action = actionName === undefined ? toActionFrame(frame) : await readFrame(frame, actionName);
    } catch (error) {
      this.#refuse(error, frame['request_id'] ?? null);
      return;
    }
    const bound = action.action === null ? undefined : this.#parts.actions.get(action.action);
    const answered = this.#answer(action, bound);
    if (bound?.detached !== true) {
      await answered;
      return;
    }
    this.#detached.add(answered);
    void answered.then(() => this.#detached.delete(answered));
    if (this.#detached.size >= MAX_DETACHED) await Promise.race(this.#detached);
  }

  malformed(error: unknown): void {
    this.#refuse(error, null);
  }

  async idle(): Promise<void> {
    await Promise.all(this.#detached);
  }

  closed(code: number): Promise<void> {
    return this.#end(code);
  }

  #refuse(error: unknown, requestId: unknown): void {
    const { status, errors, unexpected } = toErrorReply(error);
    if (unexpected) this.#link.onError(error, { scope: this.#link.login.scope });
    this.#link.send(formatEnvelope(null, requestId, failure(errors, status)));
  }

  async #answer(frame: ActionFrame, bound: BoundAction<Held> | undefined): Promise<void> {
    const outcome = await this.#outcome(frame, bound);
    if (outcome !== undefined) this.#link.send(formatEnvelope(frame.action, frame.requestId, outcome));
    this.#link.answered();
  }

  /** The one place where whatever is thrown on the way of a frame becomes its reply. */
  async #outcome({ action, requestId, args }: ActionFrame, bound: BoundAction<Held> | undefined): Promise<Outcome | undefined> {
    const link = this.#link;
    try {
      if (action === null) throw new MethodNotAllowed('', 'Unable to find action in message body.');
      const login = new LazyLogin(link);
      const scope = new OwnScope(link.login);
      const by = { login, scope };
      const { permissions } = this.#parts;
      // Where there is nobody to ask, nothing is waited for.
      const isAsked =
        permissions.length > 0 || (bound !== undefined && (bound.permissions.length > 0 || bound.parse !== undefined));
      const questions = isAsked ? await this.#admit(action, args, bound, by) : [];
      if (bound === undefined) throw new MethodNotAllowed(action);
      const last = questions.at(-1);
      return await bound.perform({
        link,
        held: this.#held,
        action,
        requestId,
        args,
        parsed: last === undefined ? args : last.parsed,
        scope,
        login: () => login.begin(),
        permit: () => this.#permit(questions, action),
      });
    } catch (thrown) {
      const error = toActionError(thrown);
      const { status, errors, unexpected } = toErrorReply(error);
      if (unexpected && !isAbort(error, link.signal)) {
        link.onError(error, { scope: link.login.scope, ...(action !== null && { action }) });
      }
      return failure(errors, status);
    }
  }

  /** Asks again on behalf of an action that has run before, with the login as it is now. */
  #permit(questions: readonly Question[], action: string): true | Promise<void> {
    if (questions.every(({ permissions }) => permissions.length === 0)) return true;
    const login = new LazyLogin(this.#link);
    return this.#ask(questions, action, { login, scope: new OwnScope(this.#link.login) }).finally(() => login.commit());
  }

  /** Asks the permissions of the consumer, then parses the arguments, then asks those of the action. Returns what was asked. */
  async #admit(action: string, args: Frame, bound: BoundAction<Held> | undefined, by: Asking): Promise<readonly Question[]> {
    try {
      const first = { permissions: this.#parts.permissions, parsed: args };
      await this.#ask([first], action, by);
      if (bound === undefined) throw new MethodNotAllowed(action);
      const parsed = bound.parse === undefined ? args : await bound.parse(args);
      const second = { permissions: bound.permissions, parsed };
      await this.#ask([second], action, by);
      return [first, second];
    } catch (refusal) {
      // Over HTTP a refusal, too, is a response, at whose end the session is saved.
      await by.login.commit();
      throw refusal;
    }
  }

  async #ask(questions: readonly Question[], action: string, by: Asking): Promise<void> {
    for (const { permissions, parsed } of questions)
      await checkAction(permissions, permissionRequest(this.#link, action, isObject(parsed) ? parsed : {}, by));
  }
}

/** Permissions, and the arguments with which they are asked. */
interface Question {
  readonly permissions: readonly Permission[];
  readonly parsed: unknown;
}

/** By whom permissions are asked. */
interface Asking {
  readonly login: LazyLogin;
  readonly scope: OwnScope;
}

async function readFrame(frame: Frame, actionName: ReadActionName): Promise<ActionFrame> {
  const [action, { request_id: requestId = null, ...args }] = await actionName(frame);
  return { action, requestId, args };
}

/** That the socket has gone is no error, but the reason why an action was broken off: as it is, or as Node's own functions tell it. */
function isAbort(error: unknown, { aborted, reason }: AbortSignal): boolean {
  return aborted && (error === reason || property(error, 'name') === 'AbortError');
}

/** The login of one action, begun when it is first asked for. */
class LazyLogin {
  readonly #link: Link;
  #begun: Promise<RequestLogin> | undefined;

  constructor(link: Link) {
    this.#link = link;
  }

  begin(): Promise<RequestLogin> {
    this.#begun ??= this.#link.login.begin();
    return this.#begun;
  }

  /** Saves the session, if somebody has asked for it. */
  async commit(): Promise<void> {
    await (await this.#begun)?.commit();
  }
}

function permissionRequest(link: Link, action: string, args: Frame, { login, scope }: Asking): ActionRequest {
  return {
    get scope() {
      return scope.current;
    },
    action,
    args,
    passes: async (middleware, method) => {
      const requestLogin = await login.begin();
      return askMiddleware(middleware, link.login.request(method, link.login.scope.path), link.app, (req) => {
        requestLogin.apply(req);
      });
    },
  };
}
