import type { Model, ModelAttributeColumnOptions, ModelStatic } from 'sequelize';

import { ValidationError } from '../protocol/errors.js';
import { unexpected } from '../protocol/options.js';
import type { ActionArguments } from './action.js';
import { checkLimits, type LimitOffsetOptions, limitOf, type Pagination } from './pagination.js';
import { sequelizeOf } from './rows.js';
import { type Parse, parserFor } from '../serializers/value-parsers.js';

/** Options of {@link keyset}. */
export interface KeysetOptions extends LimitOffsetOptions {
  /** Rows of a page for which no usable limit is given. @default 50 */
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
 * @throws TypeError for options that can't be meant; for a column that is not unique when the first page is asked for
 *
 * @example
 * modelConsumer(Message, { serializer: MessageSerializer, actions: crud('list'), pagination: keyset({ limit: 50, descending: true }) });
 */
export function keyset(options: KeysetOptions = {}): Pagination {
  checkLimits('keyset()', options, ['by', 'descending']);
  const { limit: usual = 50, max, descending = false } = options;
  const direction = descending ? 'DESC' : 'ASC';
  return (model) => {
    const column = uniqueColumn(model, options.by ?? model.primaryKeyAttribute);
    return async function* pages(rows, args) {
      const limit = limitOf(args, { limit: usual, ...(max !== undefined && { max }) }) ?? usual;
      let after = cursorOf(args, column);
      do {
        const where = after === undefined ? undefined : sequelizeOf(model).where(column, descending ? '<' : '>', after);
        // One more than the page has tells whether there is another page.
        const found = await rows.first(limit + 1, [[column.name, direction]], where);
        const page = found.slice(0, limit);
        after = found.length > limit ? page.at(-1)?.get(column.name) : undefined;
        yield { results: await rows.show(page), limit, next: after ?? null };
      } while (after !== undefined);
    };
  };
}

interface KeyColumn extends ModelAttributeColumnOptions {
  readonly name: string;
  readonly parse: Parse;
}

/** A row that equals another one in the column, or has none, could be left out between two pages. */
function uniqueColumn(model: ModelStatic<Model>, name: string): KeyColumn {
  const column = model.getAttributes()[name];
  const isUnique = column?.primaryKey === true || (Boolean(column?.unique) && column?.allowNull === false);
  const parse = parserFor(column?.type);
  if (column === undefined || parse === undefined || !isUnique)
    throw unexpected(`\`by\` of keyset() for ${model.name}`, 'a column that is unique and never null', name);
  return { ...column, name, parse };
}

function cursorOf(args: ActionArguments, { type, parse }: KeyColumn): unknown {
  const value = Object.hasOwn(args, 'after') ? args['after'] : undefined;
  if (value === undefined || value === null) return undefined;
  try {
    return parse(value, { type, blank: true });
  } catch (error) {
    if (error instanceof ValidationError) throw new ValidationError({ after: error.detail }, { cause: error });
    throw error;
  }
}
