import { tick } from './commit-queue.js';
import type { ToldState } from './change-batch.js';

/** So many rows are remembered, or twice as many. */
const GENERATION = 500;

interface Remembered extends ToldState {
  /** When it was told, and when the change was heard of. */
  readonly at: number;
  readonly settledAt: number;
}

/**
 * What listeners were told last of rows. A write that has looked at its row before that has to know: to the listeners it changes what
 * they were told, not what it has seen.
 */
export class ToldRows {
  #young = new Map<string, Remembered>();
  #old = new Map<string, Remembered>();
  /** What was told before this moment may be forgotten. */
  #youngFrom = 0;
  #oldFrom = 0;

  remember(key: string, state: ToldState, settledAt: number): void {
    this.#young.set(key, { ...state, at: tick(), settledAt });
    if (this.#young.size < GENERATION) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#oldFrom = this.#youngFrom;
    this.#youngFrom = tick();
  }

  /** What was told of the row since a moment; `forgotten` if that was too long ago. */
  since(moment: number, key: string): ToldState | 'forgotten' | undefined {
    const told = this.#young.get(key) ?? this.#old.get(key);
    if (told !== undefined && told.at > moment) return told;
    return moment < this.#oldFrom ? 'forgotten' : undefined;
  }

  /** Keys of the rows of which a change was heard since a moment; `forgotten` if that was too long ago. */
  keysSince(moment: number): string[] | 'forgotten' {
    if (moment < this.#oldFrom) return 'forgotten';
    return [...this.#old, ...this.#young].filter(([, { settledAt }]) => settledAt > moment).map(([key]) => key);
  }
}
