import type { Attributes, FindOptions, Model, ModelStatic, Transaction } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { checkKeys, got, unexpected } from '../protocol/options.js';
import { type ActionArguments, type ActionContext, checkFunction } from './action.js';
import type { ActionRun } from './action-consumer.js';
import type { Consumer } from './consumer.js';
import { type Held, RunningContext } from './context.js';
import { buildConsumer, type ConsumerDefinition, DEFINITION_KEYS, type StatefulConsumerDefinition } from './define-consumer.js';
import { Lookup } from './lookup.js';
import { type Paginate, type Pagination, unpaginated } from './pagination.js';
import { refuseClientObjects, Rows } from './rows.js';
import type { ModelSerializer } from '../serializers/serializer.js';

/** A serializer of a model's rows, whatever it takes as input. */
type AnySerializer<M extends Model, Output> = ModelSerializer<M, Output, unknown, unknown>;

/** What an action of a model consumer is given. */
export interface ModelContext<M extends Model, State = unknown, Output = unknown> extends ActionContext<State> {
  readonly model: ModelStatic<M>;
  readonly serializer: AnySerializer<M, Output>;
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

/** What {@link modelConsumer} is given besides what every consumer is. */
export interface ModelOptions<M extends Model, State, Output> {
  /** What rows look like, and which input is accepted. */
  readonly serializer: AnySerializer<M, Output>;
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

/** What a model consumer whose connections have a state is given. */
export type StatefulModelDefinition<M extends Model, State, Output> = ModelOptions<M, State, Output> &
  StatefulConsumerDefinition<State, ModelContext<M, State, Output>>;

/** What a model consumer whose connections have none is given. */
export type StatelessModelDefinition<M extends Model, Output> = ModelOptions<M, undefined, Output> &
  ConsumerDefinition<undefined, ModelContext<M, undefined, Output>> & { readonly state?: undefined };

const KEYS = [...DEFINITION_KEYS, 'serializer', 'queryset', 'lookupField', 'lookupKey', 'pagination'];

/**
 * A consumer of the rows of a Sequelize model.
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
export function modelConsumer<M extends Model, State, Output>(
  model: ModelStatic<M>,
  definition: StatefulModelDefinition<M, State, Output>,
): Consumer;
/** A consumer whose connections have no state. */
export function modelConsumer<M extends Model, Output>(
  model: ModelStatic<M>,
  definition: StatelessModelDefinition<M, Output>,
): Consumer;
/** @internal What both are. */
export function modelConsumer<M extends Model, State, Output>(
  model: ModelStatic<M>,
  definition: StatefulModelDefinition<M, State, Output> | StatelessModelDefinition<M, Output>,
): Consumer {
  checkModel(model);
  const given: unknown = definition;
  if (!isObject(given))
    throw new TypeError(`Expected a definition such as { serializer, actions } for modelConsumer(), got ${got(given)}.`);
  checkKeys('modelConsumer()', given, KEYS);
  return definition.state === undefined ? build(model, { ...definition, state: () => undefined }) : build(model, definition);
}

function build<M extends Model, State, Output>(
  model: ModelStatic<M>,
  definition: StatefulModelDefinition<M, State, Output>,
): Consumer {
  const { serializer, queryset = everything, lookupField, lookupKey, pagination = unpaginated, ...common } = definition;
  if (typeof Reflect.get(Object(serializer), 'serializeMany') !== 'function')
    throw unexpected('`serializer`', `a modelSerializer(${model.name}, …)`, serializer);
  if (serializer.model !== model)
    throw new TypeError(`Expected \`serializer\` to be one of ${model.name}, got one of ${serializer.model.name}.`);
  checkFunction('`queryset`', queryset);
  checkFunction('`pagination`', pagination);
  const parts: ModelParts<M, State, Output> = {
    model,
    serializer,
    queryset,
    lookup: new Lookup(model, { lookupField, lookupKey }),
    paginate: pagination(model),
  };
  return buildConsumer<State, ModelContext<M, State, Output>>(
    common,
    (run, transaction) => new ModelRunningContext(parts, run, transaction),
  );
}

interface ModelParts<M extends Model, State, Output> extends Required<
  Pick<ModelOptions<M, State, Output>, 'serializer' | 'queryset'>
> {
  readonly model: ModelStatic<M>;
  readonly lookup: Lookup;
  readonly paginate: Paginate;
}

class ModelRunningContext<M extends Model, State, Output>
  extends RunningContext<State>
  implements ModelContext<M, State, Output>
{
  readonly #parts: ModelParts<M, State, Output>;

  constructor(parts: ModelParts<M, State, Output>, run: ActionRun<Held<State>>, transaction: unknown) {
    super(run, transaction);
    this.#parts = parts;
  }

  get model(): ModelStatic<M> {
    return this.#parts.model;
  }

  get serializer(): AnySerializer<M, Output> {
    return this.#parts.serializer;
  }

  async queryset(args: object): Promise<FindOptions<Attributes<M>>> {
    const find = await this.#parts.queryset(this, toArguments(args));
    if (!isObject(find)) throw unexpected('what `queryset` returns', 'options such as { where }', find);
    refuseClientObjects(find, args);
    return isTransaction(this.transaction) ? { transaction: this.transaction, ...find } : find;
  }

  async getObject(args: object, options?: Omit<FindOptions<Attributes<M>>, 'where'>): Promise<M> {
    // First: it refuses what names no row.
    const where = this.#parts.lookup.where(args);
    return (await this.#rows(args)).get(where, options);
  }

  async *pages(args: ActionArguments): AsyncGenerator<unknown, void> {
    yield* this.#parts.paginate(await this.#rows(args), args);
  }

  async #rows(args: object): Promise<Rows<M>> {
    return new Rows(this.#parts.model, await this.queryset(args), this.#parts.serializer);
  }
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
