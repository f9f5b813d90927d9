import type { Model } from 'sequelize';

import { AssignedValues } from './assigned-values.js';
import type { ChangeBatch } from './change-batch.js';
import type { ChangeFeed } from './change-feed.js';
import { byPrimaryKey, findRows, hasSql, isThere, keyAttributes, namedKeys, primaryKey } from './queries.js';
import { isPrimaryKey, keyOf, type PrimaryKey } from './row-change.js';
import type { RowState } from './row-states.js';
import { affected, asKeys, countsMatches, ended, failed, guarded, looksBefore, missing } from './row-writes.js';
import type { FollowedStatement, WriteStatement } from './statements.js';
import { tick } from './transactions.js';

/** The rows that a condition stands for. */
interface Met {
  readonly pks: ReadonlyMap<string, PrimaryKey>;
  /** The rows themselves; undefined if they were not read. */
  readonly rows: ReadonlyMap<string, Model> | undefined;
}

/** A statement on the rows that meet a condition. */
export function followCondition(feed: ChangeFeed, statement: WriteStatement): FollowedStatement {
  if (!feed.hasSubscribers) return missing(feed, statement);
  const write = new ConditionWrite(feed, statement);
  if (write.canReturn) return write.returning();
  return looksBefore(feed, statement) ? write.lookingBefore() : write.lookingBehind();
}

class ConditionWrite {
  readonly #feed: ChangeFeed;
  readonly #statement: WriteStatement;
  readonly #batch: ChangeBatch;
  /** When the rows were looked at. */
  #from = tick();
  #readAt: number | undefined;
  readonly #needsRows: boolean;
  readonly #assigned: AssignedValues;

  constructor(feed: ChangeFeed, statement: WriteStatement) {
    const { verb, options } = statement;
    this.#feed = feed;
    this.#statement = statement;
    this.#assigned = new AssignedValues(feed, statement);
    this.#batch = feed.batchOf(statement.transaction);
    this.#needsRows = verb === 'destroy' || this.#assigned.mayRestore || feed.needsPreviousRow || Boolean(options.limit);
  }

