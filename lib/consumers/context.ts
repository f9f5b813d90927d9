import { inspect } from 'node:util';

import { OwnScope } from '../auth/own-scope.js';
import type { Scope } from '../auth/scope.js';
import { formatEnvelope, type Outcome, success, toJson } from '../protocol/envelope.js';
import type { ActionContext, ConsumerContext, ReplyOptions } from '../observers/consumer-context.js';
import { SUBSCRIBER, type Subscriber } from '../observers/subscriber.js';
import { ANSWERED, type InTransaction, Reply, reply } from './action.js';
import type { ActionRun } from './action-consumer.js';
import type { Link } from './consumer.js';
import type { Groups } from './groups.js';

/** What a consumer holds for one connection. */
export interface Held {
  /** Makes the state when it is first asked for, so that one that can't be made is an error like any other. */
  readonly state: () => unknown;
  readonly groups: Groups;
}

/** What handlers of a connection do with it. */
export class ConnectionContext implements ConsumerContext {
  readonly state: unknown;
  readonly #link: Link;
  readonly #held: Held;
  readonly #scope: OwnScope;

  constructor(link: Link, held: Held, scope = new OwnScope(link.login)) {
    this.#link = link;
    this.#scope = scope;
    this.#held = held;
    this.state = held.state();
  }

  get scope(): Scope {
    return this.#scope.current;
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
    return this.#held.groups.join(group);
  }

  leave(group: string): Promise<void> {
    return this.#held.groups.leave(group);
  }

  /** A subscription of the connection itself; nobody has to be asked for it again. */
  get [SUBSCRIBER](): Subscriber {
    return subscriberOf(this.#link, this.#held, { action: null, permit: () => true });
  }
}

/** What the handler of an action does with its connection. */
export class RunningContext extends ConnectionContext implements ActionContext, InTransaction<unknown> {
  readonly action: string;
  readonly requestId: unknown;
  readonly transaction: unknown;
  readonly #run: ActionRun<Held>;

  constructor(run: ActionRun<Held>, transaction: unknown) {
    super(run.link, run.held, run.scope);
    this.#run = run;
    this.action = run.action;
    this.requestId = run.requestId;
    this.transaction = transaction;
  }

  override reply(data: unknown, options?: ReplyOptions): void {
    super.reply(data, { action: this.action, requestId: this.requestId, ...options });
  }

  override get [SUBSCRIBER](): Subscriber {
    return subscriberOf(this.#run.link, this.#run.held, this.#run);
  }
}

function subscriberOf(link: Link, held: Held, { action, permit }: Pick<Subscriber, 'action' | 'permit'>): Subscriber {
  return {
    action,
    signal: link.signal,
    layer: link.layer,
    // Not the context of the action: what is delivered later answers no frame.
    context: new ConnectionContext(link, held),
    enqueue: link.enqueue,
    send: link.send,
    permit,
    onError: (error) => {
      link.onError(error, { scope: link.login.scope });
    },
  };
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
