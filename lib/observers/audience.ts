import type { ChannelLayer } from '../layers/channel-layer.js';
import { failure, formatEnvelope, success } from '../protocol/envelope.js';
import { Throttled, toErrorReply } from '../protocol/errors.js';
import type { Subscriber } from './subscriber.js';
import type { RequestId, Subscription } from './subscription.js';

/** Subscriptions that one connection may have with one observer. */
const MAX_SUBSCRIPTIONS = 1_000;

/** What the subscriptions of one connection in one group get of an event; they are those that may have it. It must not reject. */
export type Deliver = (subscriptions: readonly Subscription[]) => undefined | Promise<void>;

/** The subscriptions of one observer on one bus. */
export class Audience {
  readonly #layer: ChannelLayer;
  readonly #receive: (group: string, message: string) => void;
  readonly #nameOf: (group: string) => string;
  readonly #groups = new Map<string, Group>();
  readonly #connections = new Map<AbortSignal, Map<Subscription, string>>();

  /**
   * @param nameOf - what a group is called on the bus
   * @param receive - takes messages of other processes to a group that has subscriptions
   */
  constructor(layer: ChannelLayer, nameOf: (group: string) => string, receive: (group: string, message: string) => void) {
    this.#layer = layer;
    this.#nameOf = nameOf;
    this.#receive = receive;
  }

  get isEmpty(): boolean {
    return this.#groups.size === 0;
  }

  /** A subscription that is there already stays as it is. @throws {@link Throttled} if the connection has too many */
  async add(group: string, added: Subscription): Promise<void> {
    const { signal } = added.subscriber;
    if (signal.aborted || this.#groups.get(group)?.find(signal, added.requestId) !== undefined) return;
    const own = this.#subscriptionsOf(signal);
    if (own.size >= MAX_SUBSCRIPTIONS) throw new Throttled(undefined, 'There are too many subscriptions.');
    own.set(added, group);
    const known = this.#groups.get(group);
    if (known !== undefined) {
      known.add(added);
      await known.joined;
      return;
    }
    const created = new Group((message) => {
      this.#receive(group, message);
    });
    this.#groups.set(group, created);
    created.add(added);
    created.joined = this.#layer.shared ? this.#layer.join(this.#nameOf(group), created.receiver) : Promise.resolve();
    try {
      await created.joined;
    } catch (error) {
      await this.#drop(group, added);
      throw error;
    }
  }

  /** Ends the subscription of that request_id, or all of the connection in the group for null. */
  async remove(group: string, signal: AbortSignal, requestId: RequestId): Promise<void> {
    for (const one of this.#groups.get(group)?.of(signal) ?? [])
      if (requestId === null || one.requestId === requestId) await this.#drop(group, one);
  }

  /** Ends one subscription. */
  async end(group: string, ended: Subscription): Promise<void> {
    await this.#drop(group, ended);
  }

  find(group: string, signal: AbortSignal, requestId: RequestId): Subscription | undefined {
    return this.#groups.get(group)?.find(signal, requestId);
  }

  has(group: string): boolean {
    return this.#groups.has(group);
  }

  /** The moment of the last event in a group, as long as it has subscriptions. */
  lastEvent(group: string): number {
    return this.#groups.get(group)?.lastEvent ?? 0;
  }

  note(group: string, moment: number): void {
    const known = this.#groups.get(group);
    if (known !== undefined) known.lastEvent = moment;
  }

  /** Hands an event to each connection of a group, in turn with its frames: to those of its subscriptions that may have it by then. */
  deliver(group: string, moment: number, deliver: Deliver): void {
    for (const { signal, enqueue } of this.#groups.get(group)?.subscribers() ?? []) {
      enqueue(() => this.#deliverTo(group, signal, moment, deliver));
    }
  }

  /** Tells every subscription that events may have been lost. */
  resync(groups: Iterable<string> = this.#groups.keys()): void {
    for (const group of groups) {
      for (const one of this.#groups.get(group)?.all() ?? []) {
        one.subscriber.enqueue(() => {
          if (this.find(group, one.subscriber.signal, one.requestId) !== one) return undefined;
          one.subscriber.send(formatEnvelope('resync', one.requestId, success(null, 200)));
          return undefined;
        });
      }
    }
  }

  #deliverTo(group: string, signal: AbortSignal, moment: number, deliver: Deliver): undefined | Promise<void> {
    const present = (this.#groups.get(group)?.of(signal) ?? []).filter(({ since }) => since < moment);
    if (present.length === 0) return undefined;
    const verdicts = present.map((one) => one.subscriber.permit());
    if (verdicts.every((verdict) => verdict === true)) return deliver(present);
    return this.#deliverAllowed(group, present, verdicts, deliver);
  }

  async #deliverAllowed(
    group: string,
    present: readonly Subscription[],
    verdicts: readonly (true | Promise<void>)[],
    deliver: Deliver,
  ): Promise<void> {
    const settled = await Promise.allSettled(verdicts.map((verdict) => Promise.resolve(verdict)));
    const allowed: Subscription[] = [];
    for (const [index, one] of present.entries()) {
      const verdict = settled[index];
      if (verdict?.status === 'fulfilled') allowed.push(one);
      else await this.#refuse(group, one, verdict?.reason);
    }
    if (allowed.length > 0) await deliver(allowed);
  }

  /** What its permissions do not allow any more ends, and is told so. */
  async #refuse(group: string, refused: Subscription, reason: unknown): Promise<void> {
    const { action, send, onError } = refused.subscriber;
    const { status, errors, unexpected } = toErrorReply(reason);
    if (unexpected) onError(reason);
    await this.#drop(group, refused);
    send(formatEnvelope(action, refused.requestId, failure(errors, status)));
  }

  #subscriptionsOf(signal: AbortSignal): Map<Subscription, string> {
    const known = this.#connections.get(signal);
    if (known !== undefined) return known;
    const own = new Map<Subscription, string>();
    this.#connections.set(signal, own);
    signal.addEventListener(
      'abort',
      () => {
        for (const [one, group] of own) void this.#drop(group, one);
      },
      { once: true },
    );
    return own;
  }

  async #drop(name: string, dropped: Subscription): Promise<void> {
    const { signal } = dropped.subscriber;
    const own = this.#connections.get(signal);
    own?.delete(dropped);
    if (own?.size === 0 && signal.aborted) this.#connections.delete(signal);
    const group = this.#groups.get(name);
    if (group === undefined) return;
    group.delete(dropped);
    if (!group.isEmpty) return;
    this.#groups.delete(name);
    if (this.#layer.shared) await this.#layer.leave(this.#nameOf(name), group.receiver);
  }
}

/** The subscriptions of one group, by connection and request_id. */
class Group {
  readonly #members = new Map<AbortSignal, Map<RequestId, Subscription>>();
  readonly receiver: (message: string) => void;
  /** Settles when messages of other processes arrive. */
  joined: Promise<void> = Promise.resolve();
  lastEvent = 0;

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

  delete({ subscriber: { signal }, requestId }: Subscription): void {
    const own = this.#members.get(signal);
    own?.delete(requestId);
    if (own?.size === 0) this.#members.delete(signal);
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
