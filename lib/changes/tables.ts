import type { Model, ModelStatic, QueryOptions, Sequelize, Transaction } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { DatabaseReader } from './database-reader.js';
import { columnOf } from './queries.js';
import { optionsOf } from './sequelize-internals.js';

/** What can be unique in a table. */
export interface UniqueKeys {
  /** Sets of attributes of which no two rows have all values in common. */
  readonly sets: readonly (readonly string[])[];
  /** Whether there are unique indexes that no values of columns say: of expressions, or of the beginning of a text. */
  readonly hasOthers: boolean;
}

interface TableName {
  readonly schema: string | undefined;
  readonly table: string;
}

/** What the database itself says of its tables, asked once. */
export class Tables {
  static readonly #all = new WeakMap<Sequelize, Tables>();

  readonly #sequelize: Sequelize;
  readonly #reader: DatabaseReader;
  readonly #schemas = new Map<string, Promise<string | undefined>>();
  readonly #uniqueKeys = new Map<string, Promise<UniqueKeys>>();
  readonly #returning = new Map<string, Promise<boolean>>();
  #numberStep: Promise<number> | undefined;

  private constructor(sequelize: Sequelize) {
    this.#sequelize = sequelize;
    this.#reader = DatabaseReader.of(sequelize);
  }

  static of(sequelize: Sequelize): Tables {
    const tables = Tables.#all.get(sequelize) ?? new Tables(sequelize);
    Tables.#all.set(sequelize, tables);
    return tables;
  }

  /** The schema has changed: everything is asked again. */
  forget(): void {
    this.#schemas.clear();
    this.#uniqueKeys.clear();
    this.#returning.clear();
  }

  /**
   * Whether a statement on one model writes the table of another one: of its scopes, of other models of the table, but not of the same
   * model in another schema. Undefined if the database does not say.
   */
  async isSame(one: ModelStatic<Model>, other: ModelStatic<Model>, options: QueryOptions): Promise<boolean | undefined> {
    if (one.sequelize !== other.sequelize) return false;
    const [written, observed] = [tableOf(one), tableOf(other)];
    const isSqlite = this.#sequelize.getDialect() === 'sqlite';
    if (isSqlite)
      return (
        `${written.schema ?? ''}.${written.table}`.toLowerCase() === `${observed.schema ?? ''}.${observed.table}`.toLowerCase()
      );
    if (written.table !== observed.table) return false;
    const path = this.#pathOf(options);
    if (path === undefined && written.schema === observed.schema) return true;
    if (this.#sequelize.getDialect() !== 'postgres') {
      const usual = this.#sequelize.getDialect() === 'mariadb' ? this.#sequelize.getDatabaseName() : undefined;
      return (written.schema ?? usual) === (observed.schema ?? usual);
    }
    try {
      const [here, there] = await Promise.all([this.#schemaOf(written, path), this.#schemaOf(observed, undefined)]);
      return here === there;
    } catch {
      return undefined;
    }
  }

  /**
   * The unique keys of a table, as the database has them: migrations may have made some that no model names.
   *
   * @param readsIn - the transaction of a SQLite file in which they are looked up
   * @throws what the database answers if it refuses
   */
  uniqueKeys(model: ModelStatic<Model>, readsIn?: Transaction): Promise<UniqueKeys> {
    const name = this.#quoted(model);
    const known = this.#uniqueKeys.get(name) ?? this.#readUniqueKeys(model, readsIn);
    this.#uniqueKeys.set(name, known);
    known.catch(() => this.#uniqueKeys.delete(name));
    return known;
  }

  /**
   * Whether statements on a table can say which rows they have written, and do not fail for that: not so on views, behind rules and
   * policies, or for a role that may not read the table.
   */
  async canReturn(model: ModelStatic<Model>): Promise<boolean> {
    if (this.#sequelize.getDialect() !== 'postgres') return false;
    const name = this.#quoted(model);
    const known = this.#returning.get(name) ?? this.#readCanReturn(model);
    this.#returning.set(name, known);
    try {
      return await known;
    } catch {
      // It is asked again for the next statement; this one is followed in another way.
      this.#returning.delete(name);
      return false;
    }
  }

  async #readCanReturn(model: ModelStatic<Model>): Promise<boolean> {
    const [row] = await this.#rows(
      `SELECT c.relkind = 'r' AND NOT c.relrowsecurity AND NOT c.relhasrules AND has_table_privilege(c.oid, 'SELECT') AS able
       FROM pg_catalog.pg_class c WHERE c.oid = to_regclass(:name)`,
      { name: this.#quoted(model) },
    );
    return row?.['able'] === true;
  }

  /**
   * By how much the numbers of generated keys grow: by more than 1 in some clusters of MariaDB and MySQL.
   *
   * @throws what the database answers if it refuses
   */
  numberStep(): Promise<number> {
    if (!['mariadb', 'mysql'].includes(this.#sequelize.getDialect())) return Promise.resolve(1);
    this.#numberStep ??= this.#rows('SELECT @@auto_increment_increment AS step').then(([row]) => Number(row?.['step']));
    this.#numberStep.catch(() => {
      this.#numberStep = undefined;
    });
    return this.#numberStep;
  }

  /** The search path of a statement, if it is another one than that of the database. */
  #pathOf(options: QueryOptions): string | undefined {
    const path: unknown = Reflect.get(options, 'searchPath');
    const usual = optionsOf(this.#sequelize)['searchPath'] ?? 'DEFAULT';
    return typeof path === 'string' && path !== usual ? path : undefined;
  }

  #schemaOf({ schema, table }: TableName, path: string | undefined): Promise<string | undefined> {
    if (schema !== undefined) return Promise.resolve(schema);
    const key = JSON.stringify([table, path]);
    const known = this.#schemas.get(key) ?? this.#readSchema(table, path);
    this.#schemas.set(key, known);
    known.catch(() => this.#schemas.delete(key));
    return known;
  }

  async #readSchema(table: string, path: string | undefined): Promise<string | undefined> {
    const rows = await this.#rows(
      path === undefined
        ? `SELECT n.nspname AS schema FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE c.oid = to_regclass(quote_ident(:table))`
        : `SELECT n.nspname AS schema FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relname = :table AND n.nspname IN (:path)`,
      { table, path: schemasOf(path) },
    );
    const found = rows.map(({ schema }) => schema);
    const first = path === undefined ? found[0] : schemasOf(path).find((schema) => found.includes(schema));
    return typeof first === 'string' ? first : undefined;
  }

  async #readUniqueKeys(model: ModelStatic<Model>, readsIn: Transaction | undefined): Promise<UniqueKeys> {
    const columns = new Map<string, (string | undefined)[]>();
    for (const { index, column } of await this.#indexedColumns(model, readsIn)) {
      const name = String(index);
      columns.set(name, [...(columns.get(name) ?? []), typeof column === 'string' ? column : undefined]);
    }
    const attributes = new Map(Object.keys(model.getAttributes()).map((name) => [columnOf(model, name), name]));
    const sets: string[][] = [[model.primaryKeyAttribute]];
    let hasOthers = false;
    for (const list of columns.values()) {
      const names = list
        .map((column) => (column === undefined ? undefined : attributes.get(column)))
        .filter((name) => name !== undefined);
      if (names.length < list.length) hasOthers = true;
      else if (names.join() !== model.primaryKeyAttribute) sets.push(names);
    }
    return { sets, hasOthers };
  }

