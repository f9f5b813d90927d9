import { createHash } from 'node:crypto';

import type { SessionStore } from './login-session.js';

/** Who goes by a session, and has to know of its end. */
export interface SessionListener {
  /** The session was destroyed. */
  ended(): void;
  /** It may have been, and nobody could tell: look for yourself. */
  doubted(): void;
}

/** Hears of the end of any session, by its key. */
export type EndFollower = (key: string) => void;

const watched = new WeakMap<SessionStore, SessionWatch>();

/** Milliseconds over which all who doubt look into the store: it may have thousands of sessions to read. */
const DOUBT_MS = 1_000;

/**
 * Tells when a session is destroyed in this process, by a logout over HTTP for instance. Stores announce nothing, so `destroy` of the
 * one store instance is wrapped (which `regenerate` calls as well) while somebody listens.
 *
 * Sessions are known by the SHA-256 of their ids, so that they can be named to other processes: an id is as good as a password.
 */
export class SessionWatch {
  readonly #store: SessionStore;
  readonly #listeners = new Map<string, Set<SessionListener>>();
  readonly #followers = new Set<EndFollower>();
  readonly #doubting = new Set<SessionListener>();
  #unwrap: (() => boolean) | undefined;

  private constructor(store: SessionStore) {
    this.#store = store;
  }

  /** The one watch of a store. */
  static of(store: SessionStore): SessionWatch {
    const existing = watched.get(store);
    if (existing !== undefined) return existing;
    const watch = new SessionWatch(store);
    watched.set(store, watch);
    return watch;
  }

  /** The listener hears of one session. Returns the function that stops it. */
  listen(id: string, listener: SessionListener): () => void {
    const key = keyOf(id);
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    this.#begin();
    return () => {
      listeners.delete(listener);
      this.#doubting.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(key) === listeners) this.#listeners.delete(key);
      this.#stopIfUnused();
    };
  }

  /** The follower hears of all sessions that are destroyed in this process. Returns the function that stops it. */
  follow(follower: EndFollower): () => void {
    this.#followers.add(follower);
    this.#begin();
    return () => {
      this.#followers.delete(follower);
      this.#stopIfUnused();
    };
  }

  /** A session has ended, here or in another process. */
  end(key: string): void {
    for (const listener of [...(this.#listeners.get(key) ?? [])]) listener.ended();
  }

  /** Any session may have ended in another process. All who listen look, in the course of a moment and once however often they are told. */
  doubt(): void {
    for (const listeners of this.#listeners.values()) {
      for (const listener of listeners) {
        if (this.#doubting.has(listener)) continue;
        this.#doubting.add(listener);
        const look = (): void => {
          if (this.#doubting.delete(listener)) listener.doubted();
        };
        setTimeout(look, Math.random() * DOUBT_MS).unref();
      }
    }
  }

  #begin(): void {
    this.#unwrap ??= this.#wrap();
  }

  #stopIfUnused(): void {
    if (this.#listeners.size > 0 || this.#followers.size > 0) return;
    if (this.#unwrap?.() === true) this.#unwrap = undefined;
  }

  /** Returns the function that takes the wrapper off again, if it can. */
  #wrap(): () => boolean {
    const store = this.#store;
    const own = Object.getOwnPropertyDescriptor(store, 'destroy');
    const destroy = store.destroy.bind(store);
    // Some stores return a promise as well.
    const wrapped: SessionStore['destroy'] = (id, done) =>
      destroy(id, (error) => {
        done?.(error);
        // After the callback: `regenerate` gives the request its new session there, which tells its own socket from the others.
        if (error === undefined || error === null) this.#destroyed(keyOf(id));
      });
    store.destroy = wrapped;
    return () => {
      // Somebody else has wrapped it since: then ours stays below theirs, for those who listen next.
      if (store.destroy !== wrapped) return false;
      if (own === undefined) Reflect.deleteProperty(store, 'destroy');
      else Object.defineProperty(store, 'destroy', own);
      return true;
    };
  }

  #destroyed(key: string): void {
    this.end(key);
    for (const follower of this.#followers) follower(key);
  }
}

function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url');
}
