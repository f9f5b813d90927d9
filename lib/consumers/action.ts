import { inspect } from 'node:util';

import { checkPermissions, type Permission } from '../auth/permissions.js';
import type { ActionContext } from '../observers/consumer-context.js';
import { checkKeys, unexpected } from '../protocol/options.js';
import { checkSchema, parseBySchema, type StandardSchema } from '../protocol/standard-schema.js';

/** Arguments of an action without a schema: all keys of the frame but `action` and `request_id`, as the client sent them. */
export type ActionArguments = Readonly<Record<string, unknown>>;

/** What an action with the option `transaction` is given besides. */
export interface InTransaction<Transaction> {
  /** The transaction of the action's `transaction` option. */
  readonly transaction: Transaction;
}

/** Something that opens transactions: a Sequelize instance. */
export interface TransactionSource<Transaction> {
  transaction<Result>(work: (transaction: Transaction) => PromiseLike<Result>): Promise<Result>;
  transaction(options?: object): Promise<Transaction>;
}

/** Options of {@link action}. */
export interface ActionOptions<Transaction = undefined> {
  /** Asked after those of the consumer. @default [] */
  readonly permissions?: readonly Permission[];
  /** Whether the frames behind it go on while it runs. It is aborted with the connection. @default false */
  readonly detached?: boolean;
  /** A Sequelize instance: the handler runs in a transaction, which is rolled back if it throws. @default none */
  readonly transaction?: TransactionSource<Transaction>;
}

/** Options of an {@link action} whose arguments are parsed. */
export interface ParsedActionOptions<Arguments, Transaction = undefined> extends ActionOptions<Transaction> {
  /** A schema of any library that follows Standard Schema: arguments are parsed by it, or refused with 400. */
  readonly schema: StandardSchema<Arguments>;
}

/** A named operation with its options, made by {@link action}. */
export interface Action<Context = ActionContext> {
  /** Asked before it, after those of its consumer, with the arguments as its schema has parsed them. */
  readonly permissions: readonly Permission[];
  /** Whether the next frame does not wait for it. */
  readonly detached: boolean;
  /** Parses the arguments by the schema; undefined if there is none. */
  readonly parse: ((args: ActionArguments) => Promise<unknown>) | undefined;
  /** Opens the transaction and calls the handler. */
  readonly perform: (contextIn: (transaction: unknown) => Context, args: unknown) => unknown;
}

/** An action without options may be given as its bare handler. */
export type ActionHandler<Context = ActionContext> = (ctx: Context, args: ActionArguments) => unknown;

/** What an action returns that has sent all its answers by itself: nothing follows them. */
export const ANSWERED = Symbol('answered');

/** Data with a status, for an action to return. */
export class Reply<Data = unknown> {
  readonly data: Data;
  readonly status: number;

  /** @internal Use {@link reply}. */
  constructor(data: Data, status: number) {
    this.data = data;
    this.status = status;
  }
}

/**
 * Answers with a status of your own; plain data that an action returns means 200, and nothing 204.
 *
 * @throws TypeError for a status that is none
 *
 * @example
 * return reply({ id: 7 }, 201);
 */
export function reply<Data>(data: Data, status = 200): Reply<Data> {
  if (!Number.isInteger(status) || status < 100 || status > 999)
    throw new TypeError(`Expected a status, got ${inspect(status)}.`);
  return new Reply(data, status);
}

/**
 * An action of a consumer: a handler with options.
 *
 * @throws TypeError for a handler that is no function, or options that can't be meant
 *
 * @example
 * const publish = action(async (ctx, { pk }) => reply({ published: pk }, 200), { schema: z.object({ pk: z.number() }) });
 */
export function action<Context = ActionContext, Arguments = ActionArguments, Transaction = undefined>(
  handler: (ctx: Context & InTransaction<Transaction>, args: Arguments) => unknown,
  options: ParsedActionOptions<Arguments, Transaction>,
): Action<Context>;
/** An action whose arguments are left as the client sent them. */
export function action<Context = ActionContext, Transaction = undefined>(
  handler: (ctx: Context & InTransaction<Transaction>, args: ActionArguments) => unknown,
  options?: ActionOptions<Transaction>,
): Action<Context>;
/** @internal What both are. */
export function action<Context>(
  handler: (ctx: never, args: never) => unknown,
  options: Partial<ParsedActionOptions<unknown, unknown>> = {},
): Action<Context> {
  const { schema, transaction: source, permissions = [], detached = false } = options;
  checkFunction('the handler of action()', handler);
  checkKeys('action()', options, ['schema', 'transaction', 'permissions', 'detached']);
  checkPermissions(permissions);
  if (schema !== undefined) checkSchema(schema);
  if (source !== undefined && typeof Reflect.get(Object(source), 'transaction') !== 'function')
    throw unexpected('`transaction`', 'a Sequelize instance', source);
  const call = (ctx: unknown, args: unknown): unknown => Reflect.apply(handler, undefined, [ctx, args]);
  const parse = schema && ((args: ActionArguments): Promise<unknown> => parseBySchema(schema, args));
  // Most actions are no more than their handler: its promise is not wrapped in another one.
  if (source === undefined)
    return { permissions, detached, parse, perform: (contextIn, args) => call(contextIn(undefined), args) };
  return {
    permissions,
    detached,
    parse,
    perform: (contextIn, args) => source.transaction(async (transaction) => await call(contextIn(transaction), args)),
  };
}

/** @throws TypeError that names what was expected to be a function */
export function checkFunction(name: string, given: unknown): void {
  if (typeof given !== 'function') throw unexpected(name, 'a function', given);
}
