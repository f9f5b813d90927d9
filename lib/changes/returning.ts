import { isObject } from '../protocol/envelope.js';
import { isRow } from './queries.js';
import type { SendStatement } from './sequelize-internals.js';

/*
 * PostgreSQL can say of each row that a statement has written which one it is (RETURNING), and of one that an INSERT … ON CONFLICT has
 * written whether it is new. That is exact whatever others do at the same time, and costs no look-up. The application gets what it would
 * have got without.
 */

const KEY = 'express-channels key';
const IS_NEW = 'express-channels is new';

/** A row that a statement has written. */
export interface ReturnedRow {
  readonly key: unknown;
  /** Whether an INSERT has made it; undefined for other statements. */
  readonly isNew: boolean | undefined;
}

/** What a statement has answered, and which rows it has written. */
export interface Returned {
  readonly result: unknown;
  readonly rows: readonly ReturnedRow[];
}

/** Whether a statement can be asked which rows it has written, and how. */
export function returningOf(sql: string, options: Readonly<Record<string, unknown>>): 'rows' | 'kinds' | undefined {
  const hasReturning = /\sRETURNING\s/i.test(sql);
  // With a search path it would be one of two statements.
  if ('searchPath' in options || /^SET\b/i.test(sql)) return undefined;
  if (options['type'] === 'BULKUPDATE' || (options['type'] === 'UPDATE' && !isRow(options['instance'])))
    return hasReturning ? undefined : 'rows';
  const isInsert = options['type'] === 'UPSERT' || (options['type'] === 'INSERT' && options['updateOnDuplicate'] !== undefined);
  return isInsert && hasReturning ? 'kinds' : undefined;
}

/** Sends an UPDATE, and has it say which rows it has written. */
export async function sendReturningRows(send: SendStatement, sql: string, column: string, type: unknown): Promise<Returned> {
  const statement = `${ended(sql)}\nRETURNING ${quoted(column)} AS ${quoted(KEY)}`;
  const isBulk = type === 'BULKUPDATE';
  const answer = await send(statement, isBulk ? { returning: true, raw: true } : {});
  const list: unknown = isBulk ? answer : Array.isArray(answer) ? answer[0] : undefined;
  const rows = (Array.isArray(list) ? list : []).filter(isObject).map((row) => ({ key: row[KEY], isNew: undefined }));
  return { result: isBulk ? rows.length : [[], rows.length], rows };
}

/** Sends an INSERT … ON CONFLICT … RETURNING, and has it say which rows are new: they have no transaction that has updated them. */
export async function sendReturningKinds(send: SendStatement, sql: string, column: string): Promise<Returned> {
  const statement = `${ended(sql)}, ${quoted(column)} AS ${quoted(KEY)}, (xmax = 0) AS ${quoted(IS_NEW)}`;
  const result = await send(statement, {});
  const first: unknown = Array.isArray(result) ? result[0] : undefined;
  const list: unknown[] = Array.isArray(first) ? first : [isRow(first) ? first.dataValues : undefined];
  return { result, rows: list.filter(isObject).map(takeFrom) };
}

/** Takes out of a row what the application has not asked for. */
function takeFrom(row: object): ReturnedRow {
  const key: unknown = Reflect.get(row, KEY);
  const taken = { key, isNew: Reflect.get(row, IS_NEW) === true };
  for (const name of [KEY, IS_NEW]) Reflect.deleteProperty(row, name);
  return taken;
}

function ended(sql: string): string {
  return sql.replace(/[;\s]+$/, '');
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
