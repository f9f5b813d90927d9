import type { Model } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import type { ChangeBatch, RowEffect } from './change-batch.js';
import type { ChangeFeed } from './change-feed.js';
import { byPrimaryKey, columnOf, databaseOf, deletionAttribute, isThere, primaryKey } from './queries.js';
import { isPrimaryKey, keyOf, type PrimaryKey } from './row-change.js';
import type { ReturnedRow } from './returning.js';
import { countsMatches, ended, failed, guarded, looksBefore } from './row-writes.js';
import type { FollowedStatement, WriteStatement } from './statements.js';
import { Tables } from './tables.js';
import { tick } from './transactions.js';
import { findByUniqueValues, type Identity, identityOf, type UniqueValues } from './unique-keys.js';

/** An INSERT: of new rows, or of rows that may turn out to exist. */
export function followInsert(feed: ChangeFeed, statement: WriteStatement): FollowedStatement {
  const write = new InsertWrite(feed, statement);
  return write.mayMeet ? write.meeting() : write.creating();
}

class InsertWrite {
  readonly #feed: ChangeFeed;
  readonly #statement: WriteStatement;
  readonly #batch: ChangeBatch;
  readonly #rows: readonly Model[];
  /** Whether rows that exist are updated, and not left out. */
  readonly #updates: boolean;
  readonly #isPostgres: boolean;
  /** When the rows that exist were asked for, and read. */
  readonly #looked = { from: tick(), readAt: tick() };
  /** The keys that the rows have before they are inserted. */
  readonly #given: readonly (PrimaryKey | undefined)[];

  constructor(feed: ChangeFeed, statement: WriteStatement) {
    const { rows = [], verb, options } = statement;
    this.#feed = feed;
    this.#statement = statement;
    this.#batch = feed.batchOf(statement.transaction);
    this.#rows = rows;
    this.#updates = verb === 'upsert' || options.updateOnDuplicate !== undefined;
    this.#isPostgres = databaseOf(feed.model).getDialect() === 'postgres';
    this.#given = rows.map((row) => primaryKey(feed.model, row));
  }

  /** Whether rows may turn out to exist, and be updated or left out. */
  get mayMeet(): boolean {
    return this.#updates || this.#statement.options.ignoreDuplicates === true;
  }

