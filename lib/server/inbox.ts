/** Work that is done one piece at a time, in the order in which it arrived: frames and group messages of one connection or stream. */
export class Inbox {
  readonly #tasks: (() => Promise<void>)[] = [];
  #working = Promise.resolve();
  #busy = false;
  #closed = false;

  /** Pieces that wait. */
  get size(): number {
    return this.#tasks.length;
  }

  /** @param task - must not reject */
  push(task: () => Promise<void>): void {
    if (this.#closed) return;
    this.#tasks.push(task);
    if (!this.#busy) this.#working = this.#work();
  }

  /** Resolves when all that has arrived is done. */
  async idle(): Promise<void> {
    await this.#working;
  }

  /** Drops what waits, and takes no more. */
  close(): void {
    this.#closed = true;
    this.#tasks.length = 0;
  }

  async #work(): Promise<void> {
    // Before the first task begins: it may push another.
    this.#busy = true;
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) await task();
    this.#busy = false;
  }
}
