import type { FindOptions, Model, ModelStatic, QueryOptionsWithWhere, Sequelize, Transaction, WhereOptions } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { isPrimaryKey, keyOf, type PrimaryKey } from './row-change.js';

/** Rows that one SELECT reads by their keys. */
const MOST_KEYS = 1_000;

/** Keys that are looked for one by one. */
const MOST_ODD_KEYS = 20;

/** Which rows are read, over which connection. */
export interface Find {
  /** In names of columns; all rows, if it is left out. */
  readonly where?: WhereOptions | undefined;
  readonly attributes?: string[] | undefined;
  /** Rows that are softly deleted, too. */
  readonly withDeleted?: boolean;
  /** More are too many. */
  readonly limit?: number | undefined;
  /** A connection of a reader; null for one of the pool. */
  readonly on: Transaction | null;
}

/**
 * Rows as the database has them now, past the hooks and scopes of the application. The condition names columns, not attributes, as that
 * of a statement does: Sequelize would take the one for the other where names are swapped. No instances are made of too many rows.
 */
export async function findRows(
  model: ModelStatic<Model>,
  { where, attributes, withDeleted = false, limit, on }: Find,
): Promise<Model[] | 'too many'> {
  const columns = Object.entries(model.getAttributes())
    .filter(([name, { type }]) => String(type) !== 'VIRTUAL' && attributes?.includes(name) !== false)
    .map(([name, { field = name }]): [string, string] => [field, name]);
  const alive = withDeleted ? undefined : notDeleted(model);
  const conditions = [where, alive].filter((one) => one !== undefined);
  const options: QueryOptionsWithWhere & FindOptions = {
    attributes: columns,
    ...(conditions.length > 0 && { where: databaseOf(model).and(...conditions) }),
    ...(limit !== undefined && { limit: limit + 1 }),
    // Only of SQLite are the values of columns made with the instances.
    raw: databaseOf(model).getDialect() !== 'sqlite',
    // A replica may be behind.
    useMaster: true,
    // Without null it would be the transaction that Sequelize finds in its CLS namespace, which may have ended.
    transaction: on,
  };
  const rows: object[] = await databaseOf(model).getQueryInterface().select(model, model.getTableName(), options);
  if (limit !== undefined && rows.length > limit) return 'too many';
  return rows.map((row) => (isRow(row) ? row : model.build({ ...row }, { isNewRecord: false, raw: true })));
}

/** All rows that meet a condition, however many. */
export async function findAllRows(model: ModelStatic<Model>, find: Omit<Find, 'limit'>): Promise<Model[]> {
  const rows = await findRows(model, find);
  return rows === 'too many' ? [] : rows;
}

/** The attributes that say which rows they are, and whether they are softly deleted. */
export function keyAttributes(model: ModelStatic<Model>): string[] {
  return [model.primaryKeyAttribute, deletionAttribute(model)].filter((name) => name !== undefined);
}

/**
 * Rows by the keys that they are asked for.
 *
 * @param isExpected - whether a row with that key should exist, so that one that is not found is looked for by itself
 */
export async function findByKeys(
  model: ModelStatic<Model>,
  pks: ReadonlyMap<string, PrimaryKey>,
  on: Transaction | null,
  isExpected: (key: string) => boolean = () => true,
): Promise<Map<string, Model>> {
  const column = columnOf(model, model.primaryKeyAttribute);
  const find = (keys: readonly PrimaryKey[]): Promise<Model[]> =>
    findAllRows(model, { where: { [column]: keys.map(keyInSql) }, on });
  const all = [...pks.values()];
  const rows: Model[] = [];
  for (let from = 0; from < all.length; from += MOST_KEYS) rows.push(...(await find(all.slice(from, from + MOST_KEYS))));
  const found = byPrimaryKey(model, rows);
  // Keys may be written in several ways, as UUIDs in capitals: the database knows which row is meant.
  const missing = [...pks].filter(([key]) => !found.has(key) && isExpected(key));
  if (missing.length > MOST_ODD_KEYS || !missing.some(([, pk]) => mayBeOdd(pk))) return found;
  for (const [key, pk] of missing) {
    const [row] = await find([pk]);
    if (row !== undefined) found.set(key, row);
  }
  return found;
}

/** A key as Sequelize can write it: of bytes it knows those of Node alone. */
export function keyInSql(pk: PrimaryKey): PrimaryKey {
  return pk instanceof Uint8Array ? Buffer.from(pk) : pk;
}

