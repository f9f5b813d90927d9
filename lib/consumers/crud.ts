import type { Model } from 'sequelize';

import { unexpected } from '../protocol/options.js';
import { type Action, action, reply } from './action.js';
import type { ModelContext } from './model-context.js';

/** What any model consumer gives its actions. */
type AnyModelContext = ModelContext<Model>;

/** The names that {@link crud} knows. */
export type CrudName =
  'list' | 'retrieve' | 'create' | 'update' | 'patch' | 'delete' | 'subscribe_instance' | 'unsubscribe_instance';

const ACTIONS: Readonly<Record<CrudName, Action<AnyModelContext>>> = {
  list: action(async (ctx: AnyModelContext, args) => {
    const pages = ctx.pages(args);
    const { value: first } = await pages.next();
    await pages.return();
    return first;
  }),
  retrieve: action(async (ctx: AnyModelContext, args) => {
    return ctx.serializer.serialize(await ctx.getObject(args, ctx.serializer.include()));
  }),
  create: action(async (ctx: AnyModelContext, { data }) => {
    return reply(await ctx.serializer.serialize(await ctx.serializer.create(data)), 201);
  }),
  update: action((ctx: AnyModelContext, args) => change(ctx, args, false)),
  patch: action((ctx: AnyModelContext, args) => change(ctx, args, true)),
  delete: action(async (ctx: AnyModelContext, args) => {
    await (await ctx.getObject(args)).destroy();
  }),
  subscribe_instance: action(async (ctx: AnyModelContext, args) => {
    await ctx.subscribeInstance(args, { snapshot: args['snapshot'] === true });
    return reply(null, 201);
  }),
  unsubscribe_instance: action(async (ctx: AnyModelContext, args) => {
    await ctx.unsubscribeInstance(args);
  }),
};

/**
 * The actions of that name for a model consumer: `list` and `retrieve` show rows, `create`, `update` (all required fields), `patch` (some
 * fields) and `delete` change them, `subscribe_instance` and `unsubscribe_instance` say whether the client is told of changes of a row.
 *
 * @throws TypeError for a name that it does not know
 *
 * @example
 * modelConsumer(User, { serializer: UserSerializer, actions: crud('list', 'retrieve') });
 */
export function crud<Name extends CrudName>(...names: readonly Name[]): Readonly<Record<Name, Action<AnyModelContext>>>;
/** @internal What it does. */
export function crud(...names: readonly CrudName[]): Readonly<Record<string, Action<AnyModelContext>>> {
  const known = Object.keys(ACTIONS);
  const unknown: unknown = names.find((name) => !known.includes(name));
  if (names.length === 0 || unknown !== undefined)
    throw unexpected('the names for crud()', `some of ${known.join(', ')}`, unknown);
  return Object.fromEntries(names.map((name) => [name, ACTIONS[name]]));
}

async function change(ctx: AnyModelContext, args: Readonly<Record<string, unknown>>, partial: boolean): Promise<unknown> {
  const instance = await ctx.getObject(args);
  return ctx.serializer.serialize(await ctx.serializer.update(instance, args['data'], { partial }));
}
