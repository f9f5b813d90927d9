import type { Model, ModelStatic } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import type { Touch } from './change-batch.js';
import type { ChangeFeed } from './change-feed.js';
import { tick } from './commit-queue.js';
import { isPrimaryKey, keyOf, type PrimaryKey } from './row-change.js';
import { byPrimaryKey, copyOf, databaseOf, deletionAttribute, findRows, isThere, primaryKey } from './row-look-up.js';
import { findDuplicates, uniqueValues, type UniqueValues } from './unique-rows.js';
import type { Write, WriteTracker } from './write-hooks.js';

/** What is known of rows before they are written. */
interface Seen {
  readonly from: number;
  readonly rows: ReadonlyMap<string, SeenRow>;
  /** Of rows that are inserted, unless they are there: the values by which they may be. */
  readonly unique?: readonly UniqueValues[];
  /** How many have no such values. */
  readonly strangers?: number;
  /** Whether the keys of inserted rows cannot be trusted. */
  readonly isUnclear?: boolean;
}

interface SeenRow {
  readonly pk: PrimaryKey;
  readonly existed: boolean;
  /** The row as it was; undefined if it was not looked up. */
  readonly row: Model | undefined;
}

/** Turns writes of a model's own rows into what they did to each row. */
export class RowWrites implements WriteTracker<Seen> {
  readonly #feed: ChangeFeed;
  readonly #model: ModelStatic<Model>;

  constructor(feed: ChangeFeed) {
    this.#feed = feed;
    this.#model = feed.model;
  }

