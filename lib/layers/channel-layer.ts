/** Takes a message that was sent to a group, as the JSON text that was sent. */
export type GroupReceiver = (message: string) => void;

/**
 * The bus between connections: messages to named groups.
 *
 * An implementation MUST
 * - deliver a message to every receiver that had joined the group before it was sent, once each;
 * - deliver the messages of one sender to one group in the order in which they were sent;
 * - deliver the text as it was sent, to the sender's own receivers as well;
 * - count receivers: the same one joined twice is one, and `leave` of one that has not joined does nothing;
 * - let `join` and `leave` take effect in the order in which they are called.
 *
 * It SHOULD deliver within milliseconds, and it MUST NOT call a receiver before `send` has returned.
 */
export interface ChannelLayer {
  join(group: string, receiver: GroupReceiver): Promise<void>;
  leave(group: string, receiver: GroupReceiver): Promise<void>;
  send(group: string, message: string): Promise<void>;
  /** Releases what the layer holds. */
  close(): Promise<void>;
}
