import { formatEvent, isObject, type Outcome } from '../protocol/envelope.js';
import { checkKeys, unexpected } from '../protocol/options.js';
import type { Audience } from './audience.js';
import type { Audiences } from './audiences.js';
import type { ConsumerContext } from './consumer-context.js';
import { SUBSCRIBER, type Subscriber } from './subscriber.js';
import { now, type ReadRow, type RequestId, Subscription, tick, toRequestId } from './subscription.js';

/** How a subscription differs from what its frame says. */
export interface SubscribeOptions {
  /** Under which id events come; null for none. @default the request_id of the frame */
  readonly requestId?: unknown;
  /** Whether the present state comes first, behind the answer of the action. @default false */
  readonly snapshot?: boolean;
}

/** The state that a subscription begins with, as its client is told. */
export interface State {
  readonly action: string;
  readonly outcome: Outcome;
  /** Whether there is something to be seen. */
  readonly isVisible: boolean;
}

/** What a subscription is besides a request_id. */
export interface SubscriptionParts {
  readonly readRow?: ReadRow | undefined;
  /** Reads the state that it begins with. */
  readonly state?: (() => Promise<State>) | undefined;
}

/** The subscriptions to one source of events. */
export class Subscriptions {
  readonly #audiences: Audiences;

  constructor(audiences: Audiences) {
    this.#audiences = audiences;
  }

  /** Subscribes to all of the groups, or, if that fails, to none. One that was there already stays, and begins anew with the state. */
  async subscribe(
    ctx: ConsumerContext,
    groups: readonly string[],
    options: SubscribeOptions,
    { readRow, state }: SubscriptionParts = {},
  ): Promise<void> {
    const subscriber = subscriberOf(ctx);
    const requestId = requestIdOf(ctx, options);
    const audience = this.#audiences.of(subscriber.layer);
    const inForce: Subscription[] = [];
    const added: [group: string, one: Subscription][] = [];
    try {
      for (const group of groups) {
        const one = new Subscription(subscriber, requestId, readRow);
        // Nothing comes before the state.
        if (state !== undefined) one.since = Infinity;
        const present = await audience.add(group, one);
        inForce.push(present);
        if (present === one) added.push([group, one]);
      }
    } catch (error) {
      for (const [group, one] of added) await audience.end(group, one);
      throw error;
    }
    if (state !== undefined) sendState(inForce, state, subscriber);
  }

  async unsubscribe(ctx: ConsumerContext, groups: readonly string[], options: SubscribeOptions): Promise<void> {
    const { signal, layer } = subscriberOf(ctx);
    const requestId = requestIdOf(ctx, options);
    const audience: Audience = this.#audiences.of(layer);
    for (const group of groups) await audience.remove(group, signal, requestId);
  }
}

/**
 * Behind the answer of the action, before any event of the subscription: it waits in one queue with both. Of what happens while the state
 * is read nobody knows whether the state has it; it is told with what is read again then.
 */
function sendState(inForce: readonly Subscription[], state: () => Promise<State>, { enqueue, onError }: Subscriber): void {
  enqueue(async () => {
    // The client may have unsubscribed before its turn has come.
    const present = inForce.filter(({ isOver }) => !isOver);
    const [first] = present;
    if (first === undefined) return;
    const start = now();
    try {
      const { action, outcome, isVisible } = await state();
      const seenAt = tick();
      for (const one of present) Object.assign(one, { since: start, seenFrom: seenAt, seenAt, isVisible });
      first.send(formatEvent(action, outcome));
    } catch (error) {
      for (const one of present) one.since = start;
      onError(error);
      first.lost();
    }
  });
}

/** The id that a subscription goes by. @throws ValidationError for a list or an object */
export function requestIdOf(ctx: ConsumerContext, options: SubscribeOptions): RequestId {
  checkKeys('subscribe() and unsubscribe()', options, ['requestId', 'snapshot']);
  const { requestId } = options;
  if (requestId !== undefined) return toRequestId(requestId);
  return toRequestId('requestId' in ctx ? ctx.requestId : null);
}

/** @throws TypeError for what is no context */
function subscriberOf(ctx: ConsumerContext): Subscriber {
  const given: unknown = ctx;
  if (isObject(given) && SUBSCRIBER in given) return ctx[SUBSCRIBER];
  throw unexpected('what subscribes', 'the `ctx` of an action', given);
}
