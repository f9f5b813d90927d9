import { runDetached } from '../changes/detached.js';

/** Steps that may wait. */
const MAX_WAITING = 10_000;

/** Steps that are done one after the other, in the order in which they came. They must not reject. */
export class Line {
  readonly #overflowed: () => void;
  #end: Promise<void> = Promise.resolve();
  #waiting = 0;
  #turn = 0;

  /** @param overflowed - is called when so much waits for a step, which may hang, that all of it is given up */
  constructor(overflowed: () => void) {
    this.#overflowed = overflowed;
  }

  /** @param step - asks whether it is still wanted, when it has waited for something */
  push(step: (isWanted: () => boolean) => Promise<void>): void {
    if (this.#waiting >= MAX_WAITING) this.#giveUp();
    const turn = this.#turn;
    const isWanted = (): boolean => turn === this.#turn;
    this.#waiting += 1;
    this.#end = runDetached(() =>
      this.#end.then(async () => {
        if (!isWanted()) return;
        await step(isWanted);
        if (isWanted()) this.#waiting -= 1;
      }),
    );
  }

  #giveUp(): void {
    this.#turn += 1;
    this.#waiting = 0;
    this.#end = Promise.resolve();
    this.#overflowed();
  }
}
