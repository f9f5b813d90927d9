import type { Model, ModelStatic, QueryOptions, Sequelize, Transaction } from 'sequelize';

import { type AnnouncedWrite, announcedWrite, announcingHooks } from './announcements.js';
import { addHooks, type HookSet } from './hook-set.js';
import { columnOf, databaseOf } from './queries.js';
import { type Returned, type ReturnedRow, returningOf, sendReturningKinds, sendReturningRows } from './returning.js';
import { aroundStatement, rootOf, type SendStatement } from './sequelize-internals.js';
import { isModel, Tables } from './tables.js';
import { type RootTransaction, TransactionTracker } from './transactions.js';

/** A statement that writes rows of a model, just before it is sent: all hooks of the application have run. */
export interface WriteStatement extends Omit<AnnouncedWrite, 'model'> {
  readonly options: WriteOptions;
  readonly sql: string;
  /** The transaction that it is part of. */
  readonly transaction: RootTransaction | undefined;
  /** Whether it can say which rows it has written. */
  readonly canReturn: boolean;
  /** Where rows may be looked up before it: in its own transaction, if that has its view of a SQLite file already. */
  readonly readsIn: Transaction | undefined;
}

/** What is read of the options of a statement. */
export interface WriteOptions {
  readonly type?: unknown;
  readonly paranoid?: unknown;
  readonly limit?: unknown;
  readonly updateOnDuplicate?: unknown;
  readonly ignoreDuplicates?: unknown;
  readonly conflictFields?: unknown;
  readonly conflictAttributes?: unknown;
  /** The row that is being saved, with rows that it includes. */
  readonly parentRecord?: unknown;
}

/** How an observer follows one statement. */
export interface FollowedStatement {
  /** What has to be done before the statement is sent. The writer waits for it, and it has a limit. */
  readonly prepared?: Promise<void> | undefined;
  /** Whether it wants the rows that the statement has written. */
  readonly wantsReturned?: boolean;
  /**
   * The writer waits for what it returns, which has a limit.
   *
   * @param returned - the rows that the statement has written, if that was wanted
   */
  succeeded(result: unknown, returned: readonly ReturnedRow[] | undefined): Promise<void> | undefined;
  failed(): void;
}

/** Follows the statements that write rows of one table. */
export interface StatementObserver {
  readonly hasSubscribers: boolean;
  /** A statement is about to be sent; undefined if it is of no interest. */
  begin(statement: WriteStatement): FollowedStatement | undefined;
  /** A row is saved as it is: there is no statement. The writer waits for what it returns, which has a limit. */
  unchanged(row: Model, transaction: RootTransaction | undefined): Promise<void> | undefined;
  /** A statement may write rows of the table, and it cannot be known whether it does; the error says why, if something went wrong. */
  unknown(transaction: RootTransaction | undefined, error?: unknown): void;
}

/** Statements that neither read nor write a SQLite file. */
const SETS_NO_VIEW = /^(?:BEGIN|SAVEPOINT|RELEASE|ROLLBACK|COMMIT|END|PRAGMA)\b/i;

/** Follows what is written to the table of a model, by whichever model of the database. The function that is returned ends it. */
export function observeStatements(model: ModelStatic<Model>, observer: StatementObserver): () => void {
  return Statements.of(databaseOf(model)).add(model, observer);
}

/**
 * The statements of one database. Hooks of the whole database announce what a statement is going to do, and run after those of its
 * model. The statement itself is followed where it is sent: what it was in the end, and whether it has succeeded.
 */
class Statements {
  static readonly #all = new WeakMap<Sequelize, Statements>();

  readonly #sequelize: Sequelize;
  readonly #tables: Tables;
  readonly #transactions: TransactionTracker;
  readonly #observers = new Map<StatementObserver, ModelStatic<Model>>();
  readonly #isSqlite: boolean;
  /**
   * Transactions of a SQLite file that have their view of it: another read changes nothing. Before that, a read would make a reader of
   * one that is going to write, which SQLite may refuse then.
   */
  readonly #viewing = new WeakSet<Transaction>();
  #detach: (() => void) | undefined;

  private constructor(sequelize: Sequelize) {
    this.#sequelize = sequelize;
    this.#isSqlite = sequelize.getDialect() === 'sqlite';
    this.#tables = Tables.of(sequelize);
    this.#transactions = TransactionTracker.of(sequelize);
  }

  static of(sequelize: Sequelize): Statements {
    const statements = Statements.#all.get(sequelize) ?? new Statements(sequelize);
    Statements.#all.set(sequelize, statements);
    return statements;
  }

  add(model: ModelStatic<Model>, observer: StatementObserver): () => void {
    this.#observers.set(observer, model);
    this.#detach ??= addHooks(this.#sequelize, {
      ...announcingHooks((written, row, options) => this.#unchanged(written, row, options)),
      beforeQuery: this.#beforeQuery(),
    });
    return () => {
      this.#observers.delete(observer);
      if (this.#observers.size > 0) return;
      this.#detach?.();
      this.#detach = undefined;
    };
  }

