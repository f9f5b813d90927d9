import type { Association, Transaction } from 'sequelize';

import type { Touch } from './change-batch.js';
import type { ChangeFeed } from './change-feed.js';

/** A setter replaces rows of the join table by two statements at once: so long one waits for the other, in milliseconds. */
const LONGEST_WAIT_MS = 100;

interface Held {
  readonly touches: (Touch | undefined)[];
  readonly until: Set<object>;
  readonly told: Promise<void>;
  readonly flush: () => void;
}

/**
 * Outside of transactions, makes one change of what a setter does by several statements at once: what one of them did is kept until those
 * that had begun before its end have ended, too.
 */
export class ListGate {
  readonly #feed: ChangeFeed;
  readonly #list: Association;
  readonly #open = new Map<object, NodeJS.Timeout>();
  #held: Held | undefined;

  constructor(feed: ChangeFeed, list: Association) {
    this.#feed = feed;
    this.#list = list;
  }

  /** A write begins that changes lists. */
  enter(write: object): void {
    // Nobody says that a write has failed.
    this.#open.set(
      write,
      setTimeout(() => {
        this.#end(write);
      }, LONGEST_WAIT_MS).unref(),
    );
  }

  /** It has ended. */
  leave(
    write: object,
    touches: readonly (Touch | undefined)[],
    transaction: Transaction | null | undefined,
  ): Promise<void> | undefined {
    if (transaction) return this.#feed.record(touches, transaction, this.#list);
    const held = this.#hold(touches, write);
    this.#end(write);
    return this.#feed.isSingleConnection ? held.told : undefined;
  }

  #hold(touches: readonly (Touch | undefined)[], write: object): Held {
    const held = this.#held ?? this.#newHeld();
    if (this.#held === undefined) for (const other of this.#open.keys()) if (other !== write) held.until.add(other);
    this.#held = held;
    held.touches.push(...touches);
    return held;
  }

  #newHeld(): Held {
    const touches: (Touch | undefined)[] = [];
    let resolve: () => void = () => undefined;
    const told = new Promise<void>((done) => {
      resolve = done;
    });
    const flush = (): void => {
      void Promise.resolve(this.#feed.record(touches, undefined, this.#list)).then(resolve);
    };
    return { touches, until: new Set(), told, flush };
  }

  #end(write: object): void {
    clearTimeout(this.#open.get(write));
    this.#open.delete(write);
    const held = this.#held;
    if (held === undefined) return;
    held.until.delete(write);
    if (held.until.size > 0) return;
    this.#held = undefined;
    held.flush();
  }
}
