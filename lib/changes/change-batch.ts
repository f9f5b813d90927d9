import type { Association, Model } from 'sequelize';

import { tick, type UnitOfWork } from './commit-queue.js';
import { keyOf, type PrimaryKey } from './row-change.js';

/** What a write did to one row. */
export interface Touch {
  readonly pk: PrimaryKey;
  /** When the row was looked at; of a row that was not, when it was written. */
  readonly from: number;
  /** Whether the row was there before the write, and whether it was after it; undefined if only a look can tell. */
  readonly existed: boolean;
  readonly exists: boolean | undefined;
  /** The row before the write. */
  readonly before?: Model | undefined;
  /** The last state of a row that the write deleted. */
  readonly last?: Model | undefined;
  /** The many-to-many list that has changed; undefined if the row itself has. */
  readonly list?: Association;
  /** Whether nothing has changed: a save of a row as it is. */
  readonly isIdle?: boolean;
}

/** What listeners have been told that a row is: there as it is, there, or gone. */
export interface ToldState {
  readonly pk: PrimaryKey;
  /** Undefined if they were told of its lists alone: nobody has asked whether they knew the row. */
  readonly exists: boolean | undefined;
  readonly row: Model | undefined;
}

/** All that one transaction, or one write outside of any, did to a row. */
export interface RowSummary {
  readonly pk: PrimaryKey;
  readonly existed: boolean;
  readonly exists: boolean | undefined;
  readonly before: Model | undefined;
  readonly last: Model | undefined;
  /** The lists that have changed; undefined if the row itself has. */
  readonly lists: ReadonlySet<Association> | undefined;
  /** Whether all columns are as they were. */
  readonly isSame: boolean;
}

interface Entry {
  readonly at: number;
  /** Undefined for a write whose rows are not known. */
  readonly touch: Touch | undefined;
  /** The list that such a write has changed; undefined if it has changed rows. */
  readonly list?: Association | undefined;
}

/** The changes of one transaction, or of one write outside of any, to rows of one model. */
export class ChangeBatch {
  readonly unit: UnitOfWork | undefined;
  readonly from = tick();
  readonly told: Promise<void>;
  /** `waiting` for batches that wrote the same rows before; `ready` to be told. */
  state: 'open' | 'waiting' | 'ready' = 'open';
  /** The rows that it has changed. */
  readonly pks = new Map<string, PrimaryKey>();
  /** When it was heard of that it is committed. */
  settledAt: number | undefined;
  readonly #entries: Entry[] = [];
  readonly #corrections = new Map<string, ToldState>();
  #resolve: () => void = () => undefined;

  constructor(unit: UnitOfWork | undefined) {
    this.unit = unit;
    this.told = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** @param list - the list that was written, where it is not known of which rows */
  add(touch: Touch | undefined, list?: Association): void {
    this.#entries.push({ touch, list, at: tick() });
    if (touch !== undefined && !this.pks.has(keyOf(touch.pk))) this.pks.set(keyOf(touch.pk), touch.pk);
  }

  /** Whether something was written of which the rows are not known: rows themselves, or one of these lists. */
  hasMissed(lists: readonly Association[]): boolean {
    return this.#standing().some(({ touch, list }) => touch === undefined && (list === undefined || lists.includes(list)));
  }

  /** Others have written the row before, and listeners were told what it was then: this is what the batch changed. */
  correct(key: string, state: ToldState): void {
    this.#corrections.set(key, state);
  }

  /** A row for a row, what is left of its changes when savepoints that were rolled back are left out. */
  summary(): Map<string, RowSummary> {
    const rows = new Map<string, RowSummary>();
    for (const { touch } of this.#standing()) {
      if (touch === undefined) continue;
      const key = keyOf(touch.pk);
      const first = rows.get(key) ?? this.#start(key, touch);
      rows.set(key, {
        ...first,
        // A change of lists takes the row for granted; that it was created by the same transaction is known later.
        existed: first.existed && (first.lists === undefined || touch.existed),
        // A write that changes no column has not looked at the row.
        before: first.isSame && !first.before ? touch.before : first.before,
        isSame: first.isSame && isSame(touch),
        lists: first.lists && touch.list && new Set([...first.lists, touch.list]),
        exists: touch.exists,
        last: touch.last,
      });
    }
    return rows;
  }

  markTold(): void {
    this.#resolve();
  }

  #start(key: string, touch: Touch): RowSummary {
    const { pk, existed, before, exists, last, list } = touch;
    const rest = { pk, exists, last, lists: list && new Set([list]), isSame: isSame(touch) };
    const told = this.#corrections.get(key);
    if (told === undefined) return { ...rest, existed, before };
    return { ...rest, existed: told.exists ?? existed, before: told.row ?? (told.exists ? before : undefined) };
  }

  #standing(): Entry[] {
    const { unit } = this;
    if (unit === undefined) return this.#entries;
    return this.#entries.filter(({ at }) => !unit.isUndone(at));
  }
}

function isSame({ list, isIdle }: Touch): boolean {
  return list !== undefined || isIdle === true;
}
