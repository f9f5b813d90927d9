/** A piece of work. It must neither throw nor reject; one that returns no promise is done when it returns. */
export type Task = () => undefined | Promise<void>;

/** Work that is done one piece at a time, in the order in which it arrived: frames and group messages of one connection or stream. */
export class Inbox {
  readonly #tasks: Task[] = [];
  #working = Promise.resolve();
  #busy = false;
  #closed = false;

  /** Pieces that wait. */
  get size(): number {
    return this.#tasks.length;
  }

  /** A task begins at once if nothing else is being done. */
  push(task: Task): void {
    if (this.#closed) return;
    if (this.#busy) {
      this.#tasks.push(task);
      return;
    }
    // Before it begins: it may push another.
    this.#busy = true;
    const begun = task();
    // An event that is sent already costs no promise: a thousand connections may get it.
    if (begun === undefined && this.#tasks.length === 0) this.#busy = false;
    else this.#working = this.#work(begun);
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

  async #work(begun: undefined | Promise<void>): Promise<void> {
    await begun;
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) await task();
    this.#busy = false;
  }
}
