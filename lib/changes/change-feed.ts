import { setTimeout as wait } from 'node:timers/promises';

import type { Association, Model, ModelStatic } from 'sequelize';

import { within } from '../protocol/time.js';
import { ChangeBatch, type RowEffect, type RowSummary } from './change-batch.js';
import { changeOf, isEqual, stateOf } from './change-of-row.js';
import { readCommitted, type CommittedRows } from './committed-rows.js';
import { DatabaseReader } from './database-reader.js';
import { runDetached } from './detached.js';
import { databaseOf, findByKeys } from './queries.js';
import type { ChangeListener, PrimaryKey, RowChange } from './row-change.js';
import { type KnownState, RowStates } from './row-states.js';
import { type Outcome, type RootTransaction, tick } from './transactions.js';

/** Rows are read at most this often, in milliseconds: what is committed in between is read at once. */
const READ_INTERVAL_MS = 2;

/** So long a writer on a single connection waits until its rows are read, in milliseconds. */
const SINGLE_CONNECTION_MS = 1_000;

/**
 * From writes to committed changes, for the rows of one model.
 *
 * ```
 * open ── the transaction commits ──▶ ready ── one SELECT for all that is ready ──▶ published
 *   └──── it is rolled back ─────────────────────────────────────────────────────────▲
 * ```
 *
 * A batch is ready as soon as it is committed. What is published of a row is the difference between what subscribers know of it and the
 * row as it is read after the commit; so it does not matter in which order batches become ready, and none waits for another.
 */
export class ChangeFeed {
  readonly model: ModelStatic<Model>;
  readonly listeners = new Set<ChangeListener>();
  readonly states = new RowStates();
  readonly reader: DatabaseReader;
  readonly #open = new WeakMap<RootTransaction, ChangeBatch>();
  #ready: ChangeBatch[] = [];
  #isPublishing = false;
  #readAt = 0;

  constructor(model: ModelStatic<Model>) {
    this.model = model;
    this.reader = DatabaseReader.of(databaseOf(model));
  }

  get hasSubscribers(): boolean {
    return this.#wanting().length > 0;
  }

  /** Whether the groups of a row depend on more than its key. */
  get needsPreviousRow(): boolean {
    return [...this.listeners].some((listener) => listener.needsBefore());
  }

  /** Rows of one transaction that are published one by one. */
  get maxRows(): number {
    return Math.max(0, ...[...this.listeners].map(({ maxRows }) => maxRows));
  }

  /** The batch of a transaction, or a new one for a write outside of any. */
  batchOf(transaction: RootTransaction | undefined): ChangeBatch {
    if (transaction === undefined || transaction.isOver) return new ChangeBatch(undefined, this.maxRows);
    const existing = this.#open.get(transaction);
    if (existing !== undefined) return existing;
    const batch = new ChangeBatch(transaction, this.maxRows);
    this.#open.set(transaction, batch);
    transaction.join({
      prepare: () => this.#prepare(batch),
      end: (outcome) => this.#end(batch, outcome),
    });
    return batch;
  }

  /** Keeps what a write did until its transaction ends; outside of any it is published at once. */
  record(effects: readonly RowEffect[], transaction: RootTransaction | undefined): Promise<void> | undefined {
    const batch = this.batchOf(transaction);
    for (const effect of effects) batch.add(effect);
    return batch.transaction === undefined ? this.settle(batch) : undefined;
  }

  /** That rows were written which are not known: of the model itself, or rows whose list has changed. */
  miss(transaction: RootTransaction | undefined, list?: Association): Promise<void> | undefined {
    const batch = this.batchOf(transaction);
    batch.miss(list);
    return batch.transaction === undefined ? this.settle(batch) : undefined;
  }

  /** A batch is about to change a row: what is published of the row from here on is what subscribers know before it. */
  enter(batch: ChangeBatch, key: string): void {
    this.states.enter(key, batch);
    batch.noteEntered(key);
  }

