import type { Permission } from '../auth/permissions.js';
import type { Scope } from '../auth/scope.js';
import { isObject } from '../protocol/envelope.js';
import { checkKeys, got } from '../protocol/options.js';
import { type Action, action, type ActionContext, type ActionHandler, checkFunction, type ConsumerContext } from './action.js';
import { ActionConsumer, type ActionRun, type Begun, type BoundAction, type ReadActionName } from './action-consumer.js';
import type { Consumer, Link } from './consumer.js';
import { ConnectionContext, type Held, outcomeOf, RunningContext } from './context.js';
import { type GroupMessage, Groups } from './groups.js';

/** What all consumers of named actions are given. */
export interface ConsumerDefinition<State = undefined, Context = ActionContext<State>> {
  /** All of them are asked, at connect and before every action. @default [] */
  readonly permissions?: readonly Permission[];
  /** Named operations: handlers, or the results of {@link action}. */
  readonly actions?: Readonly<Record<string, Action<Context> | ActionHandler<Context>>>;
  /** Handlers of group messages by their `type`, in one queue with the frames. */
  readonly on?: Readonly<Record<string, (ctx: ConsumerContext<State>, message: GroupMessage) => unknown>>;
  /** Called once the socket is open, before its first frame. */
  readonly connect?: (ctx: ConsumerContext<State>) => unknown;
  /** Called once the socket has gone, with its close code. */
  readonly disconnect?: (ctx: ConsumerContext<State>, code: number) => unknown;
  /**
   * Reads the name of the action from a frame, for clients that call it something else: returns the name, or null if there is none,
   * and the frame without it. What it throws is answered.
   *
   * @default the key `action`
   */
  readonly actionName?: ReadActionName;
}

/** A definition whose connections have a state. */
export interface StatefulConsumerDefinition<State, Context = ActionContext<State>> extends ConsumerDefinition<State, Context> {
  /** Makes the state of a connection, which its handlers find at `ctx.state`. */
  readonly state: (scope: Scope) => State;
}

/** A definition whose connections have none. */
export interface StatelessConsumerDefinition<Context = ActionContext<undefined>> extends ConsumerDefinition<undefined, Context> {
  readonly state?: undefined;
}

/** The keys of a definition. */
export const DEFINITION_KEYS = ['state', 'permissions', 'actions', 'on', 'connect', 'disconnect', 'actionName'] as const;

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
export function defineConsumer(definition: StatelessConsumerDefinition): Consumer;
/** @internal What both are. */
export function defineConsumer<State>(definition: StatefulConsumerDefinition<State> | StatelessConsumerDefinition): Consumer {
  const given: unknown = definition;
  if (!isObject(given)) throw new TypeError(`Expected a definition such as { actions } for defineConsumer(), got ${got(given)}.`);
  checkKeys('defineConsumer()', given, DEFINITION_KEYS);
  return definition.state === undefined
    ? buildConsumer({ ...definition, state: () => undefined }, contextOf)
    : buildConsumer(definition, contextOf);
}

function contextOf<State>(run: ActionRun<Held<State>>, transaction: unknown): ActionContext<State> {
  return new RunningContext(run, transaction);
}

/** What an action is given, made for one run of it. */
export type MakeContext<State, Context> = (run: ActionRun<Held<State>>, transaction: unknown) => Context;

/** A consumer whose actions are given the contexts that `makeContext` makes. */
export function buildConsumer<State, Context extends ActionContext<State>>(
  definition: StatefulConsumerDefinition<State, Context>,
  makeContext: MakeContext<State, Context>,
): Consumer {
  const { state, connect = ignore, disconnect = ignore, actionName = ignore } = definition;
  for (const [name, given] of Object.entries({ state, connect, disconnect, actionName })) checkFunction(`\`${name}\``, given);
  const actions = new Map<string, BoundAction<Held<State>>>();
  for (const [name, given] of Object.entries(definition.actions ?? {})) actions.set(name, bindAction(name, given, makeContext));
  for (const [type, handler] of Object.entries(definition.on ?? {})) checkFunction(`\`on.${type}\``, handler);
  return new ActionConsumer<Held<State>>({
    permissions: definition.permissions ?? [],
    actions,
    begin: (link) => begin(definition, link),
    actionName: definition.actionName,
  });
}

/** An action as the consumer performs it: the handler's result becomes the outcome. */
function bindAction<State, Context extends ActionContext<State>>(
  name: string,
  given: Action<Context> | ActionHandler<Context>,
  makeContext: MakeContext<State, Context>,
): BoundAction<Held<State>> {
  if (typeof Reflect.get(Object(given), 'perform') !== 'function') checkFunction(`\`actions.${name}\``, given);
  const bound = typeof given === 'function' ? action<Context>(given) : given;
  return {
    permissions: bound.permissions,
    detached: bound.detached,
    perform: async (run) => outcomeOf(await bound.perform((transaction) => makeContext(run, transaction), run.args)),
  };
}

function begin<State, Context>(definition: StatefulConsumerDefinition<State, Context>, link: Link): Begun<Held<State>> {
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
    return handler(new ConnectionContext(link, held), message);
  };
  if (connect !== undefined) link.enqueue(() => guarded(link, () => connect(new ConnectionContext(link, held))));
  return {
    held,
    end: async (code) => {
      await guarded(link, () => groups.leaveAll());
      if (disconnect !== undefined) await guarded(link, () => disconnect(new ConnectionContext(link, held), code));
    },
  };
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

function ignore(): void {
  // Not every consumer wants to hear of it.
}
