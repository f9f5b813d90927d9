import type { Association } from 'sequelize';

import type { RowEffect } from './change-batch.js';
import type { ChangeFeed } from './change-feed.js';

/** A setter replaces rows of the join table by two statements at once: so long one waits for the other, in milliseconds. */
const LONGEST_WAIT_MS = 1_000;

/** What the statements of a setter did; undefined stands for rows that are not known. */
export type AssociationEffects = readonly (RowEffect | undefined)[];

interface Collected {
  readonly effects: (RowEffect | undefined)[];
  readonly until: Set<object>;
  readonly published: Promise<void>;
  readonly flush: () => void;
}

/**
 * Outside of transactions, makes one change of what a setter does by several statements at once: what one of them did is kept until those
 * that had begun before its end have ended, too. Only their publishing waits, not the statements.
 */
export class AssociationBatcher {
  readonly #feed: ChangeFeed;
  readonly #association: Association;
  readonly #open = new Map<object, NodeJS.Timeout>();
  #collected: Collected | undefined;

  constructor(feed: ChangeFeed, association: Association) {
    this.#feed = feed;
    this.#association = association;
  }

  /** A statement begins that changes the association. */
  begin(statement: object): void {
    // A connection may be lost without an answer.
    const timer = setTimeout(() => {
      this.end(statement);
    }, LONGEST_WAIT_MS).unref();
    this.#open.set(statement, timer);
  }

  /** It has succeeded. */
  succeeded(statement: object, effects: AssociationEffects): Promise<void> | undefined {
    const collected = this.#collected ?? this.#collect();
    if (this.#collected === undefined) for (const other of this.#open.keys()) if (other !== statement) collected.until.add(other);
    this.#collected = collected;
    collected.effects.push(...effects);
    this.end(statement);
    return this.#feed.reader.isSingleConnection ? collected.published : undefined;
  }

  /** It has ended, whether it has succeeded or not. */
  end(statement: object): void {
    clearTimeout(this.#open.get(statement));
    this.#open.delete(statement);
    const collected = this.#collected;
    if (collected === undefined) return;
    collected.until.delete(statement);
    if (collected.until.size > 0) return;
    this.#collected = undefined;
    collected.flush();
  }

  #collect(): Collected {
    const effects: (RowEffect | undefined)[] = [];
    let resolve: () => void = () => undefined;
    const published = new Promise<void>((done) => {
      resolve = done;
    });
    const flush = (): void => {
      const batch = this.#feed.batchOf(undefined);
      for (const effect of effects) {
        if (effect === undefined) batch.miss(this.#association);
        else batch.add(effect);
      }
      void Promise.resolve(this.#feed.settle(batch)).then(resolve);
    };
    return { effects, until: new Set(), published, flush };
  }
}
