import { setTimeout as wait } from 'node:timers/promises';

import type { Sequelize, Transaction } from 'sequelize';

import { within } from '../protocol/time.js';
import { addHooks } from './hook-set.js';
import { runDetached } from './detached.js';
import { closeConnection, hasSingleConnection, isClosed, openConnection, transactionOn } from './sequelize-internals.js';

/** So long a writer waits for a look-up, in milliseconds; then subscribers get a `resync`. */
const LOOK_UP_MS = 750;

/** So long the rows of committed changes may take to be read, in milliseconds. */
const READ_MS = 10_000;

/** Connections beside the pool, each opened when the others are busy and closed when it was idle for a second. */
const MAX_CONNECTIONS = 3;
const IDLE_MS = 1_000;

/** Between two attempts to read a SQLite file that a writer has locked, in milliseconds. */
const RETRY_MS = 10;

/** A connection, and the transaction in name over which Sequelize sends statements to it. */
interface OwnConnection {
  readonly connection: object;
  readonly on: Transaction;
}

/** Reads over a connection of the reader, or one of the pool for null. */
type Read<Result> = (on: Transaction | null) => Promise<Result>;

interface IdleConnection {
  readonly own: OwnConnection;
  readonly timer: NodeJS.Timeout;
}

/**
 * Reads a database over connections of its own. So a look-up never takes a connection that the application waits for, never runs in one
 * of its transactions, and sees committed rows alone. SQLite is read over the connection that Sequelize has for statements outside of
 * transactions: a file of one process needs no other.
 */
export class DatabaseReader {
  static readonly #readers = new WeakMap<Sequelize, DatabaseReader>();

  readonly #sequelize: Sequelize;
  /** Whether rows are looked up before they are written, in transactions, too: no other connection reads a SQLite file while one writes. */
  readonly looksBefore: boolean;
  /**
   * Whether all transactions and all other statements share one connection, as in a SQLite database in memory. A read there sees what
   * others have not committed, so writers have to wait until their rows have been read.
   */
  readonly isSingleConnection: boolean;
  readonly #idle: IdleConnection[] = [];
  #busy = 0;
  /** Look-ups that were given up, and are not answered yet. */
  #unanswered = 0;
  readonly #waiting: (() => void)[] = [];
  #users = 0;
  #detach: (() => void) | undefined;

  private constructor(sequelize: Sequelize) {
    this.#sequelize = sequelize;
    this.looksBefore = sequelize.getDialect() === 'sqlite';
    this.isSingleConnection = hasSingleConnection(sequelize);
  }

  static of(sequelize: Sequelize): DatabaseReader {
    const reader = DatabaseReader.#readers.get(sequelize) ?? new DatabaseReader(sequelize);
    DatabaseReader.#readers.set(sequelize, reader);
    return reader;
  }

  /** Ends its connections with those of the pool from now on, or when nothing uses the reader any more. */
  use(): () => void {
    this.#users += 1;
    this.#detach ??= addHooks(this.#sequelize, {
      beforeDisconnect: () => {
        if (isClosed(this.#sequelize)) this.#closeIdle();
      },
    });
    return () => {
      this.#users -= 1;
      if (this.#users > 0) return;
      this.#detach?.();
      this.#detach = undefined;
      this.#closeIdle();
    };
  }

  /**
   * Looks rows up for a writer that waits: not for long, and not at all while earlier reads are stuck.
   *
   * @param readsIn - the transaction of a SQLite file in which they are looked up
   * @throws Error if the database does not answer in time, or what it answers if it refuses
   */
  lookUp<Result>(work: Read<Result>, readsIn?: Transaction): Promise<Result> {
    if (readsIn !== undefined) return work(readsIn);
    if (this.#unanswered > 0) return Promise.reject(late(LOOK_UP_MS));
    const answer = this.#read(work, false);
    return within(LOOK_UP_MS, answer, () => {
      this.#awaitAnswer(answer);
      return late(LOOK_UP_MS);
    });
  }

  /**
   * Looks rows up as {@link lookUp} does, those too that are not committed yet, on MariaDB and MySQL.
   *
   * @param readsIn - the transaction of a SQLite file in which they are looked up
   * @throws Error if the database does not answer in time, or what it answers if it refuses
   */
  lookUpUncommitted<Result>(work: Read<Result>, readsIn: Transaction | undefined): Promise<Result> {
    if (this.looksBefore) return this.lookUp(work, readsIn);
    return this.lookUp(async (on) => {
      // For the next statement alone.
      await this.#sequelize.query('SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED', {
        transaction: on,
        logging: false,
        raw: true,
      });
      return work(on);
    });
  }

