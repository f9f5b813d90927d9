import type { ChannelLayer } from '../layers/channel-layer.js';
import { failure, formatEnvelope } from '../protocol/envelope.js';
import { Throttled, toErrorReply } from '../protocol/errors.js';
import { Group } from './group.js';
import { reportError } from './open-layers.js';
import { fromMessage } from './other-processes.js';
import type { RequestId, Subscription } from './subscription.js';

/** Subscriptions that one connection may have with one observer. */
const MAX_SUBSCRIPTIONS = 1_000;

/** What the subscriptions of one connection in one group get of an event; they are those that may have it. */
export type Deliver = (subscriptions: readonly Subscription[]) => undefined | Promise<void>;

/** How an event is prepared again, for those who have seen what was read later than it. */
export interface Renewal {
  /** The moment from which on it was read at first. */
  readonly readAt: number;
  /** Prepares what is read no earlier than at a moment. */
  readonly prepare: (from: number) => Promise<Renewed>;
}

/** An event that was prepared again, and when it was read. */
export interface Renewed {
  readonly deliver: Deliver | undefined;
  readonly from: number;
  readonly until: number;
}

/** An event as it is told in a group. */
export interface Told {
  readonly moment: number;
  readonly deliver: Deliver;
  readonly renew: Renewal | undefined;
}

/** What an audience is called on the bus. */
export interface BusNames {
  readonly group: (group: string) => string;
  /** Where other processes say that events may have been lost. */
  readonly alarm: string;
}

/** The subscriptions of one observer on one bus. */
export class Audience {
  readonly #layer: ChannelLayer;
  readonly #names: BusNames;
  readonly #receive: (group: string, message: string) => void;
  readonly #groups = new Map<string, Group>();
  readonly #connections = new Map<AbortSignal, Map<Subscription, string>>();
  /** Settles when alarms of other processes arrive; undefined as long as nobody is there. */
  #alarmed: Promise<void> | undefined;

  /** @param receive - takes messages of other processes to a group that has subscriptions */
  constructor(layer: ChannelLayer, names: BusNames, receive: (group: string, message: string) => void) {
    this.#layer = layer;
    this.#names = names;
    this.#receive = receive;
  }

  get isEmpty(): boolean {
    return this.#groups.size === 0;
  }

  /**
   * A subscription that is there already stays as it is.
   *
   * @returns the one that is there from now on
   * @throws {@link Throttled} if the connection has too many
   */
  async add(name: string, added: Subscription): Promise<Subscription> {
    const { signal } = added.subscriber;
    if (signal.aborted) return added;
    const present = this.#groups.get(name)?.find(signal, added.requestId) ?? added;
    if (present === added) this.#enter(name, added);
    try {
      await this.#groups.get(name)?.joined;
    } catch (error) {
      await this.#drop(name, added);
      throw error;
    }
    return present;
  }

  #enter(name: string, added: Subscription): void {
    const own = this.#subscriptionsOf(added.subscriber.signal);
    if (own.size >= MAX_SUBSCRIPTIONS) throw new Throttled(undefined, 'There are too many subscriptions.');
    own.set(added, name);
    const known = this.#groups.get(name);
    if (known !== undefined) known.add(added);
    else {
      const created = new Group((message) => {
        this.#receive(name, message);
      });
      created.add(added);
      this.#groups.set(name, created);
      if (this.#layer.shared) created.joined = this.#join(name, created);
    }
  }

  async #join(name: string, { receiver }: Group): Promise<void> {
    this.#alarmed ??= this.#layer.join(this.#names.alarm, this.#hearAlarm);
    await Promise.all([this.#alarmed, this.#layer.join(this.#names.group(name), receiver)]);
  }

  readonly #hearAlarm = (text: string): void => {
    if (fromMessage(text)?.['resync'] === true) this.resync();
  };

