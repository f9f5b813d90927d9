/** Takes a message that was sent to a group, as the JSON text that was sent. */
export type GroupReceiver = (message: string) => void;

/**
 * The bus between connections: messages to named groups.
 *
 * An implementation MUST
 * - deliver a message to every receiver whose `join` had resolved before it was sent, once each, from whichever process it comes;
 * - deliver the messages of one sender to one group in the order in which they were sent;
 * - deliver the text as it was sent, to the sender's own receivers as well;
 * - count receivers: the same one joined twice is one, and `leave` of one that has not joined does nothing;
 * - let `join` and `leave` take effect in the order in which they are called;
 * - call the listeners of `onGap` when messages may have been lost, for whatever reason: loss is never silent;
 * - settle every promise within a bounded time; `send` rejects if the message may be lost for anybody.
 *
 * It SHOULD deliver within milliseconds, and it MUST NOT call a receiver before `send` has returned.
 */
export interface ChannelLayer {
  /** Whether other processes can be on the same bus. */
  readonly shared: boolean;
  /** MUST resolve no sooner than messages that are sent from now on, by any process, reach the receiver. If it rejects, nothing was joined. */
  join(group: string, receiver: GroupReceiver): Promise<void>;
  /** MUST NOT let anything reach the receiver once it was called, and MUST NOT reject: whoever leaves wants no news. */
  leave(group: string, receiver: GroupReceiver): Promise<void>;
  send(group: string, message: string): Promise<void>;
  /**
   * Calls the listener whenever messages may have been lost: what was received before, by anything that had joined, may not be trusted
   * to be complete. It MUST be called no sooner than receivers get messages again, so that a state read from then on is kept complete by
   * what comes after. It MAY be called without need. Returns what takes the listener off.
   */
  onGap(listener: () => void): () => void;
  /** Releases what the layer holds. MUST resolve however the bus is, and MAY be called again. */
  close(): Promise<void>;
}
