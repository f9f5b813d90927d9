/** How many beats in a row may be missed. */
const MISSED_BEATS = 3;
/** More processes than anybody has: what claims to be another is a forgery. */
const MAX_PEERS = 10_000;

interface Peer {
  readonly everyMs: number;
  silentMs: number;
}

/**
 * The other processes on the bus, by their beats.
 *
 * There is no clock: time passes by our own beats, when they have come back. So a bus that is slow or away, and an event loop that was
 * blocked, make nobody seem dead: our own beats are as late as theirs.
 */
export class Presence {
  readonly #peers = new Map<string, Peer>();
  readonly #everyMs: number;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** A sign of life of another process. @returns false if there can't be that many */
  heard(id: string, everyMs: number): boolean {
    if (this.#peers.size >= MAX_PEERS && !this.#peers.has(id)) return false;
    this.#peers.set(id, { everyMs, silentMs: 0 });
    return true;
  }

  /** One of our beats has come back. @returns how many peers have vanished */
  ownBeat(): number {
    let vanished = 0;
    for (const [id, peer] of this.#peers) {
      peer.silentMs += this.#everyMs;
      if (peer.silentMs <= MISSED_BEATS * Math.max(peer.everyMs, this.#everyMs)) continue;
      this.#peers.delete(id);
      vanished += 1;
    }
    return vanished;
  }

  /** The peer has ended in good order. */
  bye(id: string): void {
    this.#peers.delete(id);
  }

  /** We did not hear them for some time. They stay known: one may have died meanwhile. */
  restart(): void {
    for (const peer of this.#peers.values()) peer.silentMs = 0;
  }
}
