import type { Scope } from '../auth/scope.js';
import type { ErrorDetail } from '../protocol/errors.js';
import type { SUBSCRIBER, Subscriber } from './subscriber.js';

/** How {@link ActionContext.reply} differs from the action's own answer. */
export interface ReplyOptions {
  /** @default 200 */
  readonly status?: number;
  /** @default [] */
  readonly errors?: readonly ErrorDetail[];
  /** @default the action that is running */
  readonly action?: string | null;
  /** @default the request_id of the frame that is answered */
  readonly requestId?: unknown;
}

/** What a handler of group messages, of connect and of disconnect is given. */
export interface ConsumerContext<State = unknown> {
  readonly scope: Scope;
  /** What the consumer's `state` has made for this connection. */
  readonly state: State;
  /** Aborted when the connection goes. */
  readonly signal: AbortSignal;
  /** Sends a frame of your own: a value as JSON, or bytes as they are. */
  send(frame: unknown): void;
  /** Sends an envelope. */
  reply(data: unknown, options?: ReplyOptions): void;
  /** Resolves when the network has taken what was sent: wait for it between many frames, so that they don't pile up in memory. */
  drained(): Promise<void>;
  /** Closes the connection, or the stream alone; nothing is sent after it. @param code - default 1000 */
  close(code?: number): void;
  /** From now on this connection gets the messages of a group. */
  join(group: string): Promise<void>;
  leave(group: string): Promise<void>;
  /** @internal What observers do with the connection. */
  readonly [SUBSCRIBER]: Subscriber;
}

/** What an action is given. */
export interface ActionContext<State = unknown> extends ConsumerContext<State> {
  readonly action: string;
  readonly requestId: unknown;
}
