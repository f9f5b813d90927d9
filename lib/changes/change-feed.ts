import type { Association, Model, ModelStatic, Transaction } from 'sequelize';

import { ChangeBatch, type RowSummary, type ToldState, type Touch } from './change-batch.js';
import { CommitQueue, tick } from './commit-queue.js';
import { outside } from './outside.js';
import { keyOf, type ChangeListener, type PrimaryKey, type RowChange } from './row-change.js';
import { databaseOf, findByKeys, primaryKey } from './row-look-up.js';
import { ToldRows } from './told-rows.js';

/**
 * From writes to committed changes, for the rows of one model. Changes of a row are told in the order in which it was written, and show
 * the row as it is read after the commit. All that has been committed meanwhile is read at once.
 */
export class ChangeFeed {
  readonly model: ModelStatic<Model>;
  readonly listeners = new Set<ChangeListener>();
  readonly #queue: CommitQueue;
  readonly #open = new WeakMap<Transaction, ChangeBatch>();
  /** Of each row the batches that have changed it and are not told yet, in the order of the writes. */
  readonly #byRow = new Map<string, ChangeBatch[]>();
  readonly #told = new ToldRows();
  #waiting: ChangeBatch[] = [];
  #ready: ChangeBatch[] = [];
  #isTelling = false;

  constructor(model: ModelStatic<Model>) {
    this.model = model;
    this.#queue = CommitQueue.of(databaseOf(model));
  }

  get isWanted(): boolean {
    return this.#listeners().length > 0;
  }

  get needsBefore(): boolean {
    return [...this.listeners].some((listener) => listener.needsBefore());
  }

  get isSingleConnection(): boolean {
    return this.#queue.isSingleConnection;
  }

  /**
   * Keeps what a write did until its transaction ends; outside of any it is told at once. Undefined stands for rows that are not known.
   *
   * @param list - the many-to-many list that the write has changed, if not the rows themselves
   */
  record(
    touches: readonly (Touch | undefined)[],
    transaction: Transaction | null | undefined,
    list?: Association,
  ): Promise<void> | undefined {
    const batch = this.#batchOf(transaction);
    if (batch === undefined) return undefined;
    for (const touch of touches) {
      if (touch !== undefined) this.#enter(batch, touch);
      batch.add(touch, list);
    }
    if (batch.unit !== undefined) return undefined;
    this.#settle(batch);
    return this.isSingleConnection ? batch.told : undefined;
  }

  /** Until rows have been told as they are: to be awaited before they change again. Undefined if there is nothing to wait for. */
  untilTold(keys: readonly string[] | undefined): Promise<unknown> | undefined {
    const batches = keys === undefined ? this.#ready : keys.flatMap((key) => this.#byRow.get(key) ?? []);
    const telling = batches.filter(({ state }) => state !== 'open').map(({ told }) => told);
    return telling.length === 0 ? undefined : Promise.all(telling);
  }

  /** Rows that others have changed since a moment, or are about to have changed. */
  changedSince(moment: number): ReadonlyMap<string, ToldState> | 'forgotten' {
    const told = this.#told.keysSince(moment);
    if (told === 'forgotten') return told;
    const changed = new Map<string, ToldState>();
    for (const [key, batches] of this.#byRow) {
      const recent = batches.find(({ settledAt, unit }) => (settledAt === undefined ? unit?.isFinishing : settledAt > moment));
      const pk = recent?.pks.get(key);
      if (pk !== undefined) changed.set(key, { pk, exists: true, row: undefined });
    }
    for (const key of told) {
      const state = this.#told.since(moment, key);
      if (state !== undefined && state !== 'forgotten' && state.exists !== false) changed.set(key, state);
    }
    return changed;
  }

  /** Those who observe a many-to-many list. */
  listenersOf(list: Association): ChangeListener[] {
    return [...this.listeners].filter(({ manyToMany }) => manyToMany.includes(list));
  }

  fail(error: unknown): void {
    for (const listener of this.#listeners()) listener.failed(error);
  }

  #listeners(): ChangeListener[] {
    return [...this.listeners].filter((listener) => listener.wanted());
  }

  #batchOf(transaction: Transaction | null | undefined): ChangeBatch | undefined {
    if (!transaction || this.#queue.isCommitted(transaction)) return new ChangeBatch(undefined);
    const unit = this.#queue.unitOf(transaction);
    if (unit === undefined) return undefined;
    const existing = this.#open.get(unit.root);
    if (existing !== undefined) return existing;
    const batch = new ChangeBatch(unit);
    this.#open.set(unit.root, batch);
    unit.onEnd((outcome) => {
      if (outcome === 'committed') this.#settle(batch);
      else this.#drop(batch);
      if (outcome === 'unknown') for (const listener of this.#listeners()) listener.missed();
      return batch.told;
    });
    return batch;
  }

  #enter(batch: ChangeBatch, touch: Touch): void {
    const key = keyOf(touch.pk);
    if (batch.pks.has(key)) return;
    const batches = this.#byRow.get(key);
    if (batches === undefined) this.#byRow.set(key, [batch]);
    else batches.push(batch);
    const told = this.#told.since(touch.from, key);
    if (told === 'forgotten') batch.add(undefined);
    else if (told !== undefined) batch.correct(key, told);
  }

