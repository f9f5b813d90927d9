import type { Scope } from '../auth/scope.js';
import type { ErrorDetail } from '../protocol/errors.js';
import type { SUBSCRIBER, Subscriber } from './subscriber.js';

/** How an envelope of `ctx.reply()` differs from the action's own answer. */
export interface ReplyOptions {
  /** Status of the envelope, as in HTTP. @default 200 */
  readonly status?: number;
  /** What is wrong. @default [] */
  readonly errors?: readonly ErrorDetail[];
  /** The name that the envelope bears. @default the action that is running */
  readonly action?: string | null;
  /** The client's id. @default the request_id of the frame that is answered */
  readonly requestId?: unknown;
}

/** What a handler of group messages, of connect and of disconnect is given. */
export interface ConsumerContext<State = unknown> {
  /** Who is connected, and how. */
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
  /** From now on it gets them no more. */
  leave(group: string): Promise<void>;
  /** @internal What observers do with the connection. */
  readonly [SUBSCRIBER]: Subscriber;
}

/** What an action is given. */
export interface ActionContext<State = unknown> extends ConsumerContext<State> {
  /** The name by which the client called it. */
  readonly action: string;
  /** The client's id of the frame: any JSON value, null for none. */
  readonly requestId: unknown;
}
