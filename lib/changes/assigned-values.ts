import type { Model } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import type { ChangeFeed } from './change-feed.js';
import { columnOf, deletionAttribute, isAlive } from './queries.js';
import { isPrimaryKey, type PrimaryKey } from './row-change.js';
import { countsMatches } from './row-writes.js';
import type { WriteStatement } from './statements.js';

/** What a statement on the rows that meet a condition assigns to them, and what follows from that. */
export class AssignedValues {
  readonly #feed: ChangeFeed;
  readonly #statement: WriteStatement;
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(feed: ChangeFeed, statement: WriteStatement) {
    this.#feed = feed;
    this.#statement = statement;
    this.#values = isObject(statement.values) ? statement.values : {};
  }

  /** Whether rows may be softly deleted, or restored. */
  get mayRestore(): boolean {
    const { verb, options } = this.#statement;
    const deletion = deletionAttribute(this.#feed.model);
    return deletion !== undefined && (verb === 'restore' || options.paranoid === false || deletion in this.#values);
  }

  /** Whether a row exists after the write. */
  exists(existed: boolean): boolean {
    const { verb } = this.#statement;
    const deletion = deletionAttribute(this.#feed.model) ?? '';
    if (verb === 'destroy') return false;
    if (deletion in this.#values) return isAlive(this.#feed.model, this.#values[deletion]);
    return existed || verb === 'restore';
  }

  /** The key that the rows get; undefined if they keep theirs, without a `pk` if the database computes it. */
  get newKey(): { readonly pk: PrimaryKey | undefined } | undefined {
    const { sql, verb } = this.#statement;
    const { model } = this.#feed;
    if (verb !== 'update') return undefined;
    const column = columnOf(model, model.primaryKeyAttribute);
    const assignments = sql.slice(0, /\sWHERE\s/.exec(sql)?.index ?? sql.length);
    if (!['"', '`'].some((quote) => assignments.includes(`${quote}${column}${quote}=`))) return undefined;
    const value = this.#values[model.primaryKeyAttribute];
    return { pk: isPrimaryKey(value) ? value : undefined };
  }

  /** What is compared, where the database counts the rows that have changed alone. */
  get compared(): string[] {
    return countsMatches(this.#feed) ? [] : Object.keys(this.#values);
  }

  /** How many of these rows the database counts: MariaDB and MySQL leave out those that have the new values already. */
  countOf(rows: ReadonlyMap<string, Model>): number {
    const { compared } = this;
    if (compared.length === 0) return rows.size;
    const differs = (row: Model): boolean =>
      compared.some((name) => comparable(row.getDataValue(name)) !== comparable(this.#values[name]));
    return [...rows.values()].filter(differs).length;
  }
}

function comparable(value: unknown): string {
  if (typeof value === 'boolean') return String(Number(value));
  return value instanceof Date ? String(value.getTime()) : String(value);
}
