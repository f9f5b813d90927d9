import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';

import type { ChannelLayer } from '../layers/channel-layer.js';
import { toJson } from '../protocol/envelope.js';
import { checkKeys, unexpected } from '../protocol/options.js';
import type { Deliver } from './audience.js';
import { Audiences, type Message } from './audiences.js';
import type { ConsumerContext } from './consumer-context.js';
import { deliverer } from './deliverer.js';
import { toGroups } from './group-names.js';
import { nameFor } from './observer-name.js';
import { isShared, reportError, watch, type Watcher } from './open-layers.js';
import { checkObserver, type ObserverArguments } from './observer-options.js';
import { once } from './once.js';
import { fromMessage, Heard } from './other-processes.js';
import { type SubscribeOptions, Subscriptions } from './subscriptions.js';

/** A signal as an observer's `deliver` is given it. */
export interface DeliveredSignal<Body> {
  /** The name of the signal. */
  readonly action: string;
  /** What `serialize` has made of the signal. */
  readonly body: Body;
  /** The group that the signal goes to. */
  readonly group: string;
  /** Under which request_ids the connection has subscribed to the group; one without any is not among them. */
  readonly requestIds: readonly (string | number | boolean)[];
}

/** Options of {@link signalObserver}. */
export interface SignalObserverOptions<Signal extends readonly unknown[], Args, Body> {
  /** What it is called among processes that share a bus; the same in all of them. @default the signal's name and a number */
  readonly name?: string;
  /** What a signal is shown as, once for each. It goes to other processes as well. @default {} */
  readonly serialize?: (...signal: Signal) => Body | Promise<Body>;
  /** The groups that a signal goes to. @default one group of all signals */
  readonly groupsForSignal?: (...signal: Signal) => Iterable<string | number>;
  /** The groups that a subscription is for. Its arguments are those of `subscribe`. @default the group of all signals */
  readonly groupsForConsumer?: (args: Args, ctx: ConsumerContext) => Iterable<string | number>;
  /** Sends a signal to a connection. @default an envelope for each request_id, with the signal's name as its action */
  readonly deliver?: (ctx: ConsumerContext, signal: DeliveredSignal<Body>) => unknown;
}

/** Signals of an event emitter, as clients subscribe to them. */
export interface SignalObserver<Args> {
  /**
   * From now on the connection gets the signals of the groups, under the request_id of its frame.
   *
   * @param ctx - the context of the action that subscribes
   * @param rest - first the arguments for `groupsForConsumer` (`{}` or nothing without it), then {@link SubscribeOptions}
   * @returns the groups
   * @throws ValidationError for a request_id that is a list or an object
   * @throws Throttled if the connection has 1,000 subscriptions with the observer
   */
  subscribe(ctx: ConsumerContext, ...rest: ObserverArguments<Args>): Promise<readonly string[]>;
  /**
   * Ends the subscription of that request_id in the groups; without a request_id all of the connection.
   *
   * @param ctx - the context of the action that unsubscribes
   * @param rest - as in `subscribe`
   * @returns the groups
   */
  unsubscribe(ctx: ConsumerContext, ...rest: ObserverArguments<Args>): Promise<readonly string[]>;
}

/**
 * Observes a signal of an event emitter. Signals do not wait for a commit.
 *
 * @throws TypeError for options that can't be meant
 *
 * @example
 * const pings = signalObserver(application, 'ping', { serialize: (text: string) => ({ text }) });
 * const Pings = defineConsumer({ actions: { follow: (ctx) => pings.subscribe(ctx) } });
 */
export function signalObserver<Signal extends readonly unknown[] = [], Args = undefined, Body = object>(
  emitter: EventEmitter,
  signal: string,
  options?: SignalObserverOptions<Signal, Args, Body>,
): SignalObserver<Args>;
/** @internal For any signal: the types above are for those who write the options. */
export function signalObserver(
  emitter: EventEmitter,
  signal: string,
  options: SignalObserverOptions<readonly unknown[], unknown, unknown> = {},
): SignalObserver<unknown> {
  if (typeof Reflect.get(Object(emitter), 'on') !== 'function') throw unexpected('the emitter', 'an EventEmitter', emitter);
  if (typeof signal !== 'string' || signal === '') throw unexpected('the signal', 'the name of an event', signal);
  checkKeys('signalObserver()', options, KEYS);
  checkObserver(options);
  return new ObserverOfSignals(emitter, signal, options);
}

