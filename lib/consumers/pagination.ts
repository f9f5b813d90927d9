import type { Model, ModelStatic } from 'sequelize';

import { checkKeys, unexpected } from '../protocol/options.js';
import type { ActionArguments } from './action.js';
import type { Rows } from './rows.js';

/** Pages of rows, from the one that the arguments ask for to the last; each is read when it is asked for. */
export type Paginate = (rows: Rows, args: ActionArguments) => AsyncGenerator<unknown, void>;

/** How the lists of a model are divided into pages. Throws a TypeError for a model that can't be divided so. */
export type Pagination = (model: ModelStatic<Model>) => Paginate;

/** Options of {@link limitOffset}. */
export interface LimitOffsetOptions {
  /** Rows of a page for which no usable limit is given. @default `max`; without that there are no pages then, but all rows at once */
  readonly limit?: number;
  /** Most rows of a page. @default no bound */
  readonly max?: number;
}

/**
 * Pages by `limit` and `offset`, which stand beside the action. A page is `{ count, results, limit, offset }`.
 *
 * @throws TypeError for a limit that is no positive integer
 *
 * @example
 * modelConsumer(Post, { serializer: PostSerializer, actions: crud('list'), pagination: limitOffset({ limit: 20, max: 100 }) });
 */
export function limitOffset(options: LimitOffsetOptions = {}): Pagination {
  checkLimits('limitOffset()', options);
  return () =>
    async function* pages(rows, args) {
      const limit = limitOf(args, options);
      if (limit === undefined) {
        yield await rows.all();
        return;
      }
      const start = integerOf(args, 'offset', 0) ?? 0;
      for (let offset = start; ; offset += limit) {
        const { count, results } = await rows.page(limit, offset);
        yield { count, results, limit, offset };
        if (offset + limit >= count) return;
      }
    };
}

/** Everything on one page. */
export const unpaginated: Pagination = () =>
  async function* pages(rows) {
    yield await rows.all();
  };

/** @throws TypeError for a limit that is no positive integer, or for other options than `known` */
export function checkLimits(where: string, options: LimitOffsetOptions, known: readonly string[] = []): void {
  checkKeys(where, options, ['limit', 'max', ...known]);
  for (const [name, value] of Object.entries({ limit: options.limit, max: options.max })) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 1))
      throw unexpected(`\`${name}\` of ${where}`, 'a positive integer', value);
  }
  const { limit = 1, max = Infinity } = options;
  if (limit > max) throw unexpected(`\`limit\` of ${where}`, `at most \`max\`, ${String(max)}`, limit);
}

/** The rows of a page: those asked for, within the bounds; the default where that can't be used. */
export function limitOf(args: ActionArguments, { limit, max }: LimitOffsetOptions): number | undefined {
  const asked = integerOf(args, 'limit', 1) ?? limit ?? max;
  return asked === undefined ? undefined : Math.min(asked, max ?? asked);
}

/** An integer or its text, no larger than numbers are exact; undefined for anything else. */
function integerOf(args: ActionArguments, key: string, min: number): number | undefined {
  const value = Object.hasOwn(args, key) ? args[key] : undefined;
  const isText = typeof value === 'string' && /^\s*\+?\d+\s*$/.test(value);
  if (!isText && !Number.isInteger(value)) return undefined;
  const number = Math.min(Number(value), Number.MAX_SAFE_INTEGER);
  return number >= min ? number : undefined;
}
