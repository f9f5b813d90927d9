import type { ErrorDetails } from '../consumers/consumer.js';
import { got } from '../protocol/options.js';
import type { ChannelsOptions } from './channels-options.js';

type OnError = NonNullable<ChannelsOptions['onError']>;

/** What hears of unexpected errors where the application has no handler for them. */
export function logError(error: unknown, { action, scope }: Partial<ErrorDetails>): void {
  if (action === undefined) console.error(error);
  // What a client has sent is shown as a value, so that it can't pass for a line of the log.
  else console.error('The action %s of %s has failed:', got(action), scope?.path, error);
}

/** An error handler that fails must not take the process with it. */
export function guarded(handler: OnError): OnError {
  return (error, details) => {
    try {
      handler(error, details);
    } catch (failure) {
      console.error(error);
      console.error(failure);
    }
  };
}