  /** Each column of each unique index; `column` is null for an expression or a part of a column. */
  async #indexedColumns(
    model: ModelStatic<Model>,
    readsIn: Transaction | undefined,
  ): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const name = this.#quoted(model);
    switch (this.#sequelize.getDialect()) {
      case 'postgres':
        return this.#rows(
          `SELECT i.indexrelid::text AS index, a.attname AS column FROM pg_catalog.pg_index i
           CROSS JOIN generate_series(0, i.indnkeyatts - 1) AS place
           LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place]
           WHERE i.indrelid = to_regclass(:name) AND i.indisunique`,
          { name },
        );
      case 'sqlite':
        return this.#rows(
          `SELECT list.name AS "index", info.name AS "column" FROM pragma_index_list(:table) AS list, pragma_index_info(list.name) AS info
           WHERE list."unique" = 1`,
          { table: name.replaceAll('`', '') },
          readsIn,
        );
      default: {
        const rows = await this.#rows(`SHOW INDEX FROM ${name} WHERE Non_unique = 0`);
        return rows.map((row) => ({ index: row['Key_name'], column: row['Sub_part'] === null ? row['Column_name'] : null }));
      }
    }
  }

  #quoted(model: ModelStatic<Model>): string {
    const generator: unknown = Reflect.get(this.#sequelize.getQueryInterface(), 'queryGenerator');
    const quote = isObject(generator) ? generator['quoteTable'] : undefined;
    if (typeof quote !== 'function') throw new TypeError('Expected Sequelize to quote names of tables.');
    return String(Reflect.apply(quote, generator, [model.getTableName()]));
  }

  #rows(
    sql: string,
    replacements: Readonly<Record<string, unknown>> = {},
    readsIn?: Transaction,
  ): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return this.#reader.lookUp(async (on: Transaction | null) => {
      const [rows]: [unknown, unknown] = await this.#sequelize.query(sql, {
        replacements: { ...replacements },
        transaction: on,
        logging: false,
        raw: true,
      });
      return Array.isArray(rows) ? rows.filter(isObject) : [];
    }, readsIn);
  }
}

/** Whether two models have the same name of a table. */
export function isSameName(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  return isModel(one) && isModel(other) && JSON.stringify(tableOf(one)) === JSON.stringify(tableOf(other));
}

/** Whether a value is a model of Sequelize. */
export function isModel(value: unknown): value is ModelStatic<Model> {
  return typeof value === 'function' && 'getTableName' in value;
}

function tableOf(model: ModelStatic<Model>): TableName {
  const name: unknown = model.getTableName();
  if (!isObject(name)) return { schema: undefined, table: String(name) };
  const { schema, tableName } = name;
  return { schema: typeof schema === 'string' && schema !== '' ? schema : undefined, table: String(tableName) };
}

function schemasOf(path: string | undefined): string[] {
  return (path ?? '').split(',').map((schema) => schema.trim().replace(/^"(.*)"$/, '$1'));
}
