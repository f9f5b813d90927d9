import type { Model, ModelStatic, Transaction, WhereOptions } from 'sequelize';

import { columnOf, databaseOf, findAllRows } from './queries.js';
import type { UniqueKeys } from './tables.js';

/** SQLite takes a thousand alternatives in one condition. */
const MOST_ALTERNATIVES = 400;

/** Values of attributes that only one row can have. */
export type UniqueValues = ReadonlyMap<string, unknown>;

/** By what a row that is inserted may turn out to exist already. */
export interface Identity {
  /** Of each unique set that the row has all values of, these values. */
  readonly values: readonly UniqueValues[];
  /** Whether there may be other ways: values that the database computes, unique indexes of expressions. */
  readonly isOpen: boolean;
}

/** By what a row that is about to be inserted may turn out to exist already. */
export function identityOf(row: Model, { sets, hasOthers }: UniqueKeys): Identity {
  let isOpen = hasOthers;
  const values: UniqueValues[] = [];
  for (const attributes of sets) {
    const own = attributes.map((attribute): [string, unknown] => [attribute, row.getDataValue(attribute)]);
    if (own.some(([, value]) => isSql(value))) isOpen = true;
    else if (own.every(([, value]) => value !== null && value !== undefined)) values.push(new Map(own));
  }
  return { values, isOpen };
}

/**
 * Rows that have these unique values, softly deleted ones too.
 *

 * @throws what the database answers if it refuses
 */
export async function findByUniqueValues(
  model: ModelStatic<Model>,
  values: readonly UniqueValues[],
  on: Transaction | null,
): Promise<Model[]> {
  const { conditions, lists } = conditionsOf(model, values);
  const alternatives: WhereOptions[] = [...[...lists].map(([attribute, list]) => ({ [attribute]: list })), ...conditions];
  const rows: Model[] = [];
  for (let from = 0; from < alternatives.length; from += MOST_ALTERNATIVES) {
    const where = databaseOf(model).or(...alternatives.slice(from, from + MOST_ALTERNATIVES));
    rows.push(...(await findAllRows(model, { where, withDeleted: true, on })));
  }
  return rows;
}

/** Whether a row has unique values, as far as they can be compared here: the database may compare in other ways. */
export function hasValues(row: Model, values: UniqueValues): boolean {
  return [...values].every(([attribute, value]) => comparable(row.getDataValue(attribute)) === comparable(value));
}

function comparable(value: unknown): string {
  return (value instanceof Date ? value.toISOString() : String(value)).toLowerCase();
}

/** In names of columns. */
function conditionsOf(
  model: ModelStatic<Model>,
  values: readonly UniqueValues[],
): { conditions: WhereOptions[]; lists: ReadonlyMap<string, unknown[]> } {
  const conditions: WhereOptions[] = [];
  const lists = new Map<string, unknown[]>();
  for (const unique of values) {
    const [only, another] = [...unique].map(([attribute, value]): [string, unknown] => [columnOf(model, attribute), value]);
    if (only === undefined) continue;
    if (another !== undefined)
      conditions.push(Object.fromEntries([...unique].map(([attribute, value]) => [columnOf(model, attribute), value])));
    else lists.set(only[0], [...(lists.get(only[0]) ?? []), only[1]]);
  }
  return { conditions, lists };
}

/** Whether a value is SQL: a function, a literal, a cast. */
function isSql(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Date || value instanceof Uint8Array) return false;
  return ['Fn', 'Col', 'Literal', 'Cast', 'Json', 'Where'].includes(value.constructor.name);
}
