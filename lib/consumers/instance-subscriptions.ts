import type { Model, ModelStatic } from 'sequelize';

import type { ConsumerContext } from '../observers/consumer-context.js';
import { InstanceObserver, type InstanceObserverParts } from '../observers/instance-observer.js';
import { SUBSCRIBER } from '../observers/subscriber.js';
import type { ReadRow } from '../observers/subscription.js';
import type { SubscribeOptions } from '../observers/subscriptions.js';
import { NotFound } from '../protocol/errors.js';
import type { Lookup } from './lookup.js';

type Where = Readonly<Record<string, unknown>>;

/** The rows that exist for a client. They throw NotFound for one that does not. */
export interface RowsOfClient {
  readonly get: (where: Where) => Promise<Model>;
  /** After the action that subscribes. */
  readonly getLater: (where: Where) => Promise<Model>;
}

/** Subscriptions of a consumer's clients to single rows, which they name by its look-up key. */
export class InstanceSubscriptions {
  readonly #model: ModelStatic<Model>;
  readonly #lookup: Lookup;
  readonly #observer: InstanceObserver;
  /**
   * Of each connection the rows that it subscribed to, by what it called them: a subscription belongs to the row, which may be called
   * something else by now, or have gone.
   */
  readonly #subscribed = new WeakMap<AbortSignal, Map<string, unknown>>();

  constructor(parts: InstanceObserverParts, lookup: Lookup) {
    this.#model = parts.model;
    this.#lookup = lookup;
    this.#observer = new InstanceObserver(parts);
  }

  /**
   * @throws ValidationError without a usable request_id
   * @throws NotFound if there is no such row for the client
   */
  async subscribe(ctx: ConsumerContext, args: object, options: SubscribeOptions, { get, getLater }: RowsOfClient): Promise<void> {
    const where = this.#lookup.where(args);
    const { primaryKeyAttribute } = this.#model;
    const pk: unknown = (await get(where)).get(primaryKeyAttribute);
    const readRow: ReadRow = () => getLater({ [primaryKeyAttribute]: pk }).catch(noneIfNotFound);
    await this.#observer.subscribe(ctx, pk, options, readRow);
    if (Object.hasOwn(where, primaryKeyAttribute)) return;
    const { signal } = ctx[SUBSCRIBER];
    const subscribed = this.#subscribed.get(signal) ?? new Map<string, unknown>();
    this.#subscribed.set(signal, subscribed.set(nameOf(where), pk));
  }

  /** @throws ValidationError if the arguments name no row; one that never was has no subscriptions, and that is no error */
  async unsubscribe(ctx: ConsumerContext, args: object, options: SubscribeOptions): Promise<void> {
    for (const key of await this.#keysOf(ctx, args)) await this.#observer.unsubscribe(ctx, key, options);
  }

  async #keysOf(ctx: ConsumerContext, args: object): Promise<ReadonlySet<unknown>> {
    const { primaryKeyAttribute } = this.#model;
    const where = readWhere(this.#lookup, args);
    if (where === undefined) return new Set();
    if (Object.hasOwn(where, primaryKeyAttribute)) return new Set([where[primaryKeyAttribute]]);
    const row = await this.#model.unscoped().findOne({ where });
    const remembered = this.#subscribed.get(ctx[SUBSCRIBER].signal)?.get(nameOf(where));
    const keys: unknown[] = [remembered, row?.get(primaryKeyAttribute)];
    return new Set(keys.filter((key) => key !== undefined));
  }
}

function readWhere(lookup: Lookup, args: object): Where | undefined {
  try {
    return lookup.where(args);
  } catch (error) {
    noneIfNotFound(error);
    return undefined;
  }
}

function noneIfNotFound(error: unknown): undefined {
  if (!(error instanceof NotFound)) throw error;
}

function nameOf(where: Where): string {
  return JSON.stringify(Object.values(where).map(String));
}
