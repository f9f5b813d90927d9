import type { Attributes, FindOptions, Model, ModelStatic, Transaction } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { unexpected } from '../protocol/options.js';
import type { ActionContext } from '../observers/consumer-context.js';
import { type ActionArguments, checkFunction } from './action.js';
import type { ActionRun } from './action-consumer.js';
import { refuseClientObjects } from './client-objects.js';
import type { Consumer } from './consumer.js';
import { type Held, RunningContext } from './context.js';
import { buildConsumer, checkDefinition, type ConsumerDefinition, DEFINITION_KEYS } from './define-consumer.js';
import { Lookup } from './lookup.js';
import { type Paginate, type Pagination, unpaginated } from './pagination.js';
import { Rows } from './rows.js';
import { isKindOf } from '../serializers/model-fields.js';
import type { ModelSerializer } from '../serializers/serializer.js';

/** A serializer of a model's rows, whatever it takes as input. */
type AnySerializer<M extends Model> = ModelSerializer<M, unknown, unknown, unknown>;

/** What an action of a model consumer is given. */
export interface ModelContext<M extends Model, State = unknown> extends ActionContext<State> {
  readonly model: ModelStatic<M>;
  /** That of the consumer; in an action with a transaction its queries run in that. */
  readonly serializer: AnySerializer<M>;
  /** The options of a find for the rows that exist for these arguments, in the transaction of the action if it has one. */
  queryset(args: object): Promise<FindOptions<Attributes<M>>>;
  /**
   * The row that the arguments name by the look-up key.
   *
   * @param options - of the find: `include`, `attributes`, `lock`
   * @throws ValidationError if they name none
   * @throws NotFound if there is no such row in the queryset
   */
  getObject(args: object, options?: Omit<FindOptions<Attributes<M>>, 'where'>): Promise<M>;
  /** The rows of the queryset as the serializer shows them, in the pages that the consumer's pagination makes; without it in one. */
  pages(args: ActionArguments): AsyncGenerator<unknown, void>;
}

/** What {@link modelConsumer} is given. */
export interface ModelConsumerDefinition<M extends Model, State = undefined> extends ConsumerDefinition<
  State,
  ModelContext<M, State>,
  ModelContext<M>
> {
  /** What rows look like, and which input is accepted. */
  readonly serializer: AnySerializer<M>;
  /**
   * The rows that exist for an action: options of a Sequelize find. A client's object in it is refused.
   *
   * @default all rows
   */
  readonly queryset?: (
    ctx: ActionContext<State>,
    args: ActionArguments,
  ) => FindOptions<Attributes<M>> | Promise<FindOptions<Attributes<M>>>;
  /** The attribute by which rows are looked up. @default 'pk', the primary key */
  readonly lookupField?: 'pk' | (keyof Attributes<M> & string);
  /** The key of the frame that holds the value to look up. @default the name of `lookupField` */
  readonly lookupKey?: string;
  /** How lists are divided. @default all rows at once */
  readonly pagination?: Pagination;
}

const KEYS = [...DEFINITION_KEYS, 'serializer', 'queryset', 'lookupField', 'lookupKey', 'pagination'];

/**
 * A consumer of the rows of a Sequelize model. The type of the state is known to bare handlers; those in `action()` know it from
 * `modelConsumer<Post, State>(…)`.
 *
 * @throws TypeError for options that can't be meant, or that the model does not go with
 *
 * @example
 * const Posts = modelConsumer(Post, {
 *   serializer: PostSerializer,
 *   queryset: (ctx) => ({ where: { author_id: ctx.scope.user?.id } }),
 *   actions: {
 *     ...crud('list', 'retrieve', 'create', 'patch'),
 *     publish: async (ctx, args) => {
 *       const post = await ctx.getObject(args);
 *       await post.update({ published: true });
 *       return ctx.serializer.serialize(post);
 *     },
 *   },
 * });
 */
export function modelConsumer<M extends Model, State = undefined>(
  model: ModelStatic<M>,
  definition: ModelConsumerDefinition<M, State>,
): Consumer;
/** @internal For any model and state: the types above are for those who write the definition. */
export function modelConsumer(model: ModelStatic<Model>, definition: ModelConsumerDefinition<Model, unknown>): Consumer {
  checkModel(model);
  checkDefinition('modelConsumer()', definition, KEYS, '{ serializer, actions }');
  const { serializer, queryset = everything, lookupField, lookupKey, pagination = unpaginated, ...common } = definition;
  checkSerializer(serializer, model);
  checkFunction('`queryset`', queryset);
  checkFunction('`pagination`', pagination);
  const paginate = pagination(model);
  checkFunction('what `pagination` returns', paginate);
  const parts: ModelParts = {
    model,
    serializer,
    queryset,
    lookup: new Lookup(model, { lookupField, lookupKey }),
    paginate,
  };
  return buildConsumer<ModelContext<Model>>(common, (run, transaction) => new ModelRunningContext(parts, run, transaction));
}

interface ModelParts extends Required<Pick<ModelConsumerDefinition<Model, unknown>, 'serializer' | 'queryset'>> {
  readonly model: ModelStatic<Model>;
  readonly lookup: Lookup;
  readonly paginate: Paginate;
}

class ModelRunningContext extends RunningContext implements ModelContext<Model> {
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
    const find = await this.#parts.queryset(this, toArguments(args));
    const given: unknown = find;
    if (!isObject(given)) throw unexpected('what `queryset` returns', 'options such as { where }', given);
    refuseClientObjects(find, args);
    const transaction = find.transaction ?? this.#transaction;
    return transaction === undefined ? find : { ...find, transaction };
  }

  async getObject(args: object, options?: Omit<FindOptions, 'where'>): Promise<Model> {
    // First: it refuses what names no row.
    const where = this.#parts.lookup.where(args);
    return (await this.#rows(args)).get(where, options);
  }

  async *pages(args: ActionArguments): AsyncGenerator<unknown, void> {
    yield* this.#parts.paginate(await this.#rows(args), args);
  }

  async #rows(args: object): Promise<Rows> {
    return new Rows(this.#parts.model, await this.queryset(args), this.#parts.serializer);
  }
}

function checkSerializer(serializer: AnySerializer<Model>, model: ModelStatic<Model>): void {
  if (typeof Reflect.get(Object(serializer), 'serializeMany') !== 'function')
    throw unexpected('`serializer`', `a modelSerializer(${model.name}, …)`, serializer);
  if (!isSameTable(serializer.model, model))
    throw new TypeError(`Expected \`serializer\` to be one of ${model.name}, got one of ${serializer.model.name}.`);
}

/** A model and the classes that its scopes make of it. */
function isSameTable(one: ModelStatic<Model>, other: ModelStatic<Model>): boolean {
  return isKindOf(one, other) && tableOf(one) === tableOf(other);
}

/** One of a schema is an object. */
function tableOf(model: ModelStatic<Model>): string {
  const table: unknown = model.getTableName();
  return String(table);
}

function checkModel(model: unknown): void {
  if (typeof model !== 'function' || Reflect.get(model, 'sequelize') === undefined)
    throw unexpected('the model of modelConsumer()', 'a Sequelize model after its `init` or `define`', model);
}

/** What a schema has made of the arguments need not be a plain object. */
function toArguments(args: object): ActionArguments {
  return isObject(args) ? args : {};
}

/** What the option `transaction` of an action has opened. */
function isTransaction(value: unknown): value is Transaction {
  return isObject(value) && typeof value['commit'] === 'function';
}

function everything(): FindOptions {
  return {};
}
