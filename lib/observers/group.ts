import type { Subscriber } from './subscriber.js';
import type { RequestId, Subscription } from './subscription.js';

/** The subscriptions of one group, by connection and request_id. */
export class Group {
  readonly #members = new Map<AbortSignal, Map<RequestId, Subscription>>();
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
    const own = this.#members.get(signal);
    if (own === undefined) this.#members.set(signal, new Map([[added.requestId, added]]));
    else own.set(added.requestId, added);
  }

  /** @returns whether it was there */
  delete(deleted: Subscription): boolean {
    const { signal } = deleted.subscriber;
    const own = this.#members.get(signal);
    if (own?.get(deleted.requestId) !== deleted) return false;
    own.delete(deleted.requestId);
    if (own.size === 0) this.#members.delete(signal);
    return true;
  }

  find(signal: AbortSignal, requestId: RequestId): Subscription | undefined {
    return this.#members.get(signal)?.get(requestId);
  }

  of(signal: AbortSignal): Subscription[] {
    return [...(this.#members.get(signal)?.values() ?? [])];
  }

  all(): Subscription[] {
    return [...this.#members.values()].flatMap((own) => [...own.values()]);
  }

  /** One for each connection. */
  subscribers(): Subscriber[] {
    return [...this.#members.values()].flatMap((own) => [...own.values()].slice(0, 1).map(({ subscriber }) => subscriber));
  }
}
