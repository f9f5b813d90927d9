import type { ChannelLayer } from '../layers/channel-layer.js';
import { pause } from '../protocol/time.js';
import type { LoginSession, SessionStore } from './login-session.js';
import { type SessionListener, SessionWatch } from './session-watch.js';

/** The group of all processes. Its messages are keys of sessions, and nothing else. */
const GROUP = 'express-channels:ended-sessions';

/** Milliseconds before the group is joined again, when the bus was away. */
const RETRY_MS = 1_000;

/**
 * Ends of sessions: those of this process are told to all others on the bus, and theirs are heard. What may have been missed is looked up
 * in the store.
 */
export class Revocations {
  readonly #layer: ChannelLayer;
  readonly #onError: (error: unknown) => void;
  readonly #watches = new Map<SessionWatch, () => void>();
  readonly #closing = new AbortController();
  readonly #offGap: () => void;

  constructor(layer: ChannelLayer, onError: (error: unknown) => void) {
    this.#layer = layer;
    this.#onError = onError;
    this.#offGap = layer.onGap(() => {
      this.#doubt();
    });
  }

  /** The listener hears of a session's end, in whichever process. Returns the function that stops it. */
  listen({ store, id }: LoginSession, listener: SessionListener): () => void {
    this.watch(store);
    return SessionWatch.of(store).listen(id, listener);
  }

  /** From now on other processes hear of all sessions that are destroyed in this store, by this process. */
  watch(store: SessionStore): void {
    if (!this.#layer.shared || this.#closing.signal.aborted) return;
    const watch = SessionWatch.of(store);
    if (this.#watches.has(watch)) return;
    if (this.#watches.size === 0) void this.#join();
    this.#watches.set(watch, watch.follow(this.#tell));
  }

  /** Tells and hears nothing any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#offGap();
    for (const stop of this.#watches.values()) stop();
    this.#watches.clear();
    await this.#layer.leave(GROUP, this.#hear);
  }

  async #join(): Promise<void> {
    for (;;) {
      try {
        await this.#layer.join(GROUP, this.#hear);
        break;
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        this.#onError(error);
        await pause(RETRY_MS, this.#closing.signal);
      }
    }
    // What was told before did not reach us.
    this.#doubt();
  }

  /** That it may be lost is told by the bus, as a gap. */
  readonly #tell = (key: string): void => {
    this.#layer.send(GROUP, key).catch(this.#onError);
  };

  readonly #hear = (key: string): void => {
    for (const watch of this.#watches.keys()) watch.end(key);
  };

  #doubt(): void {
    for (const watch of this.#watches.keys()) watch.doubt();
  }
}