  /** A batch is committed. Writers on a single connection wait until it is read, for a limited time. */
  settle(batch: ChangeBatch): Promise<void> | undefined {
    batch.seal();
    batch.settledAt = tick();
    for (const key of batch.summary().keys()) this.enter(batch, key);
    this.#ready.push(batch);
    if (!this.#isPublishing) void runDetached(() => this.#publishAll());
    return this.reader.isSingleConnection ? this.#published(batch) : undefined;
  }

  /** Nothing becomes of a batch. */
  drop(batch: ChangeBatch): void {
    batch.seal();
    for (const key of batch.entered) this.states.leave(key, batch);
    batch.markPublished();
  }

  /** The listeners of a many-to-many list. */
  listenersOf(list: Association): ChangeListener[] {
    return [...this.listeners].filter(({ manyToMany }) => manyToMany.includes(list));
  }

  fail(error: unknown): void {
    for (const listener of this.#wanting()) listener.failed(error);
  }

  #wanting(): ChangeListener[] {
    return [...this.listeners].filter((listener) => listener.wanted());
  }

  async #published(batch: ChangeBatch): Promise<void> {
    try {
      await within(SINGLE_CONNECTION_MS, batch.whenPublished, () => new Error('Expected rows to be read at once.'));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Looks up before COMMIT is sent how rows were before the transaction: it holds their locks, so others cannot have changed them. */
  async #prepare(batch: ChangeBatch): Promise<void> {
    try {
      if (this.hasSubscribers) {
        await batch.lookedUp();
        await this.#readBefores(batch);
      }
    } catch (error) {
      batch.miss();
      this.fail(error);
    }
    batch.seal();
  }

  async #readBefores(batch: ChangeBatch): Promise<void> {
    const unknown = new Map<string, PrimaryKey>();
    for (const [key, row] of batch.summary()) {
      this.enter(batch, key);
      if (batch.knowsBefore(key) || row.isKnown) continue;
      if (row.needsBefore || this.needsPreviousRow) unknown.set(key, row.pk);
    }
    if (unknown.size === 0 || unknown.size > this.maxRows || this.reader.looksBefore) return;
    const from = tick();
    const rows = await this.reader.lookUp((on) => findByKeys(this.model, unknown, on));
    for (const key of unknown.keys()) batch.setBefore(key, rows.get(key), from);
  }

  #end(batch: ChangeBatch, outcome: Outcome): Promise<void> {
    if (outcome === 'committed') return this.settle(batch) ?? Promise.resolve();
    this.drop(batch);
    if (outcome === 'unknown') for (const listener of this.#wanting()) listener.missed();
    return Promise.resolve();
  }

