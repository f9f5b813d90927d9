import type { Association, Model } from 'sequelize';

import { keyOf, type PrimaryKey } from './row-change.js';
import { tick, type RootTransaction } from './transactions.js';
import type { Identity } from './unique-keys.js';

/** What a write did to one row. */
export interface RowEffect {
  readonly pk: PrimaryKey;
  /** When it was known how the row was before: when it was looked at, or, of a row that was not, when it was written. */
  readonly from: number;
  /** When the look-up of the row was answered, if there was one. */
  readonly readAt?: number | undefined;
  /** Whether the row existed before the write; by assumption, unless it `isKnown`. */
  readonly existed: boolean;
  readonly isKnown?: boolean;
  /** Whether the row existed after the write; undefined if only a look can tell. */
  readonly exists: boolean | undefined;
  /** The row as subscribers may know it: as it was committed before the write. */
  readonly before?: Model | undefined;
  /** The last state of a row that the write deleted. */
  readonly last?: Model | undefined;
  /** The many-to-many list that has changed; undefined if the row itself has. */
  readonly list?: Association | undefined;
  /** Whether nothing has changed: a save of a row as it is. */
  readonly isUnchanged?: boolean;
  /** Whether the write may not have changed the row: it is published only if it differs from what was published. */
  readonly isUncertain?: boolean;
  /** Whether it has to be read how the row was before the transaction, even where no group depends on it. */
  readonly needsBefore?: boolean;
  /** Whether it was looked up as it is committed: what the same transaction has made of it before was not seen. */
  readonly seesCommitted?: boolean;
  /** Whether the row is named by `notify`: nothing is known of how it was. */
  readonly isNamed?: boolean;
}

/** Rows that an INSERT has created, updated or left out; which ones is read after the commit, by their unique values. */
export interface InsertedRows {
  readonly identities: readonly Identity[];
  readonly from: number;
  /** When the look-up of the rows was answered. */
  readonly readAt: number;
  /** The rows that existed before, by their keys. */
  readonly found: ReadonlyMap<string, Model>;
  /** Whether rows that existed before are updated, and not left out. */
  readonly updates: boolean;
  /** How many were inserted, if that is known. */
  readonly inserted: number | undefined;
}

/** All that one transaction, or one write outside of any, did to a row. */
export interface RowSummary {
  readonly pk: PrimaryKey;
  readonly from: number;
  readonly readAt: number;
  readonly existed: boolean;
  readonly isKnown: boolean;
  readonly exists: boolean | undefined;
  readonly before: Model | undefined;
  readonly last: Model | undefined;
  /** The lists that have changed; undefined if the row itself has. */
  readonly lists: ReadonlySet<Association> | undefined;
  /** Whether all columns are as they were. */
  readonly isUnchanged: boolean;
  readonly isUncertain: boolean;
  readonly needsBefore: boolean;
  readonly isNamed: boolean;
}

type Entry = { readonly at: number } & (
  | { readonly effect: RowEffect }
  | { readonly inserted: InsertedRows }
  /** Rows that are not known: of the model, or those whose list has changed. */
  | { readonly missed: Association | 'rows' }
);

/** The changes of one transaction, or of one write outside of any, to rows of one model. */
export class ChangeBatch {
  readonly transaction: RootTransaction | undefined;
  /** Settles when it is published, or when nothing becomes of it. */
  readonly whenPublished: Promise<void>;
  /** When COMMIT was about to be sent: what is looked up from here on may be newer than the transaction. */
  sealedAt: number | undefined;
  /** When it was known to be committed. */
  settledAt: number | undefined;
  #entries: Entry[] = [];
  #inserted = 0;
  readonly #lookUps: Promise<void>[] = [];
  readonly #befores = new Map<string, { readonly row: Model | undefined; readonly from: number; readonly readAt: number }>();
  readonly #entered = new Set<string>();
  /** The rows that it has changed, those of rolled-back savepoints too. */
  readonly #keys = new Set<string>();
  readonly #maxEntries: number;
  #isOverfull = false;
  #resolve: () => void = () => undefined;