  #beforeQuery(): NonNullable<HookSet['beforeQuery']> {
    const isOurs = (sequelize: unknown): boolean => sequelize === this.#sequelize;
    const follow = (options: QueryOptions, query: object): void => {
      this.#follow(options, query);
    };
    return function (this: unknown, options, query) {
      // Whoever copies the options of a Sequelize copies its hooks.
      if (isOurs(this)) follow(options, query);
    };
  }

  #follow(options: QueryOptions, query: object): void {
    const transaction = options.transaction ?? undefined;
    const tracked = transaction && this.#transactions.tracked(transaction);
    const isWanted = transaction !== undefined || [...this.#observers.keys()].some(({ hasSubscribers }) => hasSubscribers);
    const write = isWanted ? announcedWrite(options) : undefined;
    const isRaw = String(options.type) === 'RAW';
    const root = this.#isSqlite && transaction ? rootOf(transaction) : undefined;
    if (write === undefined && tracked === undefined && root === undefined && !isRaw) return;
    aroundStatement(query, async (send, sql) => {
      const followed = write === undefined ? [] : await this.#begin(write, options, sql);
      const within = transaction && this.#transactions.tracked(transaction);
      let returned: readonly ReturnedRow[] | undefined;
      const run = async (): Promise<unknown> => {
        if (!followed.some(({ wantsReturned }) => wantsReturned)) return send();
        const answer = await this.#sendReturning(write, options, sql, send);
        returned = answer.rows;
        return answer.result;
      };
      try {
        const result = await (within ? this.#transactions.send(within, transaction, sql, run) : run());
        // One that was refused, as while another transaction writes, has no view yet, and Sequelize sends it again.
        if (root !== undefined && !SETS_NO_VIEW.test(sql)) this.#viewing.add(root);
        await eachGuarded(followed, (one) => one.succeeded(result, returned));
        return result;
      } catch (error) {
        await eachGuarded(followed, (one) => {
          one.failed();
          return undefined;
        });
        throw error;
      } finally {
        if (isRaw && /^(?:ALTER|CREATE|DROP|RENAME)\b/i.test(sql)) this.#tables.forget();
      }
    });
  }

  async #unchanged(written: unknown, row: Model, options: QueryOptions): Promise<void> {
    if (!isModel(written) || written.sequelize !== this.#sequelize) return;
    const tracked = options.transaction ? this.#transactions.transactionOf(options.transaction) : 'committed';
    if (tracked === 'rolled back') return;
    for (const [observer, model] of this.#observers) {
      if ((await this.#tables.isSame(written, model, options)) !== true) continue;
      await observer.unchanged(row, tracked === 'committed' ? undefined : tracked);
    }
  }

  /** Has PostgreSQL say which rows the statement has written. */
  #sendReturning(write: AnnouncedWrite | undefined, options: QueryOptions, sql: string, send: SendStatement): Promise<Returned> {
    const column = write === undefined ? '' : columnOf(write.model, write.model.primaryKeyAttribute);
    const kind = returningOf(sql, { ...options });
    return kind === 'kinds' ? sendReturningKinds(send, sql, column) : sendReturningRows(send, sql, column, options.type);
  }

  async #begin(write: AnnouncedWrite, options: QueryOptions, sql: string): Promise<GuardedStatement[]> {
    const { transaction } = options;
    const tracked = transaction ? this.#transactions.transactionOf(transaction) : 'committed';
    if (tracked === 'rolled back') return [];
    // A statement that ends the transaction before it is carried out is by itself.
    const within = tracked === 'committed' || tracked.endedBy(sql) === 'committed' ? undefined : tracked;
    const canReturn = returningOf(sql, { ...options }) !== undefined && (await this.#tables.canReturn(write.model));
    const readsIn = transaction && this.#viewing.has(rootOf(transaction)) ? transaction : undefined;
    const followed: GuardedStatement[] = [];
    for (const [observer, model] of this.#observers) {
      const isSame = await this.#tables.isSame(write.model, model, options);
      if (isSame === undefined) observer.unknown(within);
      if (isSame !== true) continue;
      const fail = (error: unknown): void => {
        observer.unknown(within, error);
      };
      try {
        const one = observer.begin({ ...write, options, sql, transaction: within, canReturn, readsIn });
        if (one !== undefined) followed.push({ ...one, fail });
      } catch (error) {
        fail(error);
      }
    }
    await eachGuarded(followed, ({ prepared }) => prepared);
    return followed;
  }
}

/** A statement that is followed, and what becomes of a fault in that: it is published as a gap, never thrown at the application. */
interface GuardedStatement extends FollowedStatement {
  readonly fail: (error: unknown) => void;
}

async function eachGuarded(
  followed: readonly GuardedStatement[],
  call: (statement: GuardedStatement) => Promise<void> | undefined,
): Promise<void> {
  const guarded = followed.map(async (one) => {
    try {
      await call(one);
    } catch (error) {
      one.fail(error);
    }
  });
  await Promise.all(guarded);
}