  /** All rows are new. */
  creating(): FollowedStatement {
    let isNumbered = true;
    const check = async (): Promise<void> => {
      isNumbered = (await Tables.of(databaseOf(this.#feed.model)).numberStep()) === 1;
    };
    // Generated keys are counted by Sequelize from the first one on.
    const isCounted = this.#rows.length > 1 && this.#given.includes(undefined) && !this.#isPostgres;
    const isMixed = isCounted && this.#given.some((pk) => pk !== undefined);
    return {
      prepared: isCounted && this.#feed.hasSubscribers ? guarded(this.#feed, this.#batch, check()) : undefined,
      succeeded: (result) => {
        const pks = isMixed || !isNumbered ? [undefined] : this.#keysOf(result);
        for (const [index, pk] of pks.entries()) {
          const row = this.#rows[index];
          if (pk === undefined || row === undefined) this.#batch.miss();
          else this.#batch.add(this.#created(pk, isThere(this.#feed.model, row)));
        }
        return ended(this.#feed, this.#batch);
      },
      failed: () => {
        failed(this.#feed, this.#batch);
      },
    };
  }

  /** Rows may exist. */
  meeting(): FollowedStatement {
    if (!this.#feed.hasSubscribers) return this.#unwatched();
    if (this.#statement.canReturn) return this.#returning();
    if (this.#isPostgres && !this.#updates && /\sRETURNING\s/.test(this.#statement.sql)) return this.#inserting();
    let identities: readonly Identity[] = [];
    let found: ReadonlyMap<string, Model> | undefined;
    const identify = async (): Promise<void> => {
      const uniqueKeys = await Tables.of(databaseOf(this.#feed.model)).uniqueKeys(this.#feed.model, this.#statement.readsIn);
      identities = this.#rows.map((row) => identityOf(row, uniqueKeys));
    };
    const look = async (): Promise<void> => {
      const values = identities.flatMap((identity) => identity.values);
      const rows = values.length === 0 ? [] : await this.#find(values);
      found = byPrimaryKey(this.#feed.model, rows);
    };
    const before = looksBefore(this.#feed, this.#statement);
    const prepare = async (): Promise<void> => {
      await identify();
      if (before) await look();
      for (const key of found?.keys() ?? []) this.#feed.enter(this.#batch, key);
    };
    return {
      prepared: guarded(this.#feed, this.#batch, prepare()),
      succeeded: (result) => {
        const at = tick();
        const add = (): void => {
          if (found !== undefined && !(this.#batch.isSealed && !before)) this.#addMet(identities, found, result, at);
        };
        if (before) add();
        else {
          this.#looked.from = at;
          const earlier = this.#batch.lookedUp();
          const lookUp = look().then(() => earlier);
          this.#batch.addLookUp(guarded(this.#feed, this.#batch, lookUp.then(add)));
        }
        return ended(this.#feed, this.#batch);
      },
      failed: () => {
        failed(this.#feed, this.#batch);
      },
    };
  }

  /** PostgreSQL says which rows it has inserted, and which ones it has updated. */
  #returning(): FollowedStatement {
    const { model, needsPreviousRow } = this.#feed;
    // Whether an updated row was softly deleted, and in which groups it was, is seen by the row as it was alone.
    const needsBefore = needsPreviousRow || deletionAttribute(model) !== undefined;
    const looks = needsBefore && looksBefore(this.#feed, this.#statement);
    let found: ReadonlyMap<string, Model> | undefined;
    const look = async (): Promise<void> => {
      const uniqueKeys = await Tables.of(databaseOf(model)).uniqueKeys(model, this.#statement.readsIn);
      const values = this.#rows.flatMap((row) => identityOf(row, uniqueKeys).values);
      found = byPrimaryKey(model, values.length === 0 ? [] : await this.#find(values));
      for (const key of found.keys()) this.#feed.enter(this.#batch, key);
    };
    const add = ({ key: pk, isNew }: ReturnedRow): void => {
      const row = isPrimaryKey(pk) ? found?.get(keyOf(pk)) : undefined;
      // An index that no values say has found it.
      if (!isPrimaryKey(pk) || (looks && isNew !== true && row === undefined)) this.#batch.miss();
      else if (isNew === true) this.#batch.add(this.#created(pk, this.#exists));
      else {
        const existed = row === undefined || isThere(model, row);
        this.#batch.add({
          pk,
          ...this.#looked,
          existed,
          isKnown: looks,
          exists: undefined,
          before: row,
          needsBefore,
        });
      }
    };
    return {
      prepared: looks ? guarded(this.#feed, this.#batch, look()) : undefined,
      wantsReturned: true,
      succeeded: (_result, returned = []) => {
        for (const row of returned) add(row);
        return ended(this.#feed, this.#batch);
      },
      failed: () => {
        failed(this.#feed, this.#batch);
      },
    };
  }

  /** Of a statement that leaves out what exists, PostgreSQL returns what it has inserted. */
  #inserting(): FollowedStatement {
    return {
      succeeded: (result) => {
        for (const pk of this.#returnedKeys(result)) this.#batch.add(this.#created(pk, this.#exists));
        return ended(this.#feed, this.#batch);
      },
      failed: () => {
        failed(this.#feed, this.#batch);
      },
    };
  }

  async #find(values: readonly UniqueValues[]): Promise<Model[]> {
    const { model, reader } = this.#feed;
    const rows = await reader.lookUp((on) => findByUniqueValues(model, values, on), this.#statement.readsIn);
    this.#looked.readAt = tick();
    return rows;
  }

  /** In a transaction to which nobody has subscribed yet. */
  #unwatched(): FollowedStatement {
    return {
      succeeded: () => {
        this.#batch.miss();
        return ended(this.#feed, this.#batch);
      },
      failed: () => {
        failed(this.#feed, this.#batch);
      },
    };
  }

  #addMet(identities: readonly Identity[], found: ReadonlyMap<string, Model>, result: unknown, at: number): void {
    const isNew = identities.every(({ values, isOpen }) => values.length === 0 && !isOpen);
    const inserted = this.#insertedCount(result, isNew);
    if (inserted === 0 && !this.#updates) return;
    const isOneNew = this.#statement.verb === 'upsert' && inserted === 1;
    if (isNew || isOneNew) {
      const pks = isNew ? this.#keysOf(result) : [this.#insertedKey()];
      if (pks.every((pk) => pk !== undefined)) {
        for (const pk of pks) this.#batch.add(this.#created(pk, this.#exists), at);
        return;
      }
    }
    const isUnclear = identities.some(({ values, isOpen }) => values.length === 0 || (isOpen && inserted === undefined));
    if (isUnclear) this.#batch.miss(undefined, at);
    else if (this.#hasOnlyKeys(identities)) this.#addByKey(found, inserted, at);
    else this.#batch.addInserted({ identities, ...this.#looked, found, updates: this.#updates, inserted }, at);
  }

  /** Rows that nothing but their keys can meet. */
  #addByKey(found: ReadonlyMap<string, Model>, inserted: number | undefined, at: number): void {
    const { model } = this.#feed;
    const fresh = this.#given.filter((pk) => pk !== undefined && !found.has(keyOf(pk)) && !this.#batch.hasWritten(keyOf(pk), at));
    if (inserted !== undefined && inserted !== fresh.length) this.#batch.miss(undefined, at);
    for (const pk of this.#given) {
      if (pk === undefined) continue;
      const row = found.get(keyOf(pk));
      if (row !== undefined && !this.#updates) continue;
      const existed = row !== undefined && isThere(model, row);
      this.#batch.add(
        {
          ...this.#created(pk, this.#exists),
          // Others may have created the row since it was looked for.
          ...this.#looked,
          existed,
          before: existed ? row : undefined,
        },
        at,
      );
    }
  }

  #hasOnlyKeys(identities: readonly Identity[]): boolean {
    const { primaryKeyAttribute } = this.#feed.model;
    return identities.every(
      ({ values }) => values.length === 1 && values.every((one) => one.size === 1 && one.has(primaryKeyAttribute)),
    );
  }

  /** How many rows were inserted, and not updated or left out; undefined if the database does not say. */
  #insertedCount(result: unknown, isNew: boolean): number | undefined {
    if (isNew) return this.#rows.length;
    const [answer, count] = listOf(result);
    if (this.#statement.verb === 'upsert') return typeof count === 'boolean' ? Number(count) : undefined;
    // For updated rows MariaDB and MySQL count 2, SQLite counts 1.
    if (this.#updates) return undefined;
    return typeof count === 'number' ? count : Array.isArray(answer) ? answer.length : undefined;
  }

  /** The key of the one row that an upsert has inserted. */
  #insertedKey(): PrimaryKey | undefined {
    const [given] = this.#given;
    const [row] = this.#rows;
    return given ?? (row && countsMatches(this.#feed) ? undefined : row && primaryKey(this.#feed.model, row));
  }

  /** Whether rows exist after the statement: those that were softly deleted may stay so. */
  get #exists(): true | undefined {
    return deletionAttribute(this.#feed.model) === undefined ? true : undefined;
  }

  #created(pk: PrimaryKey, exists: boolean | undefined): RowEffect {
    return { pk, from: tick(), existed: false, isKnown: true, exists };
  }

  /** The keys of inserted rows, as Sequelize is about to give them to the rows. */
  #keysOf(result: unknown): (PrimaryKey | undefined)[] {
    const { model } = this.#feed;
    const answers: unknown = Array.isArray(result) ? result[0] : undefined;
    return this.#rows.map((row, index) => {
      const own = primaryKey(model, row);
      const answer: unknown = Array.isArray(answers) ? answers[index] : undefined;
      return this.#isPostgres ? (this.#keyIn(answer) ?? own) : (own ?? this.#keyIn(answer));
    });
  }

  #keyIn(answer: unknown): PrimaryKey | undefined {
    const { model } = this.#feed;
    if (!isObject(answer)) return undefined;
    const value = answer[columnOf(model, model.primaryKeyAttribute)] ?? answer[model.primaryKeyAttribute];
    return isPrimaryKey(value) ? value : undefined;
  }

  #returnedKeys(result: unknown): PrimaryKey[] {
    const [answer] = listOf(result);
    if (!Array.isArray(answer))
      return this.#rows.map((row) => primaryKey(this.#feed.model, row)).filter((pk) => pk !== undefined);
    return answer.map((row) => this.#keyIn(row)).filter((pk) => pk !== undefined);
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