  before(write: Write): Promise<Seen | undefined> | Seen | undefined {
    const { verb, rows, options, held, isIdle } = write;
    if (verb === 'create' && !mayMeet(write)) return this.#numbering(rows);
    if (isIdle === true) return this.#recordIdle(write);
    const isOfOneRow = rows !== undefined && verb !== 'create' && verb !== 'upsert';
    if (!this.#feed.isWanted) {
      // To keep a row of a transaction costs nothing, and who comes before the commit hears of it.
      const isKept = isOfOneRow && Boolean(options.transaction) && (verb === 'destroy' || !this.#feed.needsBefore);
      return isKept ? this.#seen(rows) : undefined;
    }
    const telling =
      options.transaction || held ? undefined : this.#feed.untilTold(rows && [...byPrimaryKey(this.#model, rows).keys()]);
    const isKnown = isOfOneRow && verb !== 'destroy' && !this.#feed.needsBefore;
    if (!isKnown) return this.#lookUp(write, telling);
    const seen = this.#seen(rows);
    return telling === undefined ? seen : telling.then(() => seen);
  }

  after(write: Write, seen: Seen | undefined): Promise<void> | undefined {
    const { verb, rows, options } = write;
    if (!options.transaction && !this.#feed.isWanted) return undefined;
    if (verb === 'create' && !mayMeet(write)) return this.#record(seen?.isUnclear ? undefined : this.#created(write), write);
    if (seen === undefined) return this.#record(undefined, write);
    if (verb === 'create' || verb === 'upsert') return this.#recordMet(write, seen);
    return this.#record(rows === undefined ? this.#ofCondition(write, seen) : this.#ofRow(write, rows, seen), write);
  }

  /** Of a save with nothing changed Sequelize tells the beginning only: it sends no statement. */
  async #recordIdle(write: Write): Promise<undefined> {
    const { rows = [], options } = write;
    if (!options.transaction && !this.#feed.isWanted) return;
    const pks = rows.map((row) => primaryKey(this.#model, row)).filter((pk) => pk !== undefined);
    await this.#record(
      pks.map((pk) => ({ pk, from: tick(), existed: true, exists: true, isIdle: true })),
      write,
    );
  }

  /** Where only some rows have a key, Sequelize numbers the others wrongly, unless the database names them all. */
  #numbering(rows: readonly Model[] = []): Seen | undefined {
    const given = byPrimaryKey(this.#model, rows).size;
    const isUnclear = given > 0 && given < rows.length && !this.#isPostgres;
    return isUnclear ? { from: tick(), rows: new Map(), isUnclear } : undefined;
  }

  /** What the rows in hand say of the database. */
  #seen(rows: readonly Model[]): Seen {
    const attribute = deletionAttribute(this.#model);
    const seen = [...byPrimaryKey(this.#model, rows)].map(([key, row]): [string, SeenRow] => {
      const deletedAt: unknown = attribute && row.previous(attribute);
      const existed = deletedAt === undefined || deletedAt === null;
      return [key, { pk: primaryKey(this.#model, row) ?? key, existed, row: copyOf(this.#model, row) }];
    });
    return { from: tick(), rows: new Map(seen) };
  }

  async #lookUp(write: Write, telling: Promise<unknown> | undefined): Promise<Seen | undefined> {
    await telling;
    const from = tick();
    const { rows = [] } = write;
    const values = rows.map((row) => uniqueValues(this.#model, row, write.options));
    const unique = values.flat();
    const strangers = values.filter(({ length }) => length === 0).length;
    const isWhole = write.verb !== 'update' || this.#feed.needsBefore;
    const named = isWhole ? undefined : this.#named(write.options.where);
    if (named !== undefined)
      return { from, rows: new Map(named.map((pk) => [keyOf(pk), { pk, existed: true, row: undefined }])) };
    try {
      const found = await this.#find(write, unique, isWhole);
      const seen = [...byPrimaryKey(this.#model, found)].map(([key, row]): [string, SeenRow] => [
        key,
        { pk: primaryKey(this.#model, row) ?? key, existed: isThere(this.#model, row), row: isWhole ? row : undefined },
      ]);
      return { from, rows: new Map(seen), unique, strangers };
    } catch (error) {
      this.#feed.fail(error);
      return undefined;
    }
  }

  /** The rows that a condition names by nothing but their primary keys; whether they are there is seen when they are read. */
  #named(where: unknown): PrimaryKey[] | undefined {
    if (!isObject(where) || Reflect.ownKeys(where).length !== 1) return undefined;
    const { primaryKeyAttribute } = this.#model;
    const { field = primaryKeyAttribute } = this.#model.getAttributes()[primaryKeyAttribute] ?? {};
    const value = where[primaryKeyAttribute] ?? where[field];
    const pks: unknown[] = Array.isArray(value) ? value : [value];
    return pks.every(isPrimaryKey) ? pks : undefined;
  }

  #find({ verb, rows, options, held }: Write, unique: readonly UniqueValues[], isWhole: boolean): Promise<Model[]> {
    const { where, transaction = held } = options;
    const { primaryKeyAttribute } = this.#model;
    if (verb === 'create' || verb === 'upsert') return findDuplicates(this.#model, unique, transaction);
    if (rows !== undefined) {
      const pks = rows.map((row) => primaryKey(this.#model, row));
      return findRows(this.#model, { where: { [primaryKeyAttribute]: pks }, withDeleted: true, transaction });
    }
    const keys = [primaryKeyAttribute, deletionAttribute(this.#model)].filter((attribute) => attribute !== undefined);
    const attributes = isWhole ? undefined : keys;
    // What is softly deleted is not deleted again, not even for good.
    return findRows(this.#model, { where, attributes, withDeleted: verb !== 'destroy', transaction });
  }

  #created({ rows = [], isBulk, options }: Write): Touch[] | undefined {
    if (isBulk !== true && (options.updateOnDuplicate !== undefined || (options.ignoreDuplicates && !this.#isPostgres)))
      return undefined;
    const touches = rows.map((row): Touch | undefined => {
      const pk = primaryKey(this.#model, row);
      return pk === undefined ? undefined : { pk, from: tick(), existed: false, exists: isThere(this.#model, row) };
    });
    return allOf(touches);
  }

  #ofRow({ verb }: Write, rows: readonly Model[], { from, rows: seen }: Seen): Touch[] | undefined {
    const touches = rows.map((row): Touch | undefined => {
      const pk = primaryKey(this.#model, row);
      if (pk === undefined) return undefined;
      const { existed, row: before } = seen.get(keyOf(pk)) ?? { existed: false, row: undefined };
      const exists = verb !== 'destroy' && isThere(this.#model, row);
      return { pk, from, existed, exists, before, last: exists ? undefined : before };
    });
    return allOf(touches);
  }

  #ofCondition({ verb, options }: Write, { from, rows }: Seen): Touch[] | undefined {
    const values = isObject(options.attributes) && verb === 'update' ? options.attributes : {};
    const { primaryKeyAttribute } = this.#model;
    const deletion = deletionAttribute(this.#model) ?? '';
    const newPk: unknown = values[primaryKeyAttribute];
    const touches: Touch[] = [];
    for (const [key, { pk, existed, row }] of rows) {
      const isMoved = isPrimaryKey(newPk) && keyOf(newPk) !== key;
      const isLeft = deletion in values ? values[deletion] === null : existed || verb === 'restore';
      const exists = verb !== 'destroy' && !isMoved && isLeft;
      touches.push({ pk, from, existed, exists, before: row, last: exists ? undefined : row });
      if (isMoved) touches.push({ pk: newPk, from: tick(), existed: false, exists: existed });
    }
    if (this.#named(options.where) !== undefined) return touches;
    // Rows that others changed in between may have come to meet the condition.
    const others = this.#feed.changedSince(from);
    if (others === 'forgotten') return undefined;
    for (const [key, { pk, row }] of others) {
      if (!rows.has(key)) touches.push({ pk, from, existed: true, exists: verb !== 'destroy', before: row, last: row });
    }
    return touches;
  }

  /** An INSERT that updates or leaves out what is there already: what is there now, and was not before, is new. */
  async #recordMet(write: Write, seen: Seen): Promise<void> {
    try {
      await this.#record(await this.#met(write, seen), write);
    } catch (error) {
      this.#feed.fail(error);
      await this.#record(undefined, write);
    }
  }

  async #met(write: Write, { from, rows: seen, unique = [], strangers = 0 }: Seen): Promise<Touch[] | undefined> {
    const { rows = [], verb, options } = write;
    if (strangers === rows.length) return this.#created(write);
    if (strangers > 0 && !this.#isPostgres) return undefined;
    // PostgreSQL says which keys it has generated, if not of which row.
    const generated = strangers === 0 ? [] : rows.map((row) => primaryKey(this.#model, row)).filter((pk) => pk !== undefined);
    const keys = generated.map((pk) => new Map([[this.#model.primaryKeyAttribute, pk]]));
    const touches: Touch[] = [];
    for (const [key, row] of byPrimaryKey(
      this.#model,
      await findDuplicates(this.#model, [...unique, ...keys], options.transaction),
    )) {
      const met = seen.get(key);
      if (met !== undefined && verb === 'create' && options.updateOnDuplicate === undefined) continue;
      const { existed, row: before } = met ?? { existed: false, row: undefined };
      const exists = isThere(this.#model, row);
      touches.push({ pk: primaryKey(this.#model, row) ?? key, from, existed, exists, before, last: exists ? undefined : before });
    }
    return touches;
  }

  #record(touches: readonly Touch[] | undefined, { options }: Write): Promise<void> | undefined {
    return this.#feed.record(touches ?? [undefined], options.transaction);
  }

  get #isPostgres(): boolean {
    return databaseOf(this.#model).getDialect() === 'postgres';
  }
}

/** Whether rows that are inserted may turn out to be there, and be updated or left out. */
function mayMeet({ isBulk, options }: Write): boolean {
  return isBulk === true && (options.updateOnDuplicate !== undefined || options.ignoreDuplicates === true);
}

function allOf<T>(values: readonly (T | undefined)[]): T[] | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === values.length ? known : undefined;
}
