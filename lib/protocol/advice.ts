/** How many cases of one mistake are told: a stranger may bring about any number of them. */
const MAX_TOLD = 8;

/** Tells the developer what is likely a mistake, as a warning of the process: each case once, and few of them. */
export class Advice {
  readonly #code: string;
  readonly #told = new Set<string>();

  /** @param code - by which `node --disable-warning` knows it */
  constructor(code: string) {
    this.#code = code;
  }

  /** @param about - what tells this case from others */
  give(about: string, text: string): void {
    if (this.#told.has(about) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(about);
    process.emitWarning(text, { code: this.#code });
  }
}