  async #publishAll(): Promise<void> {
    this.#isPublishing = true;
    while (this.#ready.length > 0) {
      const pause = this.#readAt + READ_INTERVAL_MS - performance.now();
      if (pause > 0 && !this.reader.isSingleConnection) await wait(pause);
      this.#readAt = performance.now();
      const batches = this.#ready.splice(0);
      const rows = this.hasSubscribers ? await this.#read(batches) : undefined;
      for (const batch of batches) this.#publish(batch, rows);
    }
    this.#isPublishing = false;
  }

  /** The rows of batches as they are now; undefined if they cannot be read. */
  async #read(batches: readonly ChangeBatch[]): Promise<CommittedRows | undefined> {
    try {
      return await readCommitted(this, batches);
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  #publish(batch: ChangeBatch, rows: CommittedRows | undefined): void {
    const changes: PublishedChange[] = [];
    const summary = batch.summary();
    let hasMissed = rows === undefined || rows.missed.has(batch);
    for (const [key, row] of summary) {
      const change = rows === undefined || hasMissed ? undefined : this.#change(batch, key, row, rows.found.get(key));
      if (change === 'unknown') hasMissed = true;
      else if (change !== undefined) changes.push(change);
    }
    for (const key of batch.entered) this.states.leave(key, batch);
    for (const listener of this.#wanting()) {
      try {
        const published = changes.filter(({ lists }) => !lists || listener.manyToMany.some((list) => lists.has(list)));
        const isTooLarge = published.length > listener.maxRows;
        if (published.length > 0 && !isTooLarge) listener.committed(published.map(({ change }) => change));
        if (hasMissed || isTooLarge || batch.hasMissed(listener.manyToMany)) listener.missed();
      } catch (error) {
        listener.failed(error);
      }
    }
    batch.markPublished();
  }

  #change(batch: ChangeBatch, key: string, row: RowSummary, found: Model | undefined): PublishedChange | 'unknown' | undefined {
    const known = this.#known(batch, key, row);
    if (known === 'forgotten') return 'unknown';
    const seen = found ?? this.states.seenBetween(key, batch);
    const change = changeOf(this.model, row, known, seen, this.#madeByOthers(key, batch));
    if (change === 'unknown' || this.#mayHaveMoved(row, change)) return 'unknown';
    // Others have changed the row itself, and its observers have not received that yet.
    const isOfList =
      row.lists !== undefined && (change === undefined || known.row === undefined || isEqual(known.row, change.after));
    // What was only assumed, or not published to all, is not what subscribers know.
    if (!isOfList && (change !== undefined || known.isKnown)) this.states.remember(key, stateOf(known, change), batch);
    return change && { change, lists: isOfList ? row.lists : undefined };
  }

  /** Whether the row exists after what others have made of it that are not published yet; undefined where that is not known. */
  #madeByOthers(key: string, batch: ChangeBatch): (boolean | undefined)[] {
    const others = this.states.batchesOf(key).filter((other) => other !== batch);
    return others.map((other) => other.summary().get(key)?.exists);
  }

  /** Whether a row may have left groups of which nothing is known. */
  #mayHaveMoved({ lists, isNamed }: RowSummary, change: RowChange | undefined): boolean {
    return this.needsPreviousRow && change?.kind === 'update' && change.before === undefined && lists === undefined && !isNamed;
  }

  /** What subscribers know of a row: what was published last, or how it was before the first of those who are changing it now. */
  #known(ownBatch: ChangeBatch, key: string, own: RowSummary): KnownState | 'forgotten' {
    const pending = this.states.batchesOf(key).flatMap((batch) => {
      const row = batch === ownBatch ? own : batch.summary().get(key);
      return row === undefined ? [] : [{ batch, row }];
    });
    const rows = pending.map(({ row }) => row);
    const from = Math.min(own.from, ...rows.map((row) => row.from));
    const published = this.states.publishedSince(from, key);
    if (published === 'forgotten' && this.needsPreviousRow) return 'forgotten';
    const created = rows.find((row) => row.isKnown && !row.existed);
    // Whatever the order in which writers are answered: what was created before it was deleted did not exist.
    const isNew = created !== undefined && pending.every((other) => other.row === created || !mayDeleteBefore(other, created));
    const first = isNew ? created : (earliest(rows.filter(({ isKnown }) => isKnown)) ?? earliest(rows) ?? own);
    if (published === undefined || published === 'forgotten')
      return { exists: first.existed, row: first.before, isKnown: first.isKnown };
    return { ...published, isKnown: true };
  }
}

/** Whether a batch may have deleted a row before another one created it again: that had to wait until COMMIT was sent. */
function mayDeleteBefore(other: { readonly batch: ChangeBatch; readonly row: RowSummary }, created: RowSummary): boolean {
  const { batch, row } = other;
  if (row.exists === undefined) return batch.sealedAt !== undefined && batch.sealedAt < created.from;
  return !row.exists;
}

/** What was read first: a look-up that has read what another transaction changed was answered after that transaction's own look-up. */
function earliest(rows: readonly RowSummary[]): RowSummary | undefined {
  return rows.reduce<RowSummary | undefined>(
    (first, row) => (first === undefined || row.readAt < first.readAt ? row : first),
    undefined,
  );
}

/** A change, and the lists that it is of; undefined if the row itself has changed. */
interface PublishedChange {
  readonly change: RowChange;
  readonly lists: ReadonlySet<Association> | undefined;
}
