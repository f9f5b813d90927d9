import type { FindOptions, Hookable, Model, ModelStatic, Sequelize, Transaction, WhereOptions } from 'sequelize';

import { isPrimaryKey, keyOf, type PrimaryKey } from './row-change.js';

/** Rows that one SELECT reads by their keys. */
const MOST_KEYS = 1_000;

/** Which rows are looked up, and of what a write they are. */
export interface LookUp {
  /** All rows, if it is left out. */
  readonly where?: WhereOptions | undefined;
  readonly attributes?: string[] | undefined;
  /** Rows that are softly deleted, too. */
  readonly withDeleted?: boolean;
  readonly transaction?: Transaction | null | undefined;
}

/** Rows as the database has them now, past the hooks and scopes of the application. */
export async function findRows(model: ModelStatic<Model>, lookUp: LookUp): Promise<Model[]> {
  const { where, attributes, withDeleted = false, transaction } = lookUp;
  const find = (within: Transaction | null): Promise<Model[]> => {
    const options: FindOptions & Hookable = {
      ...(where !== undefined && { where }),
      ...(attributes !== undefined && { attributes }),
      paranoid: !withDeleted,
      hooks: false,
      // A replica may be behind.
      useMaster: true,
      // Without null it would be the transaction that Sequelize finds in its CLS namespace, which may have ended.
      transaction: within,
    };
    return model.unscoped().findAll(options);
  };
  if (!transaction) return find(null);
  if (!hasSql(where)) return find(transaction);
  // SQL that is good for an UPDATE may be bad for a SELECT, and an error must not spoil the transaction of the application.
  const savepoint = await databaseOf(model).transaction({ transaction });
  try {
    return await find(savepoint);
  } catch (error) {
    await savepoint.rollback();
    throw error;
  }
}

/** Rows by the keys that they are asked for. */
export async function findByKeys(
  model: ModelStatic<Model>,
  pks: ReadonlyMap<string, PrimaryKey>,
): Promise<ReadonlyMap<string, Model>> {
  const find = (keys: readonly PrimaryKey[]): Promise<Model[]> =>
    findRows(model, { where: { [model.primaryKeyAttribute]: [...keys] } });
  const all = [...pks.values()];
  const rows: Model[] = [];
  for (let from = 0; from < all.length; from += MOST_KEYS) rows.push(...(await find(all.slice(from, from + MOST_KEYS))));
  const found = byPrimaryKey(model, rows);
  if ([...found.keys()].every((key) => pks.has(key))) return found;
  // Keys may be written in several ways, as UUIDs in capitals: the database knows which row is meant.
  for (const [key, pk] of pks) {
    const [row] = found.has(key) ? [] : await find([pk]);
    if (row !== undefined) found.set(key, row);
  }
  return found;
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

/** Whether a row is there: it may be softly deleted. */
export function isThere(model: ModelStatic<Model>, row: Model): boolean {
  return deletionAttribute(model) === undefined || !row.isSoftDeleted();
}

/** The attribute that softly deletes a row; undefined if the model has none. */
export function deletionAttribute({ options }: ModelStatic<Model>): string | undefined {
  const { paranoid, timestamps, deletedAt } = options;
  if (paranoid !== true || timestamps === false || deletedAt === false) return undefined;
  return typeof deletedAt === 'string' ? deletedAt : 'deletedAt';
}

/** Whether a condition holds more than plain values: SQL, functions, columns. */
function hasSql(where: unknown): boolean {
  if (typeof where !== 'object' || where === null || where instanceof Date || Buffer.isBuffer(where)) return false;
  if (Array.isArray(where)) return where.some(hasSql);
  if (Object.getPrototypeOf(where) !== Object.prototype) return true;
  return Reflect.ownKeys(where).some((key) => hasSql(Reflect.get(where, key)));
}