/** Whether a key may be written in another way than the database has it. */
function mayBeOdd(pk: PrimaryKey): boolean {
  return typeof pk !== 'number' || !Number.isSafeInteger(pk);
}

/** The database of a model that has been initialised. */
export function databaseOf({ sequelize, name }: ModelStatic<Model>): Sequelize {
  if (sequelize === undefined) throw new TypeError(`Expected ${name} to be initialised.`);
  return sequelize;
}

/** The primary key of a row; undefined if it has none yet. */
export function primaryKey(model: ModelStatic<Model>, row: Model): PrimaryKey | undefined {
  const value: unknown = row.getDataValue(model.primaryKeyAttribute);
  return isPrimaryKey(value) ? value : undefined;
}

/** The column of an attribute. */
export function columnOf(model: ModelStatic<Model>, attribute: string): string {
  return model.getAttributes()[attribute]?.field ?? attribute;
}

/** Rows by their primary keys. */
export function byPrimaryKey(model: ModelStatic<Model>, rows: readonly Model[]): Map<string, Model> {
  const found = new Map<string, Model>();
  for (const row of rows) {
    const pk = primaryKey(model, row);
    if (pk !== undefined) found.set(keyOf(pk), row);
  }
  return found;
}

/** A row as it was loaded, before anything was set; undefined if it was not loaded as a whole. */
export function copyOf(model: ModelStatic<Model>, row: Model): Model | undefined {
  const columns = Object.entries(model.getAttributes()).filter(([, { type }]) => String(type) !== 'VIRTUAL');
  const values = new Map(columns.map(([name]): [string, unknown] => [name, row.previous(name) ?? row.getDataValue(name)]));
  if ([...values.values()].includes(undefined)) return undefined;
  return model.build(Object.fromEntries(values), { isNewRecord: false, raw: true });
}

/** Whether a row exists: it may be softly deleted. */
export function isThere(model: ModelStatic<Model>, row: Model): boolean {
  const attribute = deletionAttribute(model);
  return attribute === undefined || isAlive(model, row.getDataValue(attribute));
}

/** Whether a value of the attribute that softly deletes is that of a row that is not deleted. */
export function isAlive(model: ModelStatic<Model>, deletedAt: unknown): boolean {
  const value = toTime(deletedAt ?? null);
  return value === null || value === toTime(defaultDeletion(model));
}

/** The attribute that softly deletes a row; undefined if the model has none. */
export function deletionAttribute({ options }: ModelStatic<Model>): string | undefined {
  const { paranoid, timestamps, deletedAt } = options;
  if (paranoid !== true || timestamps === false || deletedAt === false) return undefined;
  return typeof deletedAt === 'string' ? deletedAt : 'deletedAt';
}

/** Whether a value is a row of a model. */
export function isRow(value: unknown): value is Model {
  return typeof value === 'object' && value !== null && 'getDataValue' in value;
}

/** Which rows are not softly deleted, in names of columns. A default other than null stands for that, as in the finds of Sequelize. */
function notDeleted(model: ModelStatic<Model>): WhereOptions | undefined {
  const attribute = deletionAttribute(model);
  return attribute === undefined ? undefined : { [columnOf(model, attribute)]: defaultDeletion(model) };
}

function defaultDeletion(model: ModelStatic<Model>): string | Date | null {
  const value: unknown = model.getAttributes()[deletionAttribute(model) ?? '']?.defaultValue;
  return value instanceof Date || typeof value === 'string' ? value : null;
}

function toTime(value: unknown): unknown {
  if (value instanceof Date) return value.getTime();
  if (typeof value !== 'string') return value;
  const time = Date.parse(value);
  return Number.isNaN(time) ? value : time;
}

/** Whether a condition has SQL of the application in it, which may ask for more than the row. */
export function hasSql(where: unknown): boolean {
  if (typeof where !== 'object' || where === null || where instanceof Date || where instanceof Uint8Array) return false;
  if (Array.isArray(where)) return where.some(hasSql);
  if (where.constructor.name === 'Literal') return true;
  return Reflect.ownKeys(where).some((key) => hasSql(Reflect.get(where, key)));
}

/** The rows that a condition names by nothing but their primary keys. */
export function namedKeys(model: ModelStatic<Model>, where: unknown): PrimaryKey[] | undefined {
  if (!isObject(where) || Reflect.ownKeys(where).length !== 1) return undefined;
  const value = where[columnOf(model, model.primaryKeyAttribute)] ?? where[model.primaryKeyAttribute];
  const pks: unknown[] = Array.isArray(value) ? value : [value];
  return pks.every(isPrimaryKey) ? pks : undefined;
}