  /** Ends the subscription of that request_id, or all of the connection in the group for null. */
  async remove(group: string, signal: AbortSignal, requestId: RequestId): Promise<void> {
    for (const one of this.#groups.get(group)?.of(signal) ?? [])
      if (requestId === null || one.requestId === requestId) await this.#drop(group, one);
  }

  /** Ends one subscription. */
  async end(group: string, ended: Subscription): Promise<void> {
    await this.#drop(group, ended);
  }

  has(group: string): boolean {
    return this.#groups.has(group);
  }

  /** Hands an event to each connection of a group, in turn with its frames: to those of its subscriptions that may have it by then. */
  deliver(group: string, told: Told): void {
    const known = this.#groups.get(group);
    if (known === undefined) return;
    for (const own of known.byConnection()) own[0]?.subscriber.enqueue(() => this.#deliverTo(own, told));
  }

  /** Tells everybody that events may have been lost: once for each request_id, however many groups it stands for. */
  resync(groups: Iterable<string> = this.#groups.keys()): void {
    const told = new Map<AbortSignal, Set<RequestId>>();
    for (const group of groups) {
      for (const one of this.#groups.get(group)?.all() ?? []) {
        const ids = told.get(one.subscriber.signal) ?? new Set();
        if (ids.has(one.requestId)) continue;
        told.set(one.subscriber.signal, ids.add(one.requestId));
        one.resync();
      }
    }
  }

  #deliverTo(own: readonly Subscription[], told: Told): undefined | Promise<void> {
    const present = own.filter(({ isOver, since }) => !isOver && since < told.moment);
    if (present.length === 0) return undefined;
    const verdicts = present.map((one) => one.subscriber.permit());
    if (verdicts.every((verdict) => verdict === true)) return hand(present, told);
    return this.#deliverAllowed(present, verdicts, told);
  }

  async #deliverAllowed(
    present: readonly Subscription[],
    verdicts: readonly (true | Promise<void>)[],
    told: Told,
  ): Promise<void> {
    const settled = await Promise.allSettled(verdicts.map((verdict) => Promise.resolve(verdict)));
    for (const [index, one] of present.entries()) {
      const verdict = settled[index];
      if (verdict?.status === 'rejected' && !one.isOver) await this.#refuse(one, verdict.reason);
    }
    const allowed = present.filter(({ isOver }) => !isOver);
    if (allowed.length > 0) await hand(allowed, told);
  }

  /** What its permissions do not allow any more ends, in all of its groups, and is told so. */
  async #refuse(refused: Subscription, reason: unknown): Promise<void> {
    const { requestId, subscriber } = refused;
    const { action, signal, send, onError } = subscriber;
    const { status, errors, unexpected } = toErrorReply(reason);
    if (unexpected) onError(reason);
    for (const [one, group] of [...this.#subscriptionsOf(signal)])
      if (one.requestId === requestId && one.subscriber.action === action) await this.#drop(group, one);
    send(formatEnvelope(action, requestId, failure(errors, status)));
  }

  #subscriptionsOf(signal: AbortSignal): Map<Subscription, string> {
    const known = this.#connections.get(signal);
    if (known !== undefined) return known;
    const own = new Map<Subscription, string>();
    this.#connections.set(signal, own);
    signal.addEventListener(
      'abort',
      () => {
        this.#connections.delete(signal);
        for (const [one, group] of own) this.#drop(group, one).catch(reportError);
      },
      { once: true },
    );
    return own;
  }

  async #drop(name: string, dropped: Subscription): Promise<void> {
    dropped.isOver = true;
    this.#connections.get(dropped.subscriber.signal)?.delete(dropped);
    const group = this.#groups.get(name);
    if (group === undefined || !group.delete(dropped) || !group.isEmpty) return;
    this.#groups.delete(name);
    if (!this.#layer.shared) return;
    const left = [this.#layer.leave(this.#names.group(name), group.receiver)];
    if (this.#groups.size === 0) {
      this.#alarmed = undefined;
      left.push(this.#layer.leave(this.#names.alarm, this.#hearAlarm));
    }
    await Promise.all(left);
  }
}

/** Gives an event to subscriptions; those that have seen what was read later get what is read again. */
function hand(present: readonly Subscription[], { deliver, renew }: Told): undefined | Promise<void> {
  if (renew === undefined) return guarded(present, deliver);
  const ahead = present.filter(({ seenAt }) => seenAt >= renew.readAt);
  return ahead.length === 0 ? guarded(present, deliver) : handAnew(present, ahead, deliver, renew);
}

async function handAnew(
  present: readonly Subscription[],
  ahead: readonly Subscription[],
  deliver: Deliver,
  renew: Renewal,
): Promise<void> {
  const others = present.filter((one) => !ahead.includes(one));
  if (others.length > 0) await guarded(others, deliver);
  await guarded(ahead, async () => {
    const { deliver: deliverRenewed, from, until } = await renew.prepare(Math.max(...ahead.map(({ seenFrom }) => seenFrom)));
    for (const one of ahead) Object.assign(one, { seenFrom: from, seenAt: until });
    await deliverRenewed?.(ahead.filter(({ isOver }) => !isOver));
  });
}

/** What goes wrong on the way to a connection concerns it alone, and is not silent. */
function guarded(subscriptions: readonly Subscription[], deliver: Deliver): undefined | Promise<void> {
  const fail = (error: unknown): void => {
    subscriptions[0]?.subscriber.onError(error);
    for (const one of subscriptions) one.lost();
  };
  try {
    return deliver(subscriptions)?.catch(fail);
  } catch (error) {
    fail(error);
    return undefined;
  }
}