  #settle(batch: ChangeBatch): void {
    batch.state = 'waiting';
    batch.settledAt = tick();
    this.#waiting.push(batch);
    this.#release();
  }

  #drop(batch: ChangeBatch): void {
    for (const key of batch.pks.keys()) this.#leave(batch, key);
    batch.markTold();
    this.#release();
  }

  #leave(batch: ChangeBatch, key: string): readonly ChangeBatch[] {
    const later = (this.#byRow.get(key) ?? []).filter((one) => one !== batch);
    if (later.length === 0) this.#byRow.delete(key);
    else this.#byRow.set(key, later);
    return later;
  }

  /** Those that have settled are told as soon as nobody before them is about to. */
  #release(): void {
    for (const batch of this.#waiting) {
      if ([...batch.pks.keys()].some((key) => this.#isBehind(batch, key))) continue;
      batch.state = 'ready';
      this.#ready.push(batch);
    }
    this.#waiting = this.#waiting.filter(({ state }) => state === 'waiting');
    if (!this.#isTelling && this.#ready.length > 0) void outside(() => this.#tell());
  }

  /**
   * Whether a batch that changed the row earlier is yet to be told. One that is open and has not been asked to end can hold the row no
   * more, or this one could not have changed it: nobody waits for that.
   */
  #isBehind(batch: ChangeBatch, key: string): boolean {
    for (const earlier of this.#byRow.get(key) ?? []) {
      if (earlier === batch) return false;
      if (earlier.state === 'waiting' || (earlier.state === 'open' && earlier.unit?.isFinishing)) return true;
    }
    return false;
  }

  async #tell(): Promise<void> {
    this.#isTelling = true;
    while (this.#ready.length > 0) {
      const batches = [...this.#ready];
      const listeners = this.#listeners();
      const summaries = batches.map((batch) => batch.summary());
      const rows = listeners.length === 0 ? undefined : await this.#read(summaries);
      this.#ready = this.#ready.slice(batches.length);
      for (const batch of batches) this.#tellBatch(batch, rows);
    }
    this.#isTelling = false;
  }

  /** Rows by their keys; undefined if they cannot be read. */
  async #read(summaries: readonly ReadonlyMap<string, RowSummary>[]): Promise<ReadonlyMap<string, Model> | undefined> {
    try {
      return await findByKeys(this.model, new Map(summaries.flatMap((rows) => [...rows].map(([key, { pk }]) => [key, pk]))));
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  #tellBatch(batch: ChangeBatch, rows: ReadonlyMap<string, Model> | undefined): void {
    const changes: { readonly change: RowChange; readonly lists: ReadonlySet<Association> | undefined }[] = [];
    const summary = batch.summary();
    for (const key of batch.pks.keys()) {
      const later = this.#leave(batch, key);
      const row = summary.get(key);
      if (row === undefined || rows === undefined) continue;
      const change = this.#change(row, rows.get(key), later.length > 0);
      if (change !== undefined) changes.push({ change, lists: row.lists });
      this.#remember(key, batch, later, toldState(row, change));
    }
    for (const listener of this.#listeners()) {
      try {
        const heard = changes.filter(({ lists }) => !lists || listener.manyToMany.some((list) => lists.has(list)));
        if (heard.length > 0) listener.committed(heard.map(({ change }) => change));
        if (rows === undefined || batch.hasMissed(listener.manyToMany)) listener.missed();
      } catch (error) {
        listener.failed(error);
      }
    }
    batch.markTold();
    this.#release();
  }

  #remember(key: string, { settledAt = 0 }: ChangeBatch, later: readonly ChangeBatch[], state: ToldState): void {
    this.#told.remember(key, state, settledAt);
    for (const batch of later) batch.correct(key, state);
  }

  /** What a batch did to a row, by how it left the row and how the row was found after the commit. */
  #change(summary: RowSummary, found: Model | undefined, isChangedLater: boolean): RowChange | undefined {
    const { pk, existed, exists, before, last, isSame } = summary;
    if (exists === true || (exists === undefined && found !== undefined)) {
      // A row that has gone meanwhile is told by whoever deleted it.
      if (found === undefined) return undefined;
      if (!existed) return { kind: 'create', pk: this.#keyOf(found, pk), before: undefined, after: found };
      return { kind: 'update', pk: this.#keyOf(found, pk), before: before ?? (isSame ? found : undefined), after: found };
    }
    // A row that is still there was not deleted, unless somebody has made it anew.
    if (!existed || (found !== undefined && !isChangedLater)) return undefined;
    const after = last ?? before ?? this.#rowOf(pk);
    return { kind: 'delete', pk: this.#keyOf(after, pk), before: before ?? last, after };
  }

  /** As the row has it: a key may be written in several ways. */
  #keyOf(row: Model, pk: PrimaryKey): PrimaryKey {
    return primaryKey(this.model, row) ?? pk;
  }

  #rowOf(pk: PrimaryKey): Model {
    return this.model.build({ [this.model.primaryKeyAttribute]: pk }, { isNewRecord: false, raw: true });
  }
}

function toldState({ pk, existed, before, lists }: RowSummary, change: RowChange | undefined): ToldState {
  if (change === undefined) return { pk, exists: existed, row: existed ? before : undefined };
  if (change.kind === 'delete') return { pk, exists: false, row: undefined };
  return { pk, exists: lists === undefined ? true : undefined, row: change.after };
}
