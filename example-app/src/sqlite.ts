import sqlite, { type BindValues, type QueryResult } from 'node-sqlite3-wasm';

/** By the name of its class Sequelize knows that it can number the rows of a `bulkCreate`. */
class Statement {
  constructor(
    readonly lastID?: number,
    readonly changes?: number,
  ) {}
}
type Done = (this: Statement, error: Error | null, rows?: QueryResult[]) => void;

/** What Sequelize needs of the `sqlite3` package, on a build of SQLite that installs without a compiler. */
export class Database {
  readonly #file: sqlite.Database;

  constructor(
    readonly filename: string,
    _mode: number,
    opened: (error: null) => void,
  ) {
    this.#file = new sqlite.Database(filename);
    // Sequelize keeps the connection first and reads it in the callback.
    queueMicrotask(() => {
      opened(null);
    });
  }

  serialize(statements: () => void): void {
    statements();
  }

  run(sql: string, values?: BindValues, done?: Done): void {
    settle(done, () => {
      const { lastInsertRowid, changes } = this.#file.run(sql, values);
      return [new Statement(Number(lastInsertRowid), changes)];
    });
  }

  all(sql: string, values?: BindValues | Done, done?: Done): void {
    if (typeof values === 'function') {
      this.all(sql, undefined, values);
      return;
    }
    settle(done, () => [new Statement(), this.#file.all(sql, values)]);
  }

  /** Sequelize closes the connection of a transaction without a callback. */
  close(closed?: (error: null) => void): void {
    this.#file.close();
    closed?.(null);
  }
}

export const OPEN_READWRITE = 2;
export const OPEN_CREATE = 4;

function settle(done: Done | undefined, execute: () => [Statement, QueryResult[]?]): void {
  let outcome: [Statement, QueryResult[]?];
  try {
    outcome = execute();
  } catch (error) {
    if (!(error instanceof Error) || done === undefined) throw error;
    done.call(new Statement(), Object.assign(error, { code: codeOf(error.message) }));
    return;
  }
  const [result, rows] = outcome;
  done?.call(result, null, rows);
}

/** The code by which Sequelize tells a violated constraint and a busy file from other errors. */
function codeOf(message: string): string {
  if (message.includes('constraint failed')) return 'SQLITE_CONSTRAINT';
  return message.includes('database is locked') ? 'SQLITE_BUSY' : 'SQLITE_ERROR';
}
