/** What TypeScript infers of consumers; `npm run typecheck` is the test. */
import { type } from 'arktype';
import {
  type Action,
  action,
  type ActionContext,
  type Consumer,
  type ConsumerContext,
  defineConsumer,
  demultiplexer,
  reply,
  type Scope,
} from 'express-channels';
import type { Sequelize, Transaction } from 'sequelize';
import * as v from 'valibot';
import { z } from 'zod';

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

export const stateful: Consumer = defineConsumer({
  state: (scope) => {
    expectType<Scope>()(scope);
    return { room: '', count: 0 };
  },
  connect: (ctx) => {
    expectType<ConsumerContext<{ room: string; count: number }>>()(ctx);
  },
  actions: {
    bare: (ctx, args) => {
      expectType<{ room: string; count: number }>()(ctx.state);
      expectType<Readonly<Record<string, unknown>>>()(args);
      // @ts-expect-error -- there is no such key in the state
      return ctx.state.rooms as unknown;
    },
    optional: action((ctx: ActionContext<{ room: string; count: number }>) => ctx.state.room, { detached: true }),
    // @ts-expect-error -- the handler wants another state
    other: action((ctx: ActionContext<{ colour: string }>) => ctx.state.colour),
  },
  on: {
    said: (ctx, message) => {
      expectType<number>()(ctx.state.count);
      expectType<string>()(message.type);
      // @ts-expect-error -- the keys of a message are to be checked
      message.text satisfies string;
    },
  },
  disconnect: (ctx, code) => {
    expectType<string>()(ctx.state.room);
    expectType<number>()(code);
  },
});

export const stateless: Consumer = defineConsumer({
  actions: {
    // @ts-expect-error -- a consumer without a state has none
    act: (ctx) => ctx.state.room as unknown,
  },
});

export const parsed: Readonly<Record<string, Action<ActionContext<undefined>>>> = {
  zod: action(
    (_ctx, args) => {
      expectType<{ n: number; name?: string | undefined }>()(args);
      // @ts-expect-error -- the schema has no such key
      return args.other as unknown;
    },
    { schema: z.object({ n: z.coerce.number(), name: z.string().optional() }) },
  ),
  valibot: action(
    (_ctx, args) => {
      expectType<{ n: number }>()(args);
      return reply(args.n);
    },
    { schema: v.object({ n: v.number() }) },
  ),
  arktype: action(
    (_ctx, args) => {
      expectType<{ n: number }>()(args);
    },
    { schema: type({ n: 'number' }) },
  ),
};

export const inTransaction: Readonly<Record<string, Action<ActionContext<undefined>>>> = {
  plain: action(
    ({ transaction }) => {
      expectType<Transaction>()(transaction);
    },
    { transaction: sequelize },
  ),
  parsed: action(
    async ({ transaction }, { n }) => {
      expectType<Transaction>()(transaction);
      expectType<number>()(n);
      await transaction.commit();
    },
    { transaction: sequelize, schema: z.object({ n: z.number() }), detached: true },
  ),
  without: action(({ transaction }) => {
    expectType<undefined>()(transaction);
  }),
};

export const wrong: readonly unknown[] = [
  // @ts-expect-error -- no such option
  defineConsumer({ action: {} }),
  // @ts-expect-error -- an action is a function
  defineConsumer({ actions: { act: 'act' } }),
  // @ts-expect-error -- a function is no permission
  defineConsumer({ permissions: [() => true] }),
  // @ts-expect-error -- no schema
  action(() => 1, { schema: { parse: () => 1 } }),
  // @ts-expect-error -- nothing to open transactions with
  action(() => 1, { transaction: true }),
  // @ts-expect-error -- a status is a number
  reply(1, '200'),
  // @ts-expect-error -- a stream is a consumer
  demultiplexer({ chat: () => 1 }),
];
