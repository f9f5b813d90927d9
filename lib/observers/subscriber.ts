import type { ChannelLayer } from '../layers/channel-layer.js';
import type { ConsumerContext } from './consumer-context.js';

/** Under which key contexts hold what observers need of their connection. */
export const SUBSCRIBER = Symbol('subscriber');

/** What observers do with a connection, or with the stream of one, on behalf of the action that subscribes. */
export interface Subscriber {
  /** The action that subscribes; null for the connection itself. */
  readonly action: string | null;
  /** The same for all actions of the connection or stream; aborted when it goes. */
  readonly signal: AbortSignal;
  readonly layer: ChannelLayer;
  /** What is delivered by a function of the application is delivered with it. */
  readonly context: ConsumerContext;
  /** Does a piece of work in turn with the frames. It must not reject. */
  readonly enqueue: (task: () => undefined | Promise<void>) => void;
  readonly send: (frame: string) => void;
  /** Asks the permissions whether the action would be allowed now. @throws what refuses it */
  readonly permit: () => true | Promise<void>;
  readonly onError: (error: unknown) => void;
}
