import type { FindOptions, Model, ModelStatic, Order, WhereOptions } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { NotFound, ValidationError } from '../protocol/errors.js';
import { NON_FIELD_ERRORS } from '../serializers/field-errors.js';

/** Shows rows. */
export interface RowSerializer<Output> {
  serializeMany(instances: readonly Model[], options?: Pick<FindOptions, 'transaction'>): Promise<readonly Output[]>;
}

/** The rows that a consumer works on: those of a queryset, as its serializer shows them. */
export class Rows<M extends Model = Model, Output = unknown> {
  readonly model: ModelStatic<M>;
  readonly #find: FindOptions;
  readonly #serializer: RowSerializer<Output>;

  constructor(model: ModelStatic<M>, find: FindOptions, serializer: RowSerializer<Output>) {
    this.model = model;
    this.#find = find;
    this.#serializer = serializer;
  }

  /**
   * The row that meets the condition.
   *
   * @throws {@link NotFound} if there is none in the queryset
   */
  async get(where: WhereOptions, options: Omit<FindOptions, 'where'> = {}): Promise<M> {
    const find = { ...this.#find, ...options };
    // A queryset of the first hundred rows is one of rows all the same.
    delete find.limit;
    delete find.offset;
    const row = await this.model.findOne({ ...find, where: this.#and(where) });
    if (row === null) throw new NotFound('Not found');
    return row;
  }

  /** All rows, in order of the primary key unless the queryset has an order. */
  async all(): Promise<readonly Output[]> {
    return this.#show(await this.model.findAll({ ...this.#find, order: this.#order() }));
  }

  /** Some of the rows, and how many there are in all. */
  async page(limit: number, offset: number): Promise<{ readonly count: number; readonly results: readonly Output[] }> {
    // A relation to many that is joined would count its rows.
    const page = { ...this.#find, order: this.#order(), limit, offset, distinct: true };
    const { rows, count } = await this.model.findAndCountAll(page);
    return { count, results: await this.#show(rows) };
  }

  /** The first of the rows that meet a condition, in an order. */
  async first(limit: number, order: Order, where?: WhereOptions): Promise<readonly M[]> {
    return this.model.findAll({ ...this.#find, order, limit, ...(where !== undefined && { where: this.#and(where) }) });
  }

  async #show(rows: readonly M[]): Promise<readonly Output[]> {
    return this.#serializer.serializeMany(
      rows,
      this.#find.transaction === undefined ? {} : { transaction: this.#find.transaction },
    );
  }

  /** Shows rows that {@link Rows.first} has found. */
  show(rows: readonly M[]): Promise<readonly Output[]> {
    return this.#show(rows);
  }

  #and(where: WhereOptions): WhereOptions {
    const { where: own } = this.#find;
    return own === undefined ? where : sequelizeOf(this.model).and(own, where);
  }

  #order(): Order {
    return this.#find.order ?? [[this.model.primaryKeyAttribute, 'ASC']];
  }
}

/** @throws TypeError for a model without a database */
export function sequelizeOf(model: ModelStatic<Model>): NonNullable<ModelStatic<Model>['sequelize']> {
  if (model.sequelize === undefined) throw new TypeError(`Expected ${model.name} to be a model after its \`init\`.`);
  return model.sequelize;
}

/**
 * An object of the client that has become a part of a query would be read as a condition: whoever writes a queryset thinks of a
 * scalar.
 *
 * @throws {@link ValidationError} if there is one
 */
export function refuseClientObjects(find: FindOptions, args: object): void {
  const own = new Map<unknown, string>([[args, NON_FIELD_ERRORS]]);
  for (const [key, value] of Object.entries(args)) collect(value, key, own);
  check(find, own, new Set());
}

function collect(value: unknown, key: string, into: Map<unknown, string>): void {
  if (typeof value !== 'object' || value === null) return;
  into.set(value, key);
  for (const part of Object.values(value)) collect(part, key, into);
}

function check(value: unknown, own: ReadonlyMap<unknown, string>, seen: Set<unknown>): void {
  const key = own.get(value);
  if (key !== undefined) throw new ValidationError({ [key]: ['Expected a text, a number, true or false.'] });
  if (!isPlain(value) || seen.has(value)) return;
  seen.add(value);
  for (const part of Reflect.ownKeys(value)) check(Reflect.get(value, part), own, seen);
}

/** Models, associations and transactions are no parts of the query that could hold a value of the client. */
function isPlain(value: unknown): value is object {
  if (Array.isArray(value)) return true;
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Object.hasOwn(value, 'val') || Object.hasOwn(value, 'args');
}
