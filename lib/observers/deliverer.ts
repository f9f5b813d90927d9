import { formatEvent, success } from '../protocol/envelope.js';
import type { Deliver } from './audience.js';
import type { ConsumerContext } from './consumer-context.js';

/** What a function of the application is told of an event besides what the event is. */
interface ForConnection {
  readonly body: unknown;
  readonly requestIds: (string | number | boolean)[];
}

/**
 * Sends an event as an envelope for each request_id, or by a function of the application.
 *
 * @param text - the data as JSON; it is printed once for all connections
 */
export function deliverer(
  action: string,
  text: string,
  deliver: ((ctx: ConsumerContext, event: ForConnection) => unknown) | undefined,
): Deliver {
  if (deliver === undefined) {
    const frameFor = formatEvent(action, { ...success(null, 200), data: text });
    return (subscriptions) => {
      for (const one of subscriptions) if (one.requestId !== null) one.send(frameFor);
      return undefined;
    };
  }
  return async (subscriptions) => {
    const [one] = subscriptions;
    if (one === undefined) return;
    const requestIds = subscriptions.map(({ requestId }) => requestId).filter((id) => id !== null);
    try {
      // Each connection gets a body of its own: a function may change it.
      await deliver(one.subscriber.context, { body: JSON.parse(text) as unknown, requestIds });
    } catch (error) {
      one.subscriber.onError(error);
    }
  };
}
