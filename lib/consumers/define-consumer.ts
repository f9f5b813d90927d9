import { inspect } from 'node:util';

import type { Permission } from '../auth/permissions.js';
import type { Scope } from '../auth/scope.js';
import { formatEnvelope, isObject, type Outcome, success, toJson } from '../protocol/envelope.js';
import { checkKeys, got } from '../protocol/options.js';
import {
  type Action,
  action,
  type ActionContext,
  type ActionHandler,
  checkFunction,
  type ConsumerContext,
  Reply,
  reply,
  type ReplyOptions,
} from './action.js';
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
  /** Makes the state when it is first asked for, so that one that can't be made is an error like any other. */
  readonly state: () => State;
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
/** A consumer whose connections have no state. */
export function defineConsumer(definition: ConsumerDefinition & { readonly state?: undefined }): Consumer;
/** @internal What both are. */
export function defineConsumer<State>(
  definition: StatefulConsumerDefinition<State> | (ConsumerDefinition & { readonly state?: undefined }),
): Consumer {
  const given: unknown = definition;
  if (!isObject(given)) throw new TypeError(`Expected a definition such as { actions } for defineConsumer(), got ${got(given)}.`);
  checkKeys('defineConsumer()', given, ['state', 'permissions', 'actions', 'on', 'connect', 'disconnect']);
  return definition.state === undefined ? build({ ...definition, state: () => undefined }) : build(definition);
}

function build<State>(definition: StatefulConsumerDefinition<State>): Consumer {
  const { state, connect = ignore, disconnect = ignore } = definition;
  for (const [name, given] of Object.entries({ state, connect, disconnect })) checkFunction(`\`${name}\``, given);
  const actions = new Map<string, BoundAction<Held<State>>>();
  for (const [name, given] of Object.entries(definition.actions ?? {})) actions.set(name, bindAction(name, given));
  for (const [type, handler] of Object.entries(definition.on ?? {})) checkFunction(`\`on.${type}\``, handler);
  return new ActionConsumer<Held<State>>({
    permissions: definition.permissions ?? [],
    actions,
    begin: (link) => begin(definition, link),
  });
}

/** An action as the consumer performs it: the handler's result becomes the outcome. */
function bindAction<State>(name: string, given: Action<State> | ActionHandler<State>): BoundAction<Held<State>> {
  if (typeof Reflect.get(Object(given), 'perform') !== 'function') checkFunction(`\`actions.${name}\``, given);
  const bound = typeof given === 'function' ? action<State>(given) : given;
  return {
    permissions: bound.permissions,
    detached: bound.detached,
    perform: async (run) => outcomeOf(await bound.perform((transaction) => actionContext(run, transaction), run.args)),
  };
}

function begin<State>(definition: StatefulConsumerDefinition<State>, link: Link): Begun<Held<State>> {
  const { connect, disconnect, on = {} } = definition;
  const handlers = new Map(Object.entries(on));
  const state = once(() => definition.state(link.login.scope));
  const groups = new Groups(link.layer, (message) => {
    link.enqueue(() => guarded(link, () => handle(message)));
  });
  const held = { state, groups };
  const handle = (message: GroupMessage): unknown => {
    const handler = handlers.get(message.type);
    if (handler === undefined) throw new TypeError(`There is no handler \`on.${message.type}\` for a message to a group.`);
    return handler(contextOf(link, held), message);
  };
  if (connect !== undefined) link.enqueue(() => guarded(link, () => connect(contextOf(link, held))));
  return {
    held,
    end: async (code) => {
      await guarded(link, () => groups.leaveAll());
      if (disconnect !== undefined) await guarded(link, () => disconnect(contextOf(link, held), code));
    },
  };
}

function actionContext<State>(
  { link, held, action: name, requestId }: ActionRun<Held<State>>,
  transaction: unknown,
): ActionContext<State, unknown> {
  const ctx = contextOf(link, held);
  return {
    ...ctx,
    get scope() {
      return link.login.scope;
    },
    action: name,
    requestId,
    transaction,
    reply: (data, options) => {
      ctx.reply(data, { action: name, requestId, ...options });
    },
  };
}

function contextOf<State>(link: Link, { state, groups }: Held<State>): ConsumerContext<State> {
  return {
    // The scope of the moment: a login may be revalidated while an action runs.
    get scope() {
      return link.login.scope;
    },
    state: state(),
    signal: link.signal,
    send: (frame) => {
      link.send(frame instanceof Uint8Array ? frame : toJson(frame));
    },
    reply: (data, { status, errors = [], action: name = null, requestId = null }: ReplyOptions = {}) => {
      link.send(formatEnvelope(name, requestId, { ...outcomeOf(reply(data, status)), errors: toJson(errors) }));
    },
    close: (code = 1000) => {
      if (!isCloseCode(code))
        throw new TypeError(`Expected 1000 or a code from 3000 to 4999 to close with, got ${inspect(code)}.`);
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

/** What makes a value once, unless it throws. */
function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** The codes that WebSocket leaves to applications (RFC 6455, 7.4); the others are the protocol's own. */
function isCloseCode(code: number): boolean {
  return code === 1000 || (Number.isInteger(code) && code >= 3000 && code <= 4999);
}

function ignore(): void {
  // Not every consumer wants to hear of it.
}