  /**
   * Reads rows that no writer waits for.
   *
   * @throws Error if the database does not answer in time, or what it answers if it refuses
   */
  read<Result>(work: Read<Result>): Promise<Result> {
    return within(READ_MS, this.#read(work, true), () => late(READ_MS));
  }

  #read<Result>(work: Read<Result>, mayUsePool: boolean): Promise<Result> {
    return runDetached(() => (this.looksBefore ? whileLocked(() => work(null)) : this.#readOnOwn(work, mayUsePool)));
  }

  /** As long as a look-up that was given up is not answered, no writer waits for another one. */
  #awaitAnswer(answer: Promise<unknown>): void {
    this.#unanswered += 1;
    const answered = (): void => {
      this.#unanswered -= 1;
    };
    answer.then(answered, answered);
  }

  async #readOnOwn<Result>(work: Read<Result>, mayUsePool: boolean): Promise<Result> {
    while (this.#busy >= MAX_CONNECTIONS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#busy += 1;
    let own: OwnConnection | undefined;
    try {
      own = this.#takeIdle() ?? (await this.#open(mayUsePool));
      // Where no more connections are to be had, one of the pool has to do.
      const result = await work(own?.on ?? null);
      if (own !== undefined) this.#release(own);
      return result;
    } catch (error) {
      if (own !== undefined) this.#close(own);
      throw error;
    } finally {
      this.#busy -= 1;
      this.#waiting.shift()?.();
    }
  }

  #takeIdle(): OwnConnection | undefined {
    const idle = this.#idle.pop();
    clearTimeout(idle?.timer);
    return idle?.own;
  }

  async #open(mayUsePool: boolean): Promise<OwnConnection | undefined> {
    let connection: object;
    try {
      connection = await openConnection(this.#sequelize);
    } catch (error) {
      // The connections of the pool are not for what a writer waits for: it may be waiting for one itself.
      if (!mayUsePool) throw error;
      return undefined;
    }
    const own = { connection, on: transactionOn(this.#sequelize, connection) };
    try {
      await readCommitted(this.#sequelize, own.on);
    } catch (error) {
      this.#close(own);
      throw error;
    }
    return own;
  }

  #release(own: OwnConnection): void {
    if (this.#users === 0 || isClosed(this.#sequelize)) {
      this.#close(own);
      return;
    }
    const timer = setTimeout(() => {
      this.#idle.splice(
        this.#idle.findIndex((idle) => idle.own === own),
        1,
      );
      this.#close(own);
    }, IDLE_MS).unref();
    this.#idle.push({ own, timer });
  }

  #closeIdle(): void {
    for (const { own, timer } of this.#idle.splice(0)) {
      clearTimeout(timer);
      this.#close(own);
    }
  }

  #close({ connection }: OwnConnection): void {
    // A connection that is lost cannot be closed in good order, and need not be.
    closeConnection(this.#sequelize, connection).catch(() => undefined);
  }
}

/**
 * Has each SELECT see what is committed when it begins, and nothing else: on PostgreSQL one of a serializable transaction could make
 * those of the application fail, and on MySQL one that reads uncommitted rows would see what is rolled back.
 */
async function readCommitted(sequelize: Sequelize, on: Transaction): Promise<void> {
  const isPostgres = sequelize.getDialect() === 'postgres';
  const options = { transaction: on, logging: false as const, raw: true };
  const shown = isPostgres ? 'SHOW default_transaction_isolation' : "SHOW VARIABLES LIKE '%isolation'";
  const level = JSON.stringify(await sequelize.query(shown, options)).toLowerCase();
  if (isPostgres && level.includes('serializable'))
    await sequelize.query('SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED', options);
  if (!isPostgres && level.includes('uncommitted'))
    await sequelize.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', options);
}

/** A SQLite file is locked for a moment while a transaction is committed. */
async function whileLocked<Result>(work: () => Promise<Result>): Promise<Result> {
  const until = performance.now() + READ_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > until || !/database is locked|SQLITE_BUSY/.test(String(error))) throw error;
      await wait(RETRY_MS);
    }
  }
}

function late(ms: number): Error {
  return new Error(`Expected the database to answer a look-up of an observer within ${ms} ms.`);
}
