import { formatEnvelope, type Outcome, success } from '../protocol/envelope.js';
import type { Audience } from './audience.js';
import type { Audiences } from './audiences.js';
import type { ConsumerContext } from './consumer-context.js';
import { SUBSCRIBER, type Subscriber } from './subscriber.js';
import { now, type ReadRow, type RequestId, subscription, type Subscription, toRequestId } from './subscription.js';

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
}

/** What a subscription is besides a request_id. */
export interface SubscriptionParts {
  readonly readRow?: ReadRow | undefined;
  /** Reads the state that it begins with. */
  readonly state?: (() => Promise<State>) | undefined;
}

/** Reads of a state that changes meanwhile, before it is sent as it is. */
const MAX_READS = 10;

/** The subscriptions to one source of events. */
export class Subscriptions {
  readonly #audiences: Audiences;

  constructor(audiences: Audiences) {
    this.#audiences = audiences;
  }

  async subscribe(
    ctx: ConsumerContext,
    groups: readonly string[],
    options: SubscribeOptions,
    { readRow, state }: SubscriptionParts = {},
  ): Promise<void> {
    const subscriber = ctx[SUBSCRIBER];
    const requestId = requestIdOf(ctx, options);
    const audience = this.#audiences.of(subscriber.layer);
    const added: [string, Subscription][] = [];
    for (const group of groups) {
      const one = subscription(subscriber, requestId, readRow);
      await audience.add(group, one);
      // One that was there already stays, and begins anew with the state.
      added.push([group, audience.find(group, subscriber.signal, requestId) ?? one]);
    }
    if (state !== undefined) sendState(audience, added, state, subscriber, requestId);
  }

  async unsubscribe(ctx: ConsumerContext, groups: readonly string[], options: SubscribeOptions): Promise<void> {
    const { signal, layer } = ctx[SUBSCRIBER];
    const requestId = requestIdOf(ctx, options);
    for (const group of groups) await this.#audiences.of(layer).remove(group, signal, requestId);
  }
}

/**
 * Behind the answer of the action, before any event of the subscription: it waits in one queue with both. The state is read again if
 * an event was heard of meanwhile, so that it is as new as all that were; those are not sent any more.
 */
function sendState(
  audience: Audience,
  added: readonly (readonly [group: string, Subscription])[],
  state: () => Promise<State>,
  { enqueue, send, onError }: Subscriber,
  requestId: RequestId,
): void {
  enqueue(async () => {
    try {
      let start = now();
      let { action, outcome } = await state();
      for (let reads = 1; reads < MAX_READS && added.some(([group]) => audience.lastEvent(group) > start); reads += 1) {
        start = now();
        ({ action, outcome } = await state());
      }
      for (const [, one] of added) one.since = Math.max(one.since, start);
      send(formatEnvelope(action, requestId, outcome));
    } catch (error) {
      onError(error);
      send(formatEnvelope('resync', requestId, success(null, 200)));
    }
  });
}

/** The id that a subscription goes by. @throws ValidationError for a list or an object */
export function requestIdOf(ctx: ConsumerContext, { requestId }: SubscribeOptions): RequestId {
  if (requestId !== undefined) return toRequestId(requestId);
  return toRequestId('requestId' in ctx ? ctx.requestId : null);
}
