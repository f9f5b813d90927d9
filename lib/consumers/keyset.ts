import type { Model, ModelStatic } from 'sequelize';

import { ValidationError } from '../protocol/errors.js';
import { unexpected } from '../protocol/options.js';
import type { ActionArguments } from './action.js';
import { checkLimits, type LimitOffsetOptions, limitOf, type Pagination } from './pagination.js';
import { operator } from './rows.js';
import { readerFor } from '../serializers/key-reader.js';
import { uniqueSets } from '../serializers/unique-sets.js';

/** Options of {@link keyset}. */
export interface KeysetOptions extends LimitOffsetOptions {
  /** Rows of a page for which no usable limit is given. @default 50, or `max` if that is less */
  readonly limit?: number;
  /** A column that is unique and never null, by which the rows are ordered. @default the primary key */
  readonly by?: string;
  /** Whether the highest comes first. @default false */
  readonly descending?: boolean;
}

/**
 * Pages by the last row of the page before, for tables in which counting and skipping rows would take too long. A page is
 * `{ results, limit, next }`; `next` is what `after` has to be for the page behind it, or null.
 *
 * @throws TypeError for options that can't be meant; in `modelConsumer` for a column that is not unique
 *
 * @example
 * modelConsumer(Message, { serializer: MessageSerializer, actions: crud('list'), pagination: keyset({ limit: 50, descending: true }) });
 */
export function keyset(options: KeysetOptions = {}): Pagination {
  checkLimits('keyset()', options, ['by', 'descending']);
  const { max, limit: usual = Math.min(50, max ?? 50), descending = false } = options;
  const direction = descending ? 'DESC' : 'ASC';
  return (model) => {
    const column = uniqueColumn(model, options.by ?? model.primaryKeyAttribute);
    return async function* pages(rows, args) {
      const limit = limitOf(args, { limit: usual, ...(max !== undefined && { max }) }) ?? usual;
      let after = cursorOf(args, column);
      do {
        const where = after === undefined ? undefined : { [column.name]: { [operator(descending ? 'lt' : 'gt')]: after } };
        // One more than the page has tells whether there is another page.
        const found = await rows.first(limit + 1, [[column.name, direction]], where);
        const page = found.slice(0, limit);
        after = found.length > limit ? cursorTo(page.at(-1), column.name) : undefined;
        yield { results: await rows.show(page), limit, next: after ?? null };
      } while (after !== undefined);
    };
  };
}

interface KeyColumn {
  readonly name: string;
  readonly read: (value: unknown) => unknown;
}

/** A row that equals another one in the column, or has none, could be left out between two pages. */
function uniqueColumn(model: ModelStatic<Model>, name: string): KeyColumn {
  const column = model.getAttributes()[name];
  const isKey = model.primaryKeyAttributes.length === 1 && model.primaryKeyAttribute === name;
  const isUnique = column?.allowNull === false && uniqueSets(model).some((names) => names.length === 1 && names[0] === name);
  const read = readerFor(column?.type);
  if (column === undefined || read === undefined || !(isKey || isUnique))
    throw unexpected(`\`by\` of keyset() for ${model.name}`, 'a column that is unique and never null', name);
  return { name, read };
}

/** The value behind which the next page begins. */
function cursorTo(row: Model | undefined, name: string): unknown {
  // What a getter makes of it is no value of the column.
  const value: unknown = row?.getDataValue(name);
  if (value === undefined) throw new TypeError(`Expected the queryset to load "${name}", by which keyset() makes pages.`);
  return typeof value === 'bigint' ? String(value) : value;
}

function cursorOf(args: ActionArguments, { read }: KeyColumn): unknown {
  const value = Object.hasOwn(args, 'after') ? args['after'] : undefined;
  if (value === undefined || value === null) return undefined;
  try {
    return read(value);
  } catch (error) {
    if (error instanceof ValidationError) throw new ValidationError({ after: error.detail }, { cause: error });
    throw error;
  }
}
