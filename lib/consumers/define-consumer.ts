import { inspect } from 'node:util';

import type { Permission } from '../auth/permissions.js';
import type { Scope } from '../auth/scope.js';
import { formatEnvelope, isObject, type Outcome, success, toJson } from '../protocol/envelope.js';
import { type Action, action, type ActionContext, type ActionHandler, type ConsumerContext, Reply, type ReplyOptions } from './action.js';
import { ActionConsumer, type ActionRun, type Begun, type BoundAction } from './action-consumer.js';
import type { Consumer, Link } from './consumer.js';
import { type GroupMessage, Groups } from './groups.js';

/** What {@link defineConsumer} is given. */
export interface ConsumerDefinition<State = undefined> {
  /** All of them are asked, at connect and before every action. @default [] */
  readonly permissions?: readonly Permission[];
  /** Named operations: handlers, or the results of {@link action}. */
  readonly actions?: Readonly<Record<string, Action<State> | ActionHandler<State>>>;
  /** Handlers of group messages by their `type`, in one queue with the frames. */
  readonly on?: Readonly<Record<string, (ctx: ConsumerContext<State>, message: GroupMessage) => unknown>>;
  /** Called once the socket is open, before its first frame. */
  readonly connect?: (ctx: ConsumerContext<State>) => unknown;
  /** Called once the socket has gone, with its close code. */
  readonly disconnect?: (ctx: ConsumerContext<State>, code: number) => unknown;
}

/** A definition whose connections have a state. */
export interface StatefulConsumerDefinition<State> extends ConsumerDefinition<State> {
  /** Makes the state of a connection, which its handlers find at `ctx.state`. */
  readonly state: (scope: Scope) => State;
}

/** What a consumer holds for one connection. */
interface Held<State> {
  readonly state: State;
  readonly groups: Groups;
}

/**
 * A consumer of your own, not bound to a router or a model.
 *
 * @throws TypeError for actions or handlers that are no functions
 *
 * @example
 * const Room = defineConsumer({
 *   state: () => ({ room: '' }),
 *   actions: {
 *     enter: async (ctx, { room }) => {
 *       ctx.state.room = String(room);
 *       await ctx.join(`room-${ctx.state.room}`);
 *     },
 *   },
 *   on: { said: (ctx, { text }) => ctx.reply(text, { action: 'said' }) },
 * });
 */
export function defineConsumer<State>(definition: StatefulConsumerDefinition<State>): Consumer;
export function defineConsumer(definition: ConsumerDefinition & { readonly state?: undefined }): Consumer;
export function defineConsumer<State>(
  definition: StatefulConsumerDefinition<State> | (ConsumerDefinition & { readonly state?: undefined }),
): Consumer {
  return definition.state === undefined ? build({ ...definition, state: () => undefined }) : build(definition);
}

function build<State>(definition: StatefulConsumerDefinition<State>): Consumer {
  const actions = new Map<string, BoundAction<Held<State>>>();
  for (const [name, given] of Object.entries(definition.actions ?? {})) actions.set(name, bindAction(name, given));
  for (const [type, handler] of Object.entries(definition.on ?? {})) {
    if (typeof handler !== 'function') throw notAFunction(`on.${type}`, handler);
  }
  return new ActionConsumer<Held<State>>({
    permissions: definition.permissions ?? [],
    actions,
    begin: (link) => begin(definition, link),
  });
}

/** An action as the consumer performs it: the handler's result becomes the outcome. */
function bindAction<State>(name: string, given: Action<State> | ActionHandler<State>): BoundAction<Held<State>> {
  if (typeof given !== 'function' && !isObject(given)) throw notAFunction(`actions.${name}`, given);
  const bound = typeof given === 'function' ? action<State>(given) : given;
  return {
    permissions: bound.permissions,
    detached: bound.detached,
    perform: async (run) => outcomeOf(await bound.perform(actionContext(run), run.args)),
  };
}

function begin<State>(definition: StatefulConsumerDefinition<State>, link: Link): Begun<Held<State>> {
  const { connect, disconnect, on = {} } = definition;
  const handlers = new Map(Object.entries(on));
  const state = definition.state(link.login.scope);
  const groups = new Groups(link.layer, (message) => {
    link.enqueue(() => guarded(link, () => handle(message)));
  });
  const ctx = contextOf(link, { state, groups });
  const handle = (message: GroupMessage): unknown => {
    const handler = handlers.get(message.type);
    if (handler === undefined) throw new TypeError(`There is no handler \`on.${message.type}\` for a message to a group.`);
    return handler(ctx, message);
  };
  if (connect !== undefined) link.enqueue(() => guarded(link, () => connect(ctx)));
  return {
    held: { state, groups },
    end: async (code) => {
      await guarded(link, () => groups.leaveAll());
      if (disconnect !== undefined) await guarded(link, () => disconnect(ctx, code));
    },
  };
}

function actionContext<State>({ link, held, action: name, requestId }: ActionRun<Held<State>>): ActionContext<State> {
  const ctx = contextOf(link, held);
  return {
    ...ctx,
    // The scope of the moment: a login may be revalidated while an action runs.
    get scope() {
      return link.login.scope;
    },
    action: name,
    requestId,
    transaction: undefined,
    reply: (data, options) => {
      ctx.reply(data, { action: name, requestId, ...options });
    },
  };
}

function contextOf<State>(link: Link, { state, groups }: Held<State>): ConsumerContext<State> {
  return {
    get scope() {
      return link.login.scope;
    },
    state,
    signal: link.signal,
    send: (frame) => {
      link.send(frame instanceof Uint8Array ? frame : toJson(frame));
    },
    reply: (data, { status = 200, errors = [], action: name = null, requestId = null }: ReplyOptions = {}) => {
      link.send(formatEnvelope(name, requestId, { ...success(data, status), errors: toJson(errors) }));
    },
    close: (code = 1000) => {
      link.close(code);
    },
    join: (group) => groups.join(group),
    leave: (group) => groups.leave(group),
  };
}

function outcomeOf(result: unknown): Outcome {
  if (result === undefined) return success(null, 204);
  return result instanceof Reply ? success(result.data, result.status) : success(result, 200);
}

async function guarded(link: Link, run: () => unknown): Promise<void> {
  try {
    await run();
  } catch (error) {
    link.onError(error, { scope: link.login.scope });
  }
}

function notAFunction(name: string, given: unknown): TypeError {
  return new TypeError(`Expected \`${name}\` to be a function, got ${inspect(given)}.`);
}