  /** Whether the statement can say itself which rows it has written, and nothing has to be known of them as they were. */
  get canReturn(): boolean {
    const { canReturn, verb, transaction, options } = this.#statement;
    if (!canReturn || verb !== 'update' || this.#assigned.mayRestore || this.#assigned.newKey !== undefined) return false;
    // What was before is looked up behind the write, or not at all.
    return transaction !== undefined || !(this.#feed.needsPreviousRow || Boolean(options.limit));
  }

  returning(): FollowedStatement {
    const { maxRows, needsPreviousRow } = this.#feed;
    return {
      wantsReturned: true,
      succeeded: (_result, returned = []) => {
        const pks = returned.map(({ key }) => key).filter(isPrimaryKey);
        if (pks.length > maxRows || pks.length < returned.length) this.#batch.miss();
        else
          for (const pk of pks) this.#batch.add({ pk, from: tick(), existed: true, exists: true, needsBefore: needsPreviousRow });
        return ended(this.#feed, this.#batch);
      },
      failed: () => {
        failed(this.#feed, this.#batch);
      },
    };
  }

  /** Outside of transactions: rows are looked up before they are written. */
  lookingBefore(): FollowedStatement {
    let met: Met | 'too many' | undefined;
    const look = async (): Promise<void> => {
      met = await this.#look();
      if (met === 'too many') return;
      for (const [key] of met.pks) {
        this.#feed.enter(this.#batch, key);
        const row = this.#statement.transaction === undefined && this.#needsRows ? met.rows?.get(key) : undefined;
        if (row !== undefined && isThere(this.#feed.model, row)) this.#batch.setBefore(key, row, this.#from);
      }
    };
    return {
      prepared: guarded(this.#feed, this.#batch, look()),
      succeeded: (result) => {
        const count = this.#statement.isTruncate ? undefined : affected(result);
        if (met !== undefined && count !== 0) this.#add(met, count, tick());
        return ended(this.#feed, this.#batch);
      },
      failed: () => {
        failed(this.#feed, this.#batch);
      },
    };
  }

  /** In a transaction: rows are looked up behind the write, which holds their locks. */
  lookingBehind(): FollowedStatement {
    return {
      succeeded: (result) => {
        const count = affected(result);
        if (count === 0) return undefined;
        const at = tick();
        this.#from = at;
        const earlier = this.#batch.lookedUp();
        const look = async (): Promise<void> => {
          const met = await this.#look();
          // What the transaction has written before has to be known.
          await earlier;
          if (!this.#batch.isSealed) this.#add(met, count, at);
        };
        this.#batch.addLookUp(guarded(this.#feed, this.#batch, look()));
        return undefined;
      },
      failed: () => {
        failed(this.#feed, this.#batch);
      },
    };
  }

  async #look(): Promise<Met | 'too many'> {
    const { model, reader, maxRows } = this.#feed;
    const { where, verb, readsIn } = this.#statement;
    const named = this.#needsRows ? undefined : namedKeys(model, where);
    if (named !== undefined) return { pks: asKeys(named), rows: undefined };
    // What is softly deleted is not deleted again, not even for good.
    const withDeleted = verb !== 'destroy';
    const found = await reader.lookUp(
      (on) =>
        findRows(model, {
          where,
          withDeleted,
          limit: maxRows,
          on,
          ...(!this.#needsRows && { attributes: [...keyAttributes(model), ...this.#assigned.compared] }),
        }),
      readsIn,
    );
    this.#readAt = tick();
    if (found === 'too many') return found;
    const rows = byPrimaryKey(model, found);
    const pks = [...rows].map(([key, row]): [string, PrimaryKey] => [key, primaryKey(model, row) ?? key]);
    return { pks: new Map(pks), rows };
  }

  #add(met: Met | 'too many', count: number | undefined, at: number): void {
    if (met === 'too many') {
      this.#batch.miss(undefined, at);
      return;
    }
    const moved = this.#assigned.newKey;
    const newKey = moved?.pk;
    if (moved !== undefined && (newKey === undefined || met.pks.size > 1)) {
      this.#batch.miss(undefined, at);
      return;
    }
    const isExact = this.#isExact(met, count, at);
    if (isExact === undefined) this.#batch.miss(undefined, at);
    const own = newKey === undefined && this.#assigned.exists(true) ? [] : this.#ownRows(met);
    for (const [key, pk] of met.pks) this.#addRow(key, pk, met.rows?.get(key), { newKey, isExact: isExact === true, at });
    // What the transaction has written before is seen by none of its look-ups: whether it still exists is read after the commit.
    for (const pk of own) this.#batch.add({ pk, from: this.#from, existed: true, exists: undefined, isUnchanged: true }, at);
  }

  #ownRows({ pks }: Met): PrimaryKey[] {
    if (this.#batch.transaction === undefined) return [];
    return [...this.#batch.summary()].flatMap(([key, { pk, lists }]) => (pks.has(key) || lists !== undefined ? [] : [pk]));
  }

  #addRow(
    key: string,
    pk: PrimaryKey,
    row: Model | undefined,
    { newKey, isExact, at }: { readonly newKey: PrimaryKey | undefined; readonly isExact: boolean; readonly at: number },
  ): void {
    const { model, needsPreviousRow } = this.#feed;
    const isMoved = newKey !== undefined && keyOf(newKey) !== key;
    const existed = row === undefined || isThere(model, row);
    const exists = !isMoved && this.#assigned.exists(existed);
    const isWrittenAgain = this.#batch.hasChanged(key);
    this.#batch.add(
      {
        pk,
        from: this.#from,
        readAt: this.#readAt,
        existed,
        isKnown: this.#needsRows,
        exists,
        seesCommitted: this.#batch.transaction !== undefined && !this.#feed.reader.looksBefore,
        before: existed && this.#needsRows ? row : undefined,
        // What the transaction has made of the row before is seen within it alone.
        last: isWrittenAgain && !exists && this.#needsRows && this.#feed.reader.looksBefore ? row : undefined,
        isUncertain: !isExact,
        needsBefore: !this.#needsRows && (needsPreviousRow || !isExact),
      },
      at,
    );
    if (isMoved) this.#batch.add({ pk: newKey, from: tick(), existed: false, exists: existed }, at + 0.5);
  }

  /**
   * Whether the rows that were looked up are those that the statement has written; undefined if it has written others, too.
   *
   * Behind a write in a transaction they are, save rows that the same transaction has written before: these are part of it already.
   * Before a write others may come in between. If they do in this process, their rows are published after that; what they made of a
   * row that the statement has written as well is seen by the count.
   */
  #isExact({ pks, rows }: Met, count: number | undefined, at: number): boolean | undefined {
    const { options, readsIn } = this.#statement;
    const { reader } = this.#feed;
    if (options.limit) return false;
    if (count === undefined) {
      const committed = this.#feed.states.committedSince(this.#from, this.#batch);
      if (committed !== 'forgotten')
        this.#addOthers(
          [...committed].filter(([key]) => !pks.has(key)),
          at,
        );
      return rows !== undefined && committed !== 'forgotten' ? true : undefined;
    }
    const isWithin = this.#batch.transaction !== undefined && (readsIn !== undefined || !reader.looksBefore);
    if (isWithin || reader.isSingleConnection) return this.#isExactWithin({ pks, rows }, count);
    return this.#isExactBeside({ pks, rows }, count, at);
  }

  #isExactWithin({ pks, rows }: Met, count: number): boolean | undefined {
    const { reader } = this.#feed;
    const { where, verb } = this.#statement;
    const seesOwn = reader.looksBefore;
    const own = [...this.#batch.summary().keys()].filter((key) => !pks.has(key)).length;
    if (count > pks.size + own) return undefined;
    if (hasSql(where) && count !== pks.size) return undefined;
    const mayDelete = verb === 'destroy' || this.#assigned.mayRestore;
    // Others may have made rows meet the condition since the write, while it has met rows of its own transaction: the count hides that.
    if (own > 0 && !seesOwn) return !mayDelete && rows !== undefined;
    if (count === pks.size) return true;
    return rows !== undefined && !mayDelete && (own > 0 || !countsMatches(this.#feed));
  }

  #isExactBeside({ pks, rows }: Met, count: number, at: number): boolean | undefined {
    const { states } = this.#feed;
    // Named by their keys, no others can have come.
    if (rows === undefined) return count === pks.size;
    const committed = states.committedSince(this.#from, this.#batch);
    if (committed === 'forgotten') return undefined;
    const others = [...committed].filter(([key]) => !pks.has(key));
    const isUndisturbed = [...pks.keys()].every((key) => !states.isChangedSince(this.#from, key, this.#batch));
    const isCounted = count === this.#assigned.countOf(rows);
    if (isCounted && (isUndisturbed || others.length === 0)) return true;
    this.#addOthers(others, at);
    return count > pks.size + others.length ? undefined : isCounted;
  }

  /** Rows that others have committed since the look-up, and that the statement may have written. */
  #addOthers(others: readonly (readonly [string, RowState | undefined])[], at: number): void {
    for (const [key, state] of others) {
      const pk = this.#feed.states.batchesOf(key)[0]?.keyOf(key) ?? (state?.row && primaryKey(this.#feed.model, state.row));
      // What they read of the row may be older than this write.
      if (pk !== undefined)
        this.#batch.add({ pk, from: this.#from, existed: true, exists: this.#assigned.exists(true), isUncertain: true }, at);
    }
  }
}
