import { inspect } from 'node:util';

import type { Scope } from '../auth/scope.js';
import { formatEnvelope, type Outcome, success, toJson } from '../protocol/envelope.js';
import {
  type ActionContext,
  ANSWERED,
  type ConsumerContext,
  type InTransaction,
  Reply,
  reply,
  type ReplyOptions,
} from './action.js';
import type { ActionRun } from './action-consumer.js';
import type { Link } from './consumer.js';
import type { Groups } from './groups.js';

/** What a consumer holds for one connection. */
export interface Held<State> {
  /** Makes the state when it is first asked for, so that one that can't be made is an error like any other. */
  readonly state: () => State;
  readonly groups: Groups;
}

/** What handlers of a connection do with it. */
export class ConnectionContext<State> implements ConsumerContext<State> {
  readonly state: State;
  readonly #link: Link;
  readonly #groups: Groups;

  constructor(link: Link, { state, groups }: Held<State>) {
    this.#link = link;
    this.#groups = groups;
    this.state = state();
  }

  /** The scope of the moment: a login may be revalidated while an action runs. */
  get scope(): Scope {
    return this.#link.login.scope;
  }

  get signal(): AbortSignal {
    return this.#link.signal;
  }

  send(frame: unknown): void {
    this.#link.send(frame instanceof Uint8Array ? frame : toJson(frame));
  }

  reply(data: unknown, { status, errors = [], action = null, requestId = null }: ReplyOptions = {}): void {
    const { data: text, status: shown } = reply(data, status);
    this.#link.send(formatEnvelope(action, requestId, { ...success(text, shown), errors: toJson(errors) }));
  }

  drained(): Promise<void> {
    return this.#link.drained();
  }

  close(code = 1000): void {
    if (!isCloseCode(code)) throw new TypeError(`Expected 1000 or a code from 3000 to 4999 to close with, got ${inspect(code)}.`);
    this.#link.close(code);
  }

  join(group: string): Promise<void> {
    return this.#groups.join(group);
  }

  leave(group: string): Promise<void> {
    return this.#groups.leave(group);
  }
}

/** What the handler of an action does with its connection. */
export class RunningContext<State> extends ConnectionContext<State> implements ActionContext<State>, InTransaction<unknown> {
  readonly action: string;
  readonly requestId: unknown;
  readonly transaction: unknown;

  constructor({ link, held, action, requestId }: ActionRun<Held<State>>, transaction: unknown) {
    super(link, held);
    this.action = action;
    this.requestId = requestId;
    this.transaction = transaction;
  }

  override reply(data: unknown, options?: ReplyOptions): void {
    super.reply(data, { action: this.action, requestId: this.requestId, ...options });
  }
}

/** What the result of a handler comes to; undefined if it has answered by itself. */
export function outcomeOf(result: unknown): Outcome | undefined {
  if (result === undefined) return success(null, 204);
  if (result === ANSWERED) return undefined;
  return result instanceof Reply ? success(result.data, result.status) : success(result, 200);
}

/** The codes that WebSocket leaves to applications (RFC 6455, 7.4); the others are the protocol's own. */
function isCloseCode(code: number): boolean {
  return code === 1000 || (Number.isInteger(code) && code >= 3000 && code <= 4999);
}
