import type { RequestId, Subscription } from './subscription.js';

/** The subscriptions of one group, by connection and request_id. */
export class Group {
  /** A list is never changed, but replaced: whoever goes through it need not copy it. */
  readonly #members = new Map<AbortSignal, readonly Subscription[]>();
  /** Takes the messages of other processes. */
  readonly receiver: (message: string) => void;
  /** Settles when they arrive. */
  joined: Promise<void> = Promise.resolve();

  constructor(receiver: (message: string) => void) {
    this.receiver = receiver;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  add(added: Subscription): void {
    const { signal } = added.subscriber;
    this.#members.set(signal, [...this.of(signal), added]);
  }

  /** @returns whether it was there */
  delete(deleted: Subscription): boolean {
    const { signal } = deleted.subscriber;
    const own = this.of(signal);
    const others = own.filter((one) => one !== deleted);
    if (others.length > 0) this.#members.set(signal, others);
    else this.#members.delete(signal);
    return others.length < own.length;
  }

  find(signal: AbortSignal, requestId: RequestId): Subscription | undefined {
    return this.of(signal).find((one) => one.requestId === requestId);
  }

  of(signal: AbortSignal): readonly Subscription[] {
    return this.#members.get(signal) ?? [];
  }

  all(): Subscription[] {
    return [...this.#members.values()].flat();
  }

  /** Those of each connection. */
  byConnection(): Iterable<readonly Subscription[]> {
    return this.#members.values();
  }
}
