import type { Attributes, FindOptions, Model, ModelStatic, Transaction } from 'sequelize';

import type { ActionContext } from '../observers/consumer-context.js';
import type { SubscribeOptions } from '../observers/subscriptions.js';
import { isObject } from '../protocol/envelope.js';
import { unexpected } from '../protocol/options.js';
import type { ModelSerializer } from '../serializers/serializer.js';
import type { ActionArguments } from './action.js';
import type { ActionRun } from './action-consumer.js';
import { refuseClientObjects } from './client-objects.js';
import { type Held, RunningContext } from './context.js';
import type { InstanceSubscriptions } from './instance-subscriptions.js';
import type { Lookup } from './lookup.js';
import type { Paginate } from './pagination.js';
import { Rows } from './rows.js';

/** A serializer of a model's rows, whatever it takes as input. */
export type AnySerializer<M extends Model> = ModelSerializer<M, unknown, unknown, unknown>;

/** What an action of a model consumer is given. */
export interface ModelContext<M extends Model, State = unknown> extends ActionContext<State> {
  /** The model of the consumer. */
  readonly model: ModelStatic<M>;
  /** That of the consumer; in an action with a transaction its queries run in that. */
  readonly serializer: AnySerializer<M>;
  /** The options of a find for the rows that exist for these arguments, in the transaction of the action if it has one. */
  queryset(args: object): Promise<FindOptions<Attributes<M>>>;
  /**
   * The row that the arguments name by the look-up key.
   *
   * @param args - those of the frame
   * @param options - of the find: `include`, `attributes`, `lock`
   * @throws ValidationError if they name none
   * @throws NotFound if there is no such row in the queryset
   */
  getObject(args: object, options?: Omit<FindOptions<Attributes<M>>, 'where'>): Promise<M>;
  /**
   * From now on the connection is told of committed changes of the row that the arguments name, under the request_id of the frame. The
   * consumer must have the action `subscribe_instance`, or say which relations count by `manyToMany`.
   *
   * @throws ValidationError without a usable request_id
   * @throws NotFound if there is no such row in the queryset
   */
  subscribeInstance(args: object, options?: SubscribeOptions): Promise<void>;
  /** Ends the subscription of the request_id of the frame to that row; all of the connection to it without one. */
  unsubscribeInstance(args: object, options?: SubscribeOptions): Promise<void>;
  /** The rows of the queryset as the serializer shows them, in the pages that the consumer's pagination makes; without it in one. */
  pages(args: ActionArguments): AsyncGenerator<unknown, void>;
}

/** What the contexts of one model consumer share. */
export interface ModelParts {
  readonly model: ModelStatic<Model>;
  readonly serializer: AnySerializer<Model>;
  readonly queryset: (ctx: ActionContext, args: ActionArguments) => FindOptions | Promise<FindOptions>;
  readonly lookup: Lookup;
  readonly paginate: Paginate;
  readonly instances: InstanceSubscriptions | undefined;
}

/** What the handler of an action does with its connection and its rows. */
export class ModelRunningContext extends RunningContext implements ModelContext<Model> {
  readonly #parts: ModelParts;

  constructor(parts: ModelParts, run: ActionRun<Held>, transaction: unknown) {
    super(run, transaction);
    this.#parts = parts;
  }

  get model(): ModelStatic<Model> {
    return this.#parts.model;
  }

  get serializer(): AnySerializer<Model> {
    const { serializer } = this.#parts;
    return this.#transaction === undefined ? serializer : serializer.within({ transaction: this.#transaction });
  }

  get #transaction(): Transaction | undefined {
    return isTransaction(this.transaction) ? this.transaction : undefined;
  }

  async queryset(args: object): Promise<FindOptions> {
    const find = await this.#find(args);
    const transaction = find.transaction ?? this.#transaction;
    return transaction === undefined ? find : { ...find, transaction };
  }

  async #find(args: object): Promise<FindOptions> {
    const find = await this.#parts.queryset(this, toArguments(args));
    const given: unknown = find;
    if (!isObject(given)) throw unexpected('what `queryset` returns', 'options such as { where }', given);
    refuseClientObjects(find, args);
    return find;
  }

  async getObject(args: object, options?: Omit<FindOptions, 'where'>): Promise<Model> {
    // First: it refuses what names no row.
    const where = this.#parts.lookup.where(args);
    return (await this.#rows(args)).get(where, options);
  }

  async subscribeInstance(args: object, options: SubscribeOptions = {}): Promise<void> {
    const { model, serializer } = this.#parts;
    await this.#instances().subscribe(this, args, options, {
      get: async (where) => (await this.#rows(args)).get(where),
      // When a transaction of the action has long ended.
      getLater: async (where) => new Rows(model, await this.#find(args), serializer).get(where),
    });
  }

  async unsubscribeInstance(args: object, options: SubscribeOptions = {}): Promise<void> {
    await this.#instances().unsubscribe(this, args, options);
  }

  #instances(): InstanceSubscriptions {
    const { instances, model } = this.#parts;
    if (instances !== undefined) return instances;
    throw new TypeError(`Expected the consumer of ${model.name} to have ...crud('subscribe_instance') among its actions.`);
  }

  async *pages(args: ActionArguments): AsyncGenerator<unknown, void> {
    yield* this.#parts.paginate(await this.#rows(args), args);
  }

  async #rows(args: object): Promise<Rows> {
    return new Rows(this.#parts.model, await this.queryset(args), this.#parts.serializer);
  }
}

/** What a schema has made of the arguments need not be a plain object. */
function toArguments(args: object): ActionArguments {
  return isObject(args) ? args : {};
}

/** What the option `transaction` of an action has opened. */
function isTransaction(value: unknown): value is Transaction {
  return isObject(value) && typeof value['commit'] === 'function';
}
