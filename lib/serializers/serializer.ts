import type { IncludeOptions, Model, ModelStatic } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { checkKeys } from '../protocol/options.js';
import { toActionError } from './constraint-errors.js';
import { type FieldOptions, type QueryOptions, resolveFields } from './model-fields.js';
import { type InputOptions, ModelInput, type Values } from './model-input.js';
import { Representation } from './representation.js';
import type { ChangedRow, FieldName, InputRow, NoKeys, OutputRow, SerializerOptions } from './serializer-options.js';
import { checkSchema, type StandardSchema } from '../protocol/standard-schema.js';

/** Options of an update. */
export interface UpdateOptions extends QueryOptions {
  /**
   * Whether only what is given is checked; otherwise the required fields must be there.
   *
   * @default false
   */
  readonly partial?: boolean;
}

/** What a row looks like on the wire, and which input is accepted. */
export interface ModelSerializer<M extends Model, Output = Values, Input = Values, Changes = Values> {
  readonly model: ModelStatic<M>;
  /** Shows a row. Relations that it needs are loaded, unless they are on the instance. */
  serialize(instance: M, options?: QueryOptions): Promise<Output>;
  /** Shows rows; the number of queries does not depend on how many there are. */
  serializeMany(instances: readonly M[], options?: QueryOptions): Promise<Output[]>;
  /** For a find, to save queries: joins the relations to one row. Those to many take one query each when they are shown. */
  include(): { include: IncludeOptions[] };
  /**
   * Checks input for a new row, or for a change of the instance, and stores nothing.
   *
   * @throws {@link ValidationError} whose detail names all invalid fields
   */
  validate(data: unknown, options?: QueryOptions & { readonly instance?: undefined }): Promise<Input>;
  validate(data: unknown, options: UpdateOptions & { readonly instance: M }): Promise<Changes>;
  /** Checks the input and stores a new row. */
  create(data: unknown, options?: QueryOptions): Promise<M>;
  /** Checks the input and stores the change. */
  update(instance: M, data: unknown, options?: UpdateOptions): Promise<M>;
  /** The same serializer, whose queries run with these options unless they are given others. */
  within(options: QueryOptions): ModelSerializer<M, Output, Input, Changes>;
}

/**
 * What a row of a Sequelize model looks like on the wire, and which input is accepted for it. Make it when the model and its relations
 * are there.
 *
 * Input is checked against the model: required, null, length, type, choices, unique, foreign keys, its validators. Only fields that are
 * declared and take input are ever set.
 *
 * @throws TypeError if the options name what the model does not have
 *
 * @example
 * const UserSerializer = modelSerializer(User, { fields: ['id', 'username', 'email'] });
 * const MessageSerializer = modelSerializer(Message, { fields: ['pk', 'text', 'user'], nested: { user: UserSerializer } });
 */
export function modelSerializer<
  M extends Model,
  F extends FieldName<M> = never,
  X extends FieldName<M> = never,
  R extends FieldName<M> = never,
  W extends FieldName<M> = never,
  N = NoKeys,
  C = NoKeys,
>(
  model: ModelStatic<M>,
  options: SerializerOptions<M, F, X, R, W, N, C>,
): ModelSerializer<M, OutputRow<M, F, X, W, N, C>, InputRow<M, F, X, R, N, C>, ChangedRow<M, F, X, R, N, C>>;
/** For any model: the types above are for those who write the options. */
export function modelSerializer(model: ModelStatic<Model>, options: PlainOptions): ModelSerializer<Model> {
  checkKeys('modelSerializer()', options, KEYS);
  const fields = resolveFields(model, options);
  const attributes = fields.filter((field) => field.kind === 'attribute');
  if (options.schema !== undefined) checkSchema(options.schema);
  return new Serializer(options, new Representation(model, fields), new ModelInput(model, attributes, options.schema));
}

