import type { Permission } from '../auth/permissions.js';
import type { Scope } from '../auth/scope.js';
import { isObject } from '../protocol/envelope.js';
import { checkKeys, got, unexpected } from '../protocol/options.js';
import type { ActionContext, ConsumerContext } from '../observers/consumer-context.js';
import { type Action, action, type ActionHandler, checkFunction } from './action.js';
import { ActionConsumer, type ActionRun, type Begun, type BoundAction, type ReadActionName } from './action-consumer.js';
import type { Consumer, Link } from './consumer.js';
import { ConnectionContext, type Held, outcomeOf, RunningContext } from './context.js';
import { type GroupMessage, Groups } from './groups.js';

/** What all consumers of named actions are given. */
export interface ConsumerDefinition<State = undefined, Context = ActionContext<State>, AnyStateContext = ActionContext> {
  /** Makes the state of a connection, which its handlers find at `ctx.state`. @default none */
  readonly state?: (scope: Scope) => State;
  /** All of them are asked, at connect and before every action. @default [] */
  readonly permissions?: readonly Permission[];
  /** Named operations: handlers, or the results of {@link action}. */
  // What is made by action() can't know a state that is inferred from the same definition, but the rest of its context.
  readonly actions?: Readonly<Record<string, Action<Context> | Action<AnyStateContext> | ActionHandler<Context>>>;
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

/** The keys of a definition. */
export const DEFINITION_KEYS = ['state', 'permissions', 'actions', 'on', 'connect', 'disconnect', 'actionName'] as const;

/**
 * A consumer of your own, not bound to a router or a model. The type of the state is known to bare handlers; those in `action()` know
 * it from `defineConsumer<State>(…)`.
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
export function defineConsumer<State = undefined>(definition: ConsumerDefinition<State>): Consumer;
/** @internal For any state: the types above are for those who write the definition. */
export function defineConsumer(definition: ConsumerDefinition<unknown>): Consumer {
  checkDefinition('defineConsumer()', definition, DEFINITION_KEYS, '{ actions }');
  return buildConsumer<ActionContext>(definition, (run, transaction) => new RunningContext(run, transaction));
}

/** @throws TypeError for what is no object, or names what is not read */
export function checkDefinition(where: string, definition: unknown, keys: readonly string[], example: string): void {
  if (!isObject(definition))
    throw new TypeError(`Expected a definition such as ${example} for ${where}, got ${got(definition)}.`);
  checkKeys(where, definition, keys);
}

/** What an action is given, made for one run of it. */
export type MakeContext<Context> = (run: ActionRun<Held>, transaction: unknown) => Context;

/** A consumer whose actions are given the contexts that `makeContext` makes. */
export function buildConsumer<Context>(
  definition: ConsumerDefinition<unknown, Context, Context>,
  makeContext: MakeContext<Context>,
): Consumer {
  const { state = ignore, connect = ignore, disconnect = ignore, actionName = ignore } = definition;
  for (const [name, given] of Object.entries({ state, connect, disconnect, actionName })) checkFunction(`\`${name}\``, given);
  for (const [name, given] of Object.entries({ actions: definition.actions, on: definition.on }))
    if (given !== undefined && !isObject(given)) throw unexpected(`\`${name}\``, 'an object', given);
  const actions = new Map<string, BoundAction<Held>>();
  for (const [name, given] of Object.entries(definition.actions ?? {})) actions.set(name, bindAction(name, given, makeContext));
  for (const [type, handler] of Object.entries(definition.on ?? {})) checkFunction(`\`on.${type}\``, handler);
  return new ActionConsumer<Held>({
    permissions: definition.permissions ?? [],
    actions,
    begin: (link) => begin(definition, link),
    actionName: definition.actionName,
  });
}

/** An action as the consumer performs it: the handler's result becomes the outcome. */
function bindAction<Context>(
  name: string,
  given: Action<Context> | ActionHandler<Context>,
  makeContext: MakeContext<Context>,
): BoundAction<Held> {
  if (typeof Reflect.get(Object(given), 'perform') !== 'function') checkFunction(`\`actions.${name}\``, given);
  const bound = typeof given === 'function' ? action<Context>(given) : given;
  return {
    permissions: bound.permissions,
    detached: bound.detached,
    parse: bound.parse,
    perform: async (run) => outcomeOf(await bound.perform((transaction) => makeContext(run, transaction), run.parsed)),
  };
}

function begin<Context>(definition: ConsumerDefinition<unknown, Context, Context>, link: Link): Begun<Held> {
  const { connect, disconnect, on = {} } = definition;
  const handlers = new Map(Object.entries(on));
  const state = once(() => definition.state?.(link.login.scope));
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
