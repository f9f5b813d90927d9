import type { Model } from 'sequelize';

import type { ChangeBatch } from './change-batch.js';
import { tick } from './transactions.js';

/** So many rows are remembered after they were published, or twice as many. */
const GENERATION = 500;

/** What subscribers know of a row. */
export interface RowState {
  readonly exists: boolean;
  readonly row: Model | undefined;
}

/** The same, and whether it is more than an assumption. */
export interface KnownState extends RowState {
  readonly isKnown: boolean;
}

interface Published extends RowState {
  readonly at: number;
  /** When the change was known to be committed. */
  readonly settledAt: number;
}

interface PendingRow {
  /** In the order in which they were entered. */
  readonly batches: ChangeBatch[];
  /** What was published of the row since the first of them was entered. */
  published: RowState | undefined;
}

/**
 * What subscribers know of each row that is being changed. An event is the difference between that and the row as it is read, so it
 * does not matter in which order the database answers those who changed a row: nothing ever waits for anything here.
 */
export class RowStates {
  readonly #pending = new Map<string, PendingRow>();
  #young = new Map<string, Published>();
  #old = new Map<string, Published>();
  /** What was published before this moment may be forgotten. */
  #youngFrom = 0;
  #oldFrom = 0;

  /** A batch has changed a row, or is about to. */
  enter(key: string, batch: ChangeBatch): void {
    const pending = this.#pending.get(key);
    if (pending === undefined) this.#pending.set(key, { batches: [batch], published: undefined });
    else if (!pending.batches.includes(batch)) pending.batches.push(batch);
  }

  /** A batch is published, or nothing becomes of it. */
  leave(key: string, batch: ChangeBatch): void {
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    pending.batches.splice(pending.batches.indexOf(batch), pending.batches.includes(batch) ? 1 : 0);
    if (pending.batches.length === 0) this.#pending.delete(key);
  }

  /** A row that others have deleted since a batch was committed, as they read it in between. */
  seenBetween(key: string, batch: ChangeBatch): Model | undefined {
    const { settledAt = Infinity } = batch;
    const others = this.batchesOf(key).filter((other) => other !== batch);
    return others.map((other) => other.rowBefore(key, settledAt)).find((row) => row !== undefined);
  }

  /** Whether others have changed a row since a moment. */
  isChangedSince(moment: number, key: string, batch: ChangeBatch): boolean {
    const last = this.last(key);
    if (last !== undefined && last.settledAt > moment) return true;
    return this.batchesOf(key).some((other) => other !== batch && (other.settledAt ?? Infinity) > moment);
  }

  /** The batches that have changed a row and are not published yet, in the order in which they were entered. */
  batchesOf(key: string): readonly ChangeBatch[] {
    return this.#pending.get(key)?.batches ?? [];
  }

  remember(key: string, state: RowState, { settledAt = 0 }: ChangeBatch): void {
    const pending = this.#pending.get(key);
    if (pending !== undefined) pending.published = state;
    this.#young.set(key, { ...state, at: tick(), settledAt });
    if (this.#young.size < GENERATION) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#oldFrom = this.#youngFrom;
    this.#youngFrom = tick();
  }

  /** What was published of a row since it was looked at; `forgotten` if that was too long ago. */
  publishedSince(moment: number, key: string): RowState | 'forgotten' | undefined {
    const pending = this.#pending.get(key)?.published;
    if (pending !== undefined) return pending;
    const published = this.#young.get(key) ?? this.#old.get(key);
    if (published !== undefined && published.at > moment) return published;
    return moment < this.#oldFrom ? 'forgotten' : undefined;
  }

  /** Rows that others have committed since a moment, published or not; `forgotten` if that was too long ago. */
  committedSince(moment: number, batch: ChangeBatch): ReadonlyMap<string, RowState | undefined> | 'forgotten' {
    if (moment < this.#oldFrom) return 'forgotten';
    const published = [...this.#old, ...this.#young].filter(([, { settledAt }]) => settledAt > moment);
    const pending = [...this.#pending].filter(([, { batches }]) =>
      batches.some((other) => other !== batch && (other.settledAt ?? 0) > moment),
    );
    return new Map<string, RowState | undefined>([
      ...pending.map(([key]): [string, undefined] => [key, undefined]),
      ...published,
    ]);
  }

  /** What was published last of a row, as far as it is remembered. */
  last(key: string): Published | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }
}
