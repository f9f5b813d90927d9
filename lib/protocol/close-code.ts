/** Why the server closes a socket; each is a fault of the socket itself, never of one frame alone. */
export const CloseCode = {
  /** A frame above the size limit. */
  tooBig: 1009,
  /** The server restarts: connect again. */
  restart: 1012,
  /** The client does not read what it is sent, or events come faster than its actions end. */
  tooSlow: 4008,
  /** Malformed frames again and again. */
  malformed: 4400,
  /** The login has ended: logged out, expired, or no longer the same user. */
  loginEnded: 4401,
  /** No longer allowed to be connected. */
  refused: 4403,
  /** No sign of life from the client. */
  idle: 4408,
  /** Too many frames. */
  rate: 4429,
} as const;

/** One of the values of {@link CloseCode}. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];