const KEYS = [
  ...['fields', 'exclude', 'readOnly', 'writeOnly', 'nested', 'depth', 'computed'],
  ...['schema', 'validate', 'create', 'update'],
];

interface PlainOptions extends FieldOptions {
  readonly schema?: StandardSchema;
  readonly validate?: (values: Values, details: { readonly instance: Model | undefined; readonly partial: boolean }) => unknown;
  readonly create?: (values: Values, options: QueryOptions) => Model | Promise<Model>;
  readonly update?: (instance: Model, values: Values, options: QueryOptions & { readonly partial: boolean }) => unknown;
}

class Serializer implements ModelSerializer<Model> {
  readonly model: ModelStatic<Model>;
  readonly #options: PlainOptions;
  readonly #representation: Representation;
  readonly #input: ModelInput;
  readonly #query: QueryOptions;

  constructor(options: PlainOptions, representation: Representation, input: ModelInput, query: QueryOptions = {}) {
    this.model = representation.model;
    this.#options = options;
    this.#representation = representation;
    this.#input = input;
    this.#query = query;
  }

  within(query: QueryOptions): Serializer {
    return new Serializer(this.#options, this.#representation, this.#input, query);
  }

  include(): { include: IncludeOptions[] } {
    return this.#representation.include();
  }

  async serialize(instance: Model, options?: QueryOptions): Promise<Values> {
    const [row] = await this.serializeMany([instance], options);
    return row ?? {};
  }

  serializeMany(instances: readonly Model[], options?: QueryOptions): Promise<Values[]> {
    return this.#representation.serializeMany(instances, { ...this.#query, ...options });
  }

  async validate(data: unknown, options: InputOptions = {}): Promise<Values> {
    const { instance, partial = false } = options;
    const values = await this.#input.check(data, { ...this.#query, ...options });
    const changed: unknown = await this.#options.validate?.(values, { instance, partial });
    return isObject(changed) ? changed : values;
  }

  async create(data: unknown, options?: QueryOptions): Promise<Model> {
    const query = { ...this.#query, ...options };
    const values = await this.validate(data, query);
    const store = this.#options.create ?? ((row: Values) => this.model.create({ ...row }, query));
    return this.#stored(() => store(values, query), query);
  }

  async update(instance: Model, data: unknown, options: UpdateOptions = {}): Promise<Model> {
    const { partial = false, ...given } = options;
    const query = { ...this.#query, ...given };
    const values = await this.validate(data, { instance, partial, ...query });
    const { update } = this.#options;
    return this.#stored(async () => {
      // As the database stores them: a BIGINT or a DECIMAL may come back in another form.
      if (update === undefined) return instance.update(values, { ...query, returning: true });
      await update(instance, values, { partial, ...query });
      return instance;
    }, query);
  }

  /** What the checks could not see, because another writer was faster, the database refuses: in the same words. */
  async #stored(store: () => Model | Promise<Model>, query: QueryOptions): Promise<Model> {
    try {
      const instance = await store();
      // A default such as CURRENT_TIMESTAMP is known to the database alone.
      if (!hasExpression(instance, this.model)) return instance;
      // Not by `reload`, which finds no row that is out of the model's scope.
      const stored = await this.model.unscoped().findOne({ ...query, where: { ...instance.where() }, paranoid: false });
      return stored === null ? instance : instance.set(stored.dataValues, { raw: true, reset: true });
    } catch (error) {
      throw toActionError(error, this.#input.naming);
    }
  }
}

/** Whether a column holds SQL that Sequelize has sent in place of a value. */
function hasExpression(instance: Model, model: ModelStatic<Model>): boolean {
  return Object.keys(model.getAttributes()).some((attribute) => isExpression(instance.getDataValue(attribute)));
}

function isExpression(value: unknown): boolean {
  if (!isObject(value) || value instanceof Date || Buffer.isBuffer(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype !== Object.prototype && prototype !== null;
}
