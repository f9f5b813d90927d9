import type { Model, ModelStatic } from 'sequelize';

import type { ChangeBatch, RowEffect } from './change-batch.js';
import type { ChangeFeed } from './change-feed.js';
import { findInsertedWithin } from './committed-rows.js';
import { followCondition } from './condition-writes.js';
import { followInsert } from './insert-writes.js';
import {
  byPrimaryKey,
  columnOf,
  copyOf,
  databaseOf,
  deletionAttribute,
  findAllRows,
  isAlive,
  isThere,
  keyInSql,
  primaryKey,
} from './queries.js';
import { keyOf, type PrimaryKey } from './row-change.js';
import type { FollowedStatement, StatementObserver, WriteStatement } from './statements.js';
import { type RootTransaction, tick } from './transactions.js';

/**
 * Turns statements on a model's own rows into what they did to each row.
 *
 * Outside of transactions, what has to be known of a row as it was is looked up before the statement is sent. In a transaction it is
 * looked up behind the statement and before COMMIT, over another connection: that sees the rows as they were before the transaction,
 * which holds their locks.
 */
export class RowWrites implements StatementObserver {
  readonly #feed: ChangeFeed;

  constructor(feed: ChangeFeed) {
    this.#feed = feed;
  }

  get hasSubscribers(): boolean {
    return this.#feed.hasSubscribers;
  }

  begin(statement: WriteStatement): FollowedStatement | undefined {
    // To keep a row of a transaction costs nothing, and those who subscribe before the commit receive it.
    const feed = this.#feed;
    if (!feed.hasSubscribers && statement.transaction === undefined) return undefined;
    const followed = this.#follow(statement);
    const { transaction, readsIn } = statement;
    const batch = transaction && feed.batchOf(transaction);
    // PostgreSQL shows nothing of what is not committed.
    if (batch?.hasInserted !== true || isPostgres(feed)) return followed;
    const found = guarded(feed, batch, findInsertedWithin(feed, batch, readsIn));
    return { ...followed, prepared: Promise.all([followed.prepared, found]).then(() => undefined) };
  }

