import type { SessionStore } from './login-session.js';

type Listener = () => void;

/** Who waits for the end of which session, for each store that is watched. */
const watched = new WeakMap<SessionStore, SessionWatch>();

/**
 * Tells when a session is destroyed in this process, by a logout over HTTP for instance. Stores announce nothing, so `destroy` of the
 * one store instance is wrapped (which `regenerate` calls as well) while somebody listens.
 */
class SessionWatch {
  readonly #store: SessionStore;
  readonly #listeners = new Map<string, Set<Listener>>();
  #unwrap: (() => boolean) | undefined;

  constructor(store: SessionStore) {
    this.#store = store;
  }

  add(id: string, listener: Listener): () => void {
    this.#unwrap ??= this.#wrap();
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(id) === listeners) this.#listeners.delete(id);
      if (this.#listeners.size === 0 && this.#unwrap?.() === true) this.#unwrap = undefined;
    };
  }

  /** Returns the function that takes the wrapper off again, if it can. */
  #wrap(): () => boolean {
    const store = this.#store;
    const own = Object.getOwnPropertyDescriptor(store, 'destroy');
    const destroy = store.destroy.bind(store);
    const wrapped: SessionStore['destroy'] = (id, done) => {
      destroy(id, (error) => {
        done?.(error);
        // After the callback: `regenerate` gives the request its new session there, which tells its own socket from the others.
        if (error === undefined || error === null) this.#notify(id);
      });
    };
    store.destroy = wrapped;
    return () => {
      // Somebody else has wrapped it since: then ours stays below theirs, for those who listen next.
      if (store.destroy !== wrapped) return false;
      if (own === undefined) Reflect.deleteProperty(store, 'destroy');
      else Object.defineProperty(store, 'destroy', own);
      return true;
    };
  }

  #notify(id: string): void {
    for (const listener of [...(this.#listeners.get(id) ?? [])]) listener();
  }
}

/** Calls the listener when the session is destroyed. Returns the function that stops watching. */
export function watchSession(store: SessionStore, id: string, listener: Listener): () => void {
  let watch = watched.get(store);
  if (watch === undefined) {
    watch = new SessionWatch(store);
    watched.set(store, watch);
  }
  return watch.add(id, listener);
}
