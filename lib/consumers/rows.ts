import type { FindOptions, Includeable, Model, ModelStatic, Order, WhereOptions } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { NotFound } from '../protocol/errors.js';

/** Shows rows. */
export interface RowSerializer<Output> {
  serializeMany(instances: readonly Model[], options?: Pick<FindOptions, 'transaction'>): Promise<readonly Output[]>;
}

/** The rows that a consumer works on: those of a queryset, as its serializer shows them. */
export class Rows<M extends Model = Model, Output = unknown> {
  readonly model: ModelStatic<M>;
  /** The scope of the model included. */
  readonly #find: FindOptions;
  readonly #unscoped: ModelStatic<M>;
  readonly #serializer: RowSerializer<Output>;

  constructor(model: ModelStatic<M>, find: FindOptions, serializer: RowSerializer<Output>) {
    this.model = model;
    this.#find = { ...find };
    // Sequelize lets a condition take the place of one of the scope. That may be meant of a queryset, but not of what is looked up in it.
    this.#unscoped = takeScope(model, this.#find) ? model.unscoped() : model;
    this.#serializer = serializer;
  }

  /**
   * The row that meets the condition.
   *
   * @throws {@link NotFound} if there is none in the queryset
   */
  async get(where: WhereOptions, options: Omit<FindOptions, 'where'> = {}): Promise<M> {
    const find = { ...this.#find, ...options, ...this.#includeToo(options) };
    // A queryset of the first hundred rows is one of rows all the same.
    delete find.limit;
    delete find.offset;
    const row = await this.#unscoped.findOne({ ...find, where: this.#and(where) });
    if (row === null) throw new NotFound('Not found');
    return row;
  }

  /** All rows, in order of the primary key unless the queryset has an order. */
  async all(): Promise<readonly Output[]> {
    return this.#show(await this.#unscoped.findAll({ ...this.#find, order: this.#order() }));
  }

  /** Some of the rows, and how many there are in all. */
  async page(limit: number, offset: number): Promise<{ readonly count: number; readonly results: readonly Output[] }> {
    // A relation to many that is joined would count its rows.
    const distinct = this.#find.include !== undefined;
    const page = { ...this.#find, order: this.#order(), limit, offset, distinct };
    const { rows, count } = await this.#unscoped.findAndCountAll(page);
    return { count, results: await this.#show(rows) };
  }

  /** The first of the rows that meet a condition, in an order. */
  async first(limit: number, order: Order, where?: WhereOptions): Promise<readonly M[]> {
    const find = { ...this.#find, order, limit, ...(where !== undefined && { where: this.#and(where) }) };
    delete find.offset;
    return this.#unscoped.findAll(find);
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
    // An object, for in what `sequelize.and` makes attributes do not become columns.
    return own === undefined ? where : { [operator('and')]: [own, where] };
  }

  /** What the queryset includes may leave rows out, so it stays; two includes of one relation would clash. */
  #includeToo({ include }: FindOptions): Pick<FindOptions, 'include'> {
    const own = listOf(this.#find.include);
    const names = own.map((one) => aliasOf(this.model, one));
    const all = [...own, ...listOf(include).filter((one) => !names.includes(aliasOf(this.model, one)))];
    return all.length === 0 ? {} : { include: all };
  }

  #order(): Order {
    return this.#find.order ?? this.model.primaryKeyAttributes.map((key) => [key, 'ASC']);
  }
}

/** Merges the scope of a model into options as Sequelize itself would; there is no public way to. @returns whether it has one */
function takeScope(model: ModelStatic<Model>, find: FindOptions): boolean {
  const scope: unknown = Reflect.get(model, '_scope');
  const inject: unknown = Reflect.get(model, '_injectScope');
  if (!isObject(scope) || Object.keys(scope).length === 0 || typeof inject !== 'function') return false;
  Reflect.apply(inject, model, [find]);
  return true;
}

function listOf(include: FindOptions['include']): readonly Includeable[] {
  if (include === undefined) return [];
  return Array.isArray(include) ? include : [include];
}

/** The name of the relation that an include is of, in whichever form it was written. */
function aliasOf(source: ModelStatic<Model>, include: unknown): string | undefined {
  if (typeof include === 'string') return include;
  const part = (key: string): unknown => Reflect.get(Object(include), key);
  const alias = part('as');
  if (typeof alias === 'string') return alias;
  const association = part('association');
  if (association !== undefined) return aliasOf(source, association);
  const target = part('model') ?? include;
  return Object.values(source.associations).find((one) => one.target === target)?.as;
}

/** One of Sequelize's `Op`, which are registered symbols: the package itself is an optional peer, and may not be there. */
export function operator(name: 'and' | 'gt' | 'lt'): symbol {
  return Symbol.for(name);
}