  #follow(statement: WriteStatement): FollowedStatement {
    const { verb, rows } = statement;
    if (verb === 'create' || verb === 'upsert') return followInsert(this.#feed, statement);
    if (rows !== undefined) return followRow(this.#feed, statement, rows);
    return followCondition(this.#feed, statement);
  }

  unchanged(row: Model, transaction: RootTransaction | undefined): Promise<void> | undefined {
    const pk = primaryKey(this.#feed.model, row);
    if (pk === undefined || (!this.#feed.hasSubscribers && transaction === undefined)) return undefined;
    return this.#feed.record([{ pk, from: tick(), existed: true, exists: true, isUnchanged: true }], transaction);
  }

  unknown(transaction: RootTransaction | undefined, error?: unknown): void {
    if (!this.#feed.hasSubscribers) return;
    if (error !== undefined) this.#feed.fail(error);
    void this.#feed.miss(transaction);
  }
}

/** Whether rows are looked up before the statement, and not behind it. */
export function looksBefore(feed: ChangeFeed, { transaction, isTruncate }: WriteStatement): boolean {
  // TRUNCATE locks others out of the table until its transaction ends.
  return transaction === undefined || feed.reader.looksBefore || isTruncate;
}

/** A statement on one row that the application has in hand. */
function followRow(feed: ChangeFeed, statement: WriteStatement, rows: readonly Model[]): FollowedStatement {
  const { model } = feed;
  const [[key, row] = []] = byPrimaryKey(model, rows);
  const pk = row && primaryKey(model, row);
  if (key === undefined || row === undefined || pk === undefined) return missing(feed, statement);
  const from = tick();
  const needsRow = feed.hasSubscribers && (statement.verb === 'destroy' || feed.needsPreviousRow);
  const batch = feed.batchOf(statement.transaction);
  // Otherwise the row in hand may be older than what others have made of it.
  const isWrittenAgain = batch.hasChanged(key);
  if (statement.transaction === undefined) feed.enter(batch, key);
  const inHand = { existed: existedInHand(model, row), row: copyOf(model, row) };
  let before: Model | undefined;
  let isKnown = false;
  let readAt: number | undefined;
  const read = async (): Promise<void> => {
    const [found] = await feed.reader.lookUp(
      (on) =>
        findAllRows(model, { where: { [columnOf(model, model.primaryKeyAttribute)]: keyInSql(pk) }, withDeleted: true, on }),
      statement.readsIn,
    );
    [before, isKnown, readAt] = [found, true, tick()];
    if (statement.transaction === undefined && found !== undefined && isThere(model, found)) batch.setBefore(key, found, from);
  };
  const looks = needsRow && looksBefore(feed, statement);
  return {
    prepared: looks ? guarded(feed, batch, read()) : undefined,
    succeeded: (result) => {
      if (affected(result) === 0 && countsMatches(feed)) return ended(feed, batch);
      const existed = isKnown ? before !== undefined && isThere(model, before) : inHand.existed;
      const exists = statement.verb !== 'destroy' && isThere(model, row);
      const effect: RowEffect = {
        pk,
        from,
        readAt,
        existed,
        isKnown,
        exists,
        before: existed ? (isKnown ? before : inHand.row) : undefined,
        last: exists || !isWrittenAgain ? undefined : (before ?? inHand.row),
        needsBefore: needsRow && !looks,
        isUncertain: affected(result) === 0,
      };
      batch.add(effect);
      return ended(feed, batch);
    },
    failed: () => {
      failed(feed, batch);
    },
  };
}

/** What the row in hand says of the database. */
function existedInHand(model: ModelStatic<Model>, row: Model): boolean {
  const attribute = deletionAttribute(model);
  return attribute === undefined || isAlive(model, row.previous(attribute));
}

/** A statement on rows of which nothing says which ones they are. */
export function missing(feed: ChangeFeed, statement: WriteStatement): FollowedStatement {
  const batch = feed.batchOf(statement.transaction);
  return {
    succeeded: (result) => {
      if (affected(result) !== 0) batch.miss();
      return ended(feed, batch);
    },
    failed: () => {
      failed(feed, batch);
    },
  };
}

/** A look-up that fails is a `resync` for subscribers, and never an error for the writer. */
export async function guarded(feed: ChangeFeed, batch: ChangeBatch, lookUp: Promise<void>): Promise<void> {
  try {
    await lookUp;
  } catch (error) {
    batch.miss();
    feed.fail(error);
  }
}

/** A statement has succeeded: outside of transactions it is committed. */
export function ended(feed: ChangeFeed, batch: ChangeBatch): Promise<void> | undefined {
  return batch.transaction === undefined ? feed.settle(batch) : undefined;
}

/** A statement has failed: outside of transactions nothing becomes of it. */
export function failed(feed: ChangeFeed, batch: ChangeBatch): void {
  if (batch.transaction === undefined) feed.drop(batch);
}

/** How many rows a statement has written, as Sequelize says it; undefined if it does not. */
export function affected(result: unknown): number | undefined {
  if (typeof result === 'number') return result;
  if (!Array.isArray(result)) return undefined;
  const count: unknown = result[1];
  return typeof count === 'number' ? count : undefined;
}

/** Whether the database counts all rows that a statement has met, and not only those that it has changed. */
export function countsMatches(feed: ChangeFeed): boolean {
  return !['mariadb', 'mysql'].includes(databaseOf(feed.model).getDialect());
}

function isPostgres(feed: ChangeFeed): boolean {
  return databaseOf(feed.model).getDialect() === 'postgres';
}

/** Keys as a batch has them. */
export function asKeys(pks: readonly PrimaryKey[]): Map<string, PrimaryKey> {
  return new Map(pks.map((pk) => [keyOf(pk), pk]));
}