  /** @param maxRows - of how many rows it is published one by one; it keeps no more than a few times as many changes */
  constructor(transaction: RootTransaction | undefined, maxRows: number) {
    this.transaction = transaction;
    this.#maxEntries = maxRows * 10;
    this.whenPublished = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** @param at - when it was written, if not now */
  add(effect: RowEffect, at = tick()): void {
    this.#keys.add(keyOf(effect.pk));
    if (this.#entries.length < this.#maxEntries) this.#entries.push({ effect, at });
    else this.#isOverfull = true;
  }

  addInserted(inserted: InsertedRows, at = tick()): void {
    this.#entries.push({ inserted, at });
    this.#inserted += 1;
  }

  /** Rows were written that are not known: of the model itself, or rows whose list has changed. */
  miss(list?: Association, at = tick()): void {
    this.#entries.push({ missed: list ?? 'rows', at });
  }

  /** COMMIT is about to be sent, or the statement of a write outside of transactions was answered. */
  seal(): void {
    this.sealedAt ??= tick();
  }

  get isSealed(): boolean {
    return this.sealedAt !== undefined;
  }

  /** What has to be done before COMMIT is sent. */
  addLookUp(lookUp: Promise<void>): void {
    this.#lookUps.push(lookUp);
  }

  async lookedUp(): Promise<void> {
    await Promise.all(this.#lookUps);
  }

  /** How a row was committed before the transaction, as it was just read; undefined if it did not exist. @param from - when it was asked for */
  setBefore(key: string, row: Model | undefined, from: number): void {
    if (!this.#befores.has(key)) this.#befores.set(key, { row, from, readAt: tick() });
  }

  knowsBefore(key: string): boolean {
    return this.#befores.has(key);
  }

  /** How a row was committed before it was written, if that was read after a moment. */
  rowBefore(key: string, moment: number): Model | undefined {
    const read = this.#befores.get(key);
    if (read !== undefined) return read.from > moment ? read.row : undefined;
    const row = this.#keys.has(key) ? this.summary().get(key) : undefined;
    return row?.isKnown === true && row.from > moment ? row.before : undefined;
  }

  /** Keys under which it is entered among the pending rows. */
  get entered(): ReadonlySet<string> {
    return this.#entered;
  }

  noteEntered(key: string): void {
    this.#entered.add(key);
  }

  /** Whether something was written of which the rows are not known: rows themselves, or one of these lists. */
  hasMissed(lists: readonly Association[]): boolean {
    if (this.#isOverfull) return true;
    return this.#standing().some((one) => 'missed' in one && (one.missed === 'rows' || lists.includes(one.missed)));
  }

  /** Whether there are inserts whose rows are still to be found. */
  get hasInserted(): boolean {
    return this.#inserted > 0;
  }

  /** Takes the inserts whose rows are still to be found. */
  takeInserted(): readonly { readonly at: number; readonly inserted: InsertedRows }[] {
    const standing = this.#standing().filter((one) => 'inserted' in one);
    this.#entries = this.#entries.filter((one) => !('inserted' in one));
    this.#inserted = 0;
    return standing;
  }

  /** Whether it has changed columns of a row already. */
  hasChanged(key: string): boolean {
    if (!this.#keys.has(key)) return false;
    return this.#standing().some((one) => 'effect' in one && !isUnchanged(one.effect) && keyOf(one.effect.pk) === key);
  }

  /** The key of a row that it has changed. */
  keyOf(key: string): PrimaryKey | undefined {
    return this.summary().get(key)?.pk;
  }

  /** Whether it has written a row itself before a moment, and not only lists of it. */
  hasWritten(key: string, before: number): boolean {
    if (!this.#keys.has(key)) return false;
    return this.#standing().some((one) => 'effect' in one && one.at < before && !one.effect.list && keyOf(one.effect.pk) === key);
  }

  /** A row for a row, what is left of its changes when savepoints that were rolled back are left out. */
  summary(): Map<string, RowSummary> {
    const rows = new Map<string, RowSummary>();
    for (const entry of this.#standing()) {
      if (!('effect' in entry)) continue;
      const { effect } = entry;
      const key = keyOf(effect.pk);
      const first = rows.get(key);
      rows.set(key, first === undefined ? this.#start(key, effect) : merge(first, effect));
    }
    return rows;
  }

  markPublished(): void {
    this.#resolve();
  }

  #start(key: string, effect: RowEffect): RowSummary {
    const { pk, from, readAt, existed, isKnown, before, exists, last, list, isUncertain, needsBefore, isNamed } = effect;
    const read = this.#befores.get(key);
    return {
      pk,
      from: read?.from ?? from,
      readAt: read?.readAt ?? readAt ?? from,
      existed: read === undefined ? existed : read.row !== undefined,
      isKnown: read !== undefined || isKnown === true,
      before: read === undefined ? before : read.row,
      exists,
      last,
      lists: list && new Set([list]),
      isUnchanged: isUnchanged(effect),
      isUncertain: isUncertain === true,
      needsBefore: needsBefore === true,
      isNamed: isNamed === true,
    };
  }

  /** In the order of the writes: what was looked up for one comes later than the next one. */
  #standing(): Entry[] {
    const { transaction } = this;
    const entries = transaction === undefined ? this.#entries : this.#entries.filter(({ at }) => !transaction.isUndone(at));
    return [...entries].sort((one, other) => one.at - other.at);
  }
}

function merge(first: RowSummary, effect: RowEffect): RowSummary {
  const { list, from, readAt = from, existed, isKnown, before, last } = effect;
  const exists = effect.seesCommitted === true && first.lists === undefined ? undefined : effect.exists;
  // What changes no column, as a change of lists, has not looked at the row: the first write that has is the first that counts.
  const isFirst = !first.isKnown && first.isUnchanged && list === undefined;
  return {
    ...first,
    ...(isFirst && { from, readAt, existed, isKnown: isKnown === true, before: before ?? first.before }),
    isUnchanged: first.isUnchanged && isUnchanged(effect),
    isUncertain: first.isUncertain && effect.isUncertain === true,
    needsBefore: first.needsBefore || effect.needsBefore === true,
    isNamed: first.isNamed && effect.isNamed === true,
    lists: first.lists && list && new Set([...first.lists, list]),
    exists: list === undefined ? exists : (first.exists ?? exists),
    last: last ?? first.last,
  };
}

function isUnchanged({ list, isUnchanged: isSame }: RowEffect): boolean {
  return list !== undefined || isSame === true;
}
