import type { Model, ModelStatic, Transaction, WhereOptions } from 'sequelize';

import { databaseOf, findRows } from './row-look-up.js';
import type { WriteOptions } from './write-hooks.js';

/** SQLite takes a thousand alternatives in one condition. */
const MOST_ALTERNATIVES = 400;

/** Values of attributes that only one row can have. */
export type UniqueValues = ReadonlyMap<string, unknown>;

/** Rows that an INSERT would run into, by the values of their unique attributes. */
export async function findDuplicates(
  model: ModelStatic<Model>,
  values: readonly UniqueValues[],
  transaction: Transaction | null | undefined,
): Promise<Model[]> {
  const { conditions, lists } = conditionsOf(values);
  const alternatives: WhereOptions[] = [...[...lists].map(([attribute, list]) => ({ [attribute]: list })), ...conditions];
  const rows: Model[] = [];
  for (let from = 0; from < alternatives.length; from += MOST_ALTERNATIVES) {
    const where = databaseOf(model).or(...alternatives.slice(from, from + MOST_ALTERNATIVES));
    rows.push(...(await findRows(model, { where, withDeleted: true, transaction })));
  }
  return rows;
}

function conditionsOf(values: readonly UniqueValues[]): { conditions: WhereOptions[]; lists: ReadonlyMap<string, unknown[]> } {
  const conditions: WhereOptions[] = [];
  const lists = new Map<string, unknown[]>();
  for (const unique of values) {
    const [only, another] = unique;
    if (only === undefined) continue;
    if (another !== undefined) conditions.push(Object.fromEntries(unique));
    else lists.set(only[0], [...(lists.get(only[0]) ?? []), only[1]]);
  }
  return { conditions, lists };
}

/** Of each set of attributes that is unique the values that a row has, if it has all of them. */
export function uniqueValues(model: ModelStatic<Model>, row: Model, options: WriteOptions): UniqueValues[] {
  return uniqueSets(model, options).flatMap((attributes) => {
    const values = new Map(attributes.map((attribute): [string, unknown] => [attribute, row.getDataValue(attribute)]));
    return [...values.values()].some((value) => value === null || value === undefined) ? [] : [values];
  });
}

function uniqueSets(model: ModelStatic<Model>, { conflictFields, conflictAttributes }: WriteOptions): string[][] {
  const sets: string[][] = [[model.primaryKeyAttribute], texts(conflictFields), texts(conflictAttributes)];
  const named = new Map<string, string[]>();
  const attributes = Object.entries(model.getAttributes());
  for (const [attribute, { unique }] of attributes) {
    if (unique === true) sets.push([attribute]);
    const name = typeof unique === 'object' ? unique.name : unique;
    if (typeof name === 'string') named.set(name, [...(named.get(name) ?? []), attribute]);
  }
  for (const { unique, fields } of model.options.indexes ?? []) {
    const names = texts(fields);
    if (unique === true && names.length === fields?.length) sets.push(names);
  }
  // Indexes and conflicts may name columns.
  const attributeOf = (name: string): string =>
    attributes.find(([attribute, { field }]) => field === name || attribute === name)?.[0] ?? name;
  return [...sets, ...named.values()].filter(({ length }) => length > 0).map((set) => set.map(attributeOf));
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}
