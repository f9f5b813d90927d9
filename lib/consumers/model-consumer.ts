import type { Attributes, FindOptions, Model, ModelStatic } from 'sequelize';

import type { ActionContext } from '../observers/consumer-context.js';
import type { InstanceObserverParts } from '../observers/instance-observer.js';
import { listsOf } from '../observers/model-lists.js';
import { unexpected } from '../protocol/options.js';
import { isKindOf } from '../serializers/model-fields.js';
import { type ActionArguments, checkFunction } from './action.js';
import type { Consumer } from './consumer.js';
import { buildConsumer, checkDefinition, type ConsumerDefinition, DEFINITION_KEYS } from './define-consumer.js';
import { InstanceSubscriptions } from './instance-subscriptions.js';
import { Lookup } from './lookup.js';
import { type AnySerializer, type ModelContext, type ModelParts, ModelRunningContext } from './model-context.js';
import { type Pagination, unpaginated } from './pagination.js';

/** What {@link modelConsumer} is given. */
export interface ModelConsumerDefinition<M extends Model, State = undefined> extends ConsumerDefinition<
  State,
  ModelContext<M, State>,
  ModelContext<M>
> {
  /** What rows look like, and which input is accepted. */
  // No `M` alone: it is to be inferred from the model, and not from here.
  readonly serializer: AnySerializer<M & Model>;
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
  /** Whether changes of many-to-many relations are updates of a subscribed row: true, or the names of those. @default false */
  readonly manyToMany?: boolean | readonly string[];
}

const KEYS = [...DEFINITION_KEYS, 'serializer', 'queryset', 'lookupField', 'lookupKey', 'pagination', 'manyToMany'];

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
  const {
    serializer,
    queryset = everything,
    lookupField,
    lookupKey,
    pagination = unpaginated,
    manyToMany,
    ...common
  } = definition;
  checkSerializer(serializer, model);
  checkFunction('`queryset`', queryset);
  checkFunction('`pagination`', pagination);
  const paginate = pagination(model);
  checkFunction('what `pagination` returns', paginate);
  const lookup = new Lookup(model, { lookupField, lookupKey });
  const isObserved = manyToMany !== undefined || Object.hasOwn(definition.actions ?? {}, 'subscribe_instance');
  const parts: ModelParts = {
    model,
    serializer,
    queryset,
    lookup,
    paginate,
    instances: isObserved ? observeInstances(model, definition, lookup) : undefined,
  };
  return buildConsumer<ModelContext<Model>>(common, (run, transaction) => new ModelRunningContext(parts, run, transaction));
}

function observeInstances(
  model: ModelStatic<Model>,
  { serializer, queryset, manyToMany = false }: ModelConsumerDefinition<Model, unknown>,
  lookup: Lookup,
): InstanceSubscriptions {
  listsOf(model, manyToMany);
  const parts: InstanceObserverParts = {
    model,
    serialize: (row) => serializer.serialize(row),
    isNarrow: queryset !== undefined || isScoped(model),
    manyToMany: () => listsOf(model, manyToMany),
  };
  return new InstanceSubscriptions(parts, lookup);
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

/** Whether the model itself leaves rows out. */
function isScoped(model: ModelStatic<Model>): boolean {
  return Reflect.get(model, 'scoped') === true || Object.keys(model.options.defaultScope ?? {}).length > 0;
}

function everything(): FindOptions {
  return {};
}
