import type { ChannelLayer } from '../layers/channel-layer.js';
import { Audience, type Deliver, type Renewal, type Told } from './audience.js';
import { Line } from './line.js';
import { isShared, reportError, tellOthers } from './open-layers.js';
import { toMessage } from './other-processes.js';
import { tick } from './subscription.js';

/** What one group is told. */
export interface Telling {
  readonly group: string;
  /** Called if somebody is there to be told, and says undefined if there is nothing to tell. */
  readonly prepare: () => Promise<Deliver | undefined>;
  readonly renew?: Renewal | undefined;
}

/** A message to a group in all other processes. */
export type Message = readonly [group: string, content: Readonly<Record<string, unknown>>];

/** The subscriptions of one observer on every bus. */
export class Audiences {
  readonly #name: string;
  readonly #receive: (group: string, message: string) => void;
  readonly #byLayer = new Map<ChannelLayer, Audience>();
  /** Events are delivered in the order in which they were heard of, and told to others in it. */
  readonly #deliveries = new Line(() => {
    reportError(new Error(`Events of ${this.#name} wait for one that can't be shown: its \`serialize\` may hang.`));
    this.resync();
  });
  readonly #messages = new Line(() => {
    this.#alarmOthers();
  });

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
    const created = new Audience(layer, { group: (group) => this.#busName(group), alarm: this.#alarmName }, this.#receive);
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
    const prepared = tellings.flatMap(({ group, prepare, renew }) => {
      const audiences = [...this.#byLayer.values()].filter((audience) => audience.has(group));
      return audiences.length === 0 ? [] : [{ group, audiences, renew, result: settle(prepare()) }];
    });
    if (prepared.length === 0) return;
    this.#deliveries.push(async (isWanted) => {
      for (const { group, audiences, renew, result } of prepared) {
        const { deliver, failure } = await result;
        if (!isWanted()) return;
        if (failure !== undefined) reportError(failure.reason);
        const told: Told | undefined = deliver && { moment, deliver, renew };
        for (const audience of audiences) {
          if (failure !== undefined) audience.resync([group]);
          else if (told !== undefined) audience.deliver(group, told);
        }
      }
    });
  }

  /** Tells groups in all other processes, which are told to read again if the messages can't be made. */
  tellOthers(messages: () => Promise<readonly Message[]>): void {
    const made = messages();
    this.#messages.push(async (isWanted) => {
      try {
        for (const [group, content] of await made) if (isWanted()) tellOthers(this.#busName(group), toMessage(content));
      } catch (error) {
        reportError(error);
        this.#alarmOthers();
      }
    });
    made.catch(() => undefined);
  }

  /** Something has happened that can't be told one by one. */
  missed(): void {
    this.resync();
    if (!isShared()) return;
    // Behind what they are yet to be told.
    this.#messages.push(() => {
      this.#alarmOthers();
      return Promise.resolve();
    });
  }

  /** Messages may have been lost on a bus, or on all. */
  resync(layer?: ChannelLayer): void {
    if (layer !== undefined) this.#byLayer.get(layer)?.resync();
    else for (const audience of this.#byLayer.values()) audience.resync();
  }

  /** A bus is closed. */
  forget(layer: ChannelLayer): void {
    this.#byLayer.delete(layer);
  }

  #alarmOthers(): void {
    tellOthers(this.#alarmName, toMessage({ resync: true }));
  }

  /** Parts of a name are told apart by their lengths, so that two groups never share one. */
  #busName(group: string): string {
    return `${this.#alarmName}:${group}`;
  }

  get #alarmName(): string {
    return `observer:${String(this.#name.length)}:${this.#name}`;
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
