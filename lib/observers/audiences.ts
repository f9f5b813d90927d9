import type { ChannelLayer } from '../layers/channel-layer.js';
import { Audience, type Deliver } from './audience.js';
import { reportError, tellOthers } from './open-layers.js';
import { tick } from './subscription.js';

/** What one group is told; `prepare` is called if somebody is there to be told, and says undefined if there is nothing to tell. */
export interface Telling {
  readonly group: string;
  readonly prepare: () => Promise<Deliver | undefined>;
}

/** The subscriptions of one observer on every bus. */
export class Audiences {
  readonly #name: string;
  readonly #receive: (group: string, message: string) => void;
  readonly #byLayer = new Map<ChannelLayer, Audience>();
  /** Events are delivered in the order in which they were heard of. */
  #delivered: Promise<void> = Promise.resolve();

  /**
   * @param name - of the observer, the same in all processes
   * @param receive - takes the messages of other processes
   */
  constructor(name: string, receive: (group: string, message: string) => void) {
    this.#name = name;
    this.#receive = receive;
  }

  of(layer: ChannelLayer): Audience {
    const known = this.#byLayer.get(layer);
    if (known !== undefined) return known;
    const created = new Audience(layer, (group) => this.#busName(group), this.#receive);
    this.#byLayer.set(layer, created);
    return created;
  }

  get isEmpty(): boolean {
    for (const audience of this.#byLayer.values()) if (!audience.isEmpty) return false;
    return true;
  }

  /** Tells groups here. What can't be prepared is not lost in silence: its group is told to read again. */
  tell(tellings: readonly Telling[]): void {
    const moment = tick();
    const told = tellings.flatMap(({ group, prepare }) => {
      const audiences = [...this.#byLayer.values()].filter((audience) => audience.has(group));
      if (audiences.length === 0) return [];
      for (const audience of audiences) audience.note(group, moment);
      return [{ group, audiences, prepared: settle(prepare()) }];
    });
    if (told.length === 0) return;
    this.#delivered = this.#delivered.then(async () => {
      for (const { group, audiences, prepared } of told) {
        const { deliver, failure } = await prepared;
        if (failure !== undefined) reportError(failure.reason);
        for (const audience of audiences) {
          if (failure !== undefined) audience.resync([group]);
          else if (deliver !== undefined) audience.deliver(group, moment, deliver);
        }
      }
    });
  }

  /** Tells a group in all other processes. */
  tellOthers(group: string, message: string): void {
    tellOthers(this.#busName(group), message);
  }

  /** Messages may have been lost on a bus, or on all. */
  resync(layer?: ChannelLayer): void {
    if (layer !== undefined) this.#byLayer.get(layer)?.resync();
    else for (const audience of this.#byLayer.values()) audience.resync();
  }

  clear(): void {
    this.#byLayer.clear();
  }

  /** Parts of a name are told apart by their lengths, so that two groups never share one. */
  #busName(group: string): string {
    return `observer:${String(this.#name.length)}:${this.#name}:${group}`;
  }
}

interface Settled {
  readonly deliver?: Deliver | undefined;
  readonly failure?: { readonly reason: unknown };
}

function settle(prepared: Promise<Deliver | undefined>): Promise<Settled> {
  return prepared.then(
    (deliver) => ({ deliver }),
    (reason: unknown) => ({ failure: { reason } }),
  );
}
