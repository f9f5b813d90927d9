/** Limits of each socket. */
export interface Limits {
  /** Bytes of a frame above which the socket is closed with 1009. @default 65_536 (64 KiB) */
  readonly maxFrameBytes: number;
  /** Frames that wait for their turn; at this many, no more are read from the socket until half of them are answered. @default 64 */
  readonly maxQueuedFrames: number;
  /** Events and group messages that wait for a running action, or for a client that does not read; above, the socket is closed with 4008. @default 10_000 */
  readonly maxQueuedEvents: number;
  /** Bytes that wait to be sent, above which the socket is closed with 4008. @default 1_048_576 (1 MiB) */
  readonly maxQueuedBytes: number;
  /** Malformed frames in a row after which the socket is closed with 4400. @default 100 */
  readonly maxMalformedFrames: number;
}

/** Frames that a socket may send; above, it is closed with 4429. */
export interface RateLimit {
  /** Frames a second that it may send for ever. */
  readonly perSecond: number;
  /** Frames that it may send at once. @default twice `perSecond` */
  readonly burst?: number;
}

/** What holds for a limit that no option names. */
const DEFAULT_LIMITS: Limits = {
  maxFrameBytes: 64 * 1024,
  maxQueuedFrames: 64,
  maxQueuedEvents: 10_000,
  maxQueuedBytes: 1024 * 1024,
  maxMalformedFrames: 100,
};

/** The limits that are given, and the default for each that is not. */
export function limitsOf(given: Partial<Limits> = {}): Limits {
  const {
    maxFrameBytes = DEFAULT_LIMITS.maxFrameBytes,
    maxQueuedFrames = DEFAULT_LIMITS.maxQueuedFrames,
    maxQueuedEvents = DEFAULT_LIMITS.maxQueuedEvents,
    maxQueuedBytes = DEFAULT_LIMITS.maxQueuedBytes,
    maxMalformedFrames = DEFAULT_LIMITS.maxMalformedFrames,
  } = given;
  return { maxFrameBytes, maxQueuedFrames, maxQueuedEvents, maxQueuedBytes, maxMalformedFrames };
}

/** A token bucket: full at the start, filled at a steady rate, emptied by one token a frame. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt = performance.now();

  constructor({ perSecond, burst = 2 * perSecond }: RateLimit) {
    this.#perMs = perSecond / 1_000;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** Takes a token; false if there is none. */
  take(): boolean {
    const now = performance.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledAt) * this.#perMs);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