const KEYS = ['name', 'serialize', 'groupsForSignal', 'groupsForConsumer', 'deliver'];

class ObserverOfSignals implements SignalObserver<unknown>, Watcher {
  readonly #emitter: EventEmitter;
  readonly #signal: string;
  readonly #options: SignalObserverOptions<readonly unknown[], unknown, unknown>;
  readonly #audiences: Audiences;
  readonly #subscriptions: Subscriptions;
  readonly #heard = new Heard();

  constructor(emitter: EventEmitter, signal: string, options: SignalObserverOptions<readonly unknown[], unknown, unknown>) {
    this.#emitter = emitter;
    this.#signal = signal;
    this.#options = options;
    this.#audiences = new Audiences(nameFor(`signal ${signal}`, options.name), (group, message) => {
      const { id, body } = fromMessage(message) ?? {};
      if (typeof id === 'string' && body !== undefined && this.#heard.isNew(id, group))
        this.#tell([group], () => Promise.resolve(toJson(body)));
    });
    this.#subscriptions = new Subscriptions(this.#audiences);
    watch(this);
  }

  async subscribe(ctx: ConsumerContext, args?: unknown, options: SubscribeOptions = {}): Promise<readonly string[]> {
    const groups = this.#groups(args, ctx);
    await this.#subscriptions.subscribe(ctx, groups, options);
    return groups;
  }

  async unsubscribe(ctx: ConsumerContext, args?: unknown, options: SubscribeOptions = {}): Promise<readonly string[]> {
    const groups = this.#groups(args, ctx);
    await this.#subscriptions.unsubscribe(ctx, groups, options);
    return groups;
  }

  start(): void {
    this.#emitter.on(this.#signal, this.#hear);
  }

  stop(): void {
    this.#emitter.off(this.#signal, this.#hear);
  }

  gap(layer: ChannelLayer): void {
    this.#audiences.resync(layer);
  }

  closed(layer: ChannelLayer): void {
    this.#audiences.forget(layer);
  }

  /** The emitter hears of no error: it is none of its own. */
  readonly #hear = (...signal: readonly unknown[]): void => {
    const shared = isShared();
    if (!shared && this.#audiences.isEmpty) return;
    try {
      const { serialize = () => ({}), groupsForSignal = () => [''] } = this.#options;
      const groups = toGroups(`\`groupsForSignal\` of the observer of "${this.#signal}"`, groupsForSignal(...signal));
      const text = once(() => show(serialize, signal));
      this.#tell(groups, text);
      if (shared) this.#audiences.tellOthers(() => messages(groups, text));
    } catch (error) {
      reportError(error);
      this.#audiences.missed();
    }
  };

  #tell(groups: readonly string[], text: () => Promise<string>): void {
    const action = this.#signal;
    const { deliver } = this.#options;
    const prepare = async (group: string): Promise<Deliver> =>
      deliverer(action, await text(), deliver && ((ctx, event) => deliver(ctx, { action, group, ...event })));
    this.#audiences.tell(groups.map((group) => ({ group, prepare: () => prepare(group) })));
  }

  #groups(args: unknown, ctx: ConsumerContext): readonly string[] {
    const { groupsForConsumer } = this.#options;
    if (groupsForConsumer === undefined) return [''];
    return toGroups(`\`groupsForConsumer\` of the observer of "${this.#signal}"`, groupsForConsumer(args ?? {}, ctx));
  }
}

async function show(serialize: (...signal: readonly unknown[]) => unknown, signal: readonly unknown[]): Promise<string> {
  return toJson(await serialize(...signal));
}

async function messages(groups: readonly string[], text: () => Promise<string>): Promise<readonly Message[]> {
  const id = randomUUID();
  const body: unknown = JSON.parse(await text());
  return groups.map((group) => [group, { id, body }]);
}
