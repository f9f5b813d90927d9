/** What TypeScript infers of model consumers; `npm run typecheck` is the test. */
import {
  action,
  type ActionArguments,
  type Consumer,
  crud,
  defineConsumer,
  keyset,
  limitOffset,
  type ModelContext,
  modelConsumer,
  modelSerializer,
  type Pagination,
  type Serialized,
  streamedList,
} from 'express-channels';
import { type Attributes, type FindOptions, type Model, type ModelStatic, Op, type Sequelize, type Transaction } from 'sequelize';
import { z } from 'zod';

import { Message, Room, User } from '../serializers/serializer-models.js';

declare const sequelize: Sequelize;

/** Whether two types accept each other, and neither is `any`. */
type Same<One, Other> = 0 extends 1 & One ? false : [One] extends [Other] ? ([Other] extends [One] ? true : false) : false;

/** Compiles if a value is of exactly the type that is expected. */
function expectType<Expected>(): <Actual>(
  _value: Actual,
  ..._not: Same<Actual, Expected> extends true ? [] : ['another type']
) => void {
  return () => undefined;
}

const serializer = modelSerializer(Room, { fields: ['pk', 'name'], computed: {} });

/** An action that was written apart. */
const rename = async (ctx: ModelContext<Room>, args: ActionArguments) => {
  const room = await ctx.getObject(args);
  return room.update({ name: String(args['name']) });
};

export const rooms: Consumer = modelConsumer(Room, {
  serializer,
  state: (scope) => ({ path: scope.path, seen: 0 }),
  queryset: (ctx, args) => {
    expectType<{ path: string; seen: number }>()(ctx.state);
    expectType<ActionArguments>()(args);
    return { where: { name: { [Op.ne]: '' }, host_id: 7 }, order: [['name', 'ASC']], include: ['host'], limit: 9 };
  },
  lookupField: 'name',
  lookupKey: 'room',
  pagination: limitOffset({ limit: 10, max: 100 }),
  connect: (ctx) => {
    expectType<number>()(ctx.state.seen);
  },
  actions: {
    ...crud('retrieve', 'create'),
    ...streamedList({ pauseMs: 10 }),
    rename,
    renamed: action(rename, { detached: true }),
    bare: async (ctx, args) => {
      expectType<{ path: string; seen: number }>()(ctx.state);
      const room = await ctx.getObject(args, { include: ['host'], attributes: ['id', 'name'] });
      expectType<Room>()(room);
      expectType<ModelStatic<Room>>()(ctx.model);
      expectType<Room[]>()(await ctx.model.findAll(await ctx.queryset(args)));
      await ctx.serializer.update(room, { name: 'x' }, { partial: true });
      for await (const page of ctx.pages(args)) return page;
      return ctx.serializer.serialize(room);
    },
    parsed: action(
      async (ctx, args) => {
        expectType<{ pk: number }>()(args);
        expectType<Transaction>()(ctx.transaction);
        expectType<Room>()(await ctx.getObject(args, { lock: ctx.transaction.LOCK.UPDATE }));
        return ctx.pages(args).next();
      },
      { schema: z.object({ pk: z.number() }), transaction: sequelize },
    ),
  },
});

// The serializer that one has made oneself knows what it shows.
export const shown = (room: Room): Promise<Serialized<typeof serializer>> => serializer.serialize(room);
export const name = async (room: Room): Promise<string> => (await serializer.within({}).serialize(room)).name;

/** A model by `sequelize.define`, without types of its own. */
export const plain = (Plain: ModelStatic<Model>): Consumer =>
  modelConsumer(Plain, {
    serializer: modelSerializer(Plain, { exclude: [] }),
    queryset: () => ({ where: { anything: 1 } }),
    lookupField: 'anything',
    actions: { ...crud('list'), get: async (ctx, args) => (await ctx.getObject(args)).get('anything') },
  });

export const scoped: Consumer = modelConsumer(Room.scope('open'), { serializer, actions: crud('list') });

/** Pages by number. */
export const byNumber: Pagination = () =>
  async function* pages(rows, { page }) {
    const { count, results } = await rows.page(10, 10 * Number(page));
    expectType<number>()(count);
    expectType<readonly unknown[]>()(results);
    yield { count, results };
  };

export const wrong: readonly unknown[] = [
  // @ts-expect-error -- a serializer of another model
  modelConsumer(Message, { serializer, actions: crud('list') }),
  // @ts-expect-error -- no serializer
  modelConsumer(Room, { actions: crud('list') }),
  // @ts-expect-error -- no such option
  modelConsumer(Room, { serializer, action: {} }),
  // @ts-expect-error -- no such column
  modelConsumer(Room, { serializer, lookupField: 'colour' }),
  // @ts-expect-error -- no options of a find
  modelConsumer(Room, { serializer, queryset: () => ({ limit: 'ten' }) }),
  // @ts-expect-error -- no such column, which a function tells that says what it returns
  modelConsumer(Room, { serializer, queryset: (): FindOptions<Attributes<Room>> => ({ where: { colour: 'red' } }) }),
  // @ts-expect-error -- a pagination is made by a call
  modelConsumer(Room, { serializer, pagination: { limit: 10 } }),
  // @ts-expect-error -- no such action
  crud('lst'),
  // @ts-expect-error -- crud is of models
  defineConsumer({ actions: crud('list') }),
  // @ts-expect-error -- it wants a model
  defineConsumer({ actions: { rename } }),
  // @ts-expect-error -- it wants another model
  modelConsumer(User, { serializer: modelSerializer(User, { fields: ['id'] }), actions: { rename } }),
  // @ts-expect-error -- no such option
  limitOffset({ size: 10 }),
  // @ts-expect-error -- a number
  keyset({ limit: '10' }),
  // @ts-expect-error -- milliseconds
  streamedList({ pause: 10 }),
];
