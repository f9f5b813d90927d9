import {
  DatabaseError,
  ForeignKeyConstraintError,
  type Sequelize,
  TimeoutError,
  Transaction,
  UniqueConstraintError,
} from 'sequelize';
import { Random } from '../support/random.js';
import type { TestDatabase } from './databases.js';
import { write, writeAll, type Writing } from './parallel-writes.js';

/** What all the workers do until they rest: of each worker the seeds of its transactions and other writes. */
export type Round = readonly (readonly number[])[];

export type Outcome = 'committed' | 'rolled back' | 'refused';

export interface Wait {
  readonly ms: number;
  readonly of: string;
}

/** How long a statement, a BEGIN or a COMMIT may take before the test gives up. */
const LIMIT_MS = 8_000;
/** How often a transaction is tried that the database refuses for the sake of others. */
const MAX_TRIES = 500;

/** Rounds with that many steps in all, of at least two workers each. */
export function planned(random: Random, steps: number, perRound: number, maxWorkers: number): Round[] {
  const rounds: Round[] = [];
  for (let left = steps; left > 0; left -= perRound) {
    const workers: number[][] = Array.from({ length: random.integer(2, maxWorkers) }, () => []);
    for (let step = 0; step < Math.min(left, perRound); step += 1)
      workers[random.integer(0, workers.length - 1)]?.push(random.integer(0, 2 ** 31 - 1));
    rounds.push(workers);
  }
  return rounds;
}

/** Runs rounds on a database; each transaction is tried until it is through, as applications do. */
export class Workers {
  readonly outcomes: Outcome[][][] = [];
  /** Attempts that the database has refused for the sake of others. */
  retries = 0;
  longest: Wait = { ms: 0, of: 'nothing' };
  readonly #database: TestDatabase;
  readonly #isOwn: boolean;
  #isStopped = false;

  readonly #isObserved: boolean;

  constructor(database: TestDatabase, isOwn: boolean, isObserved: boolean) {
    this.#database = database;
    this.#isOwn = isOwn;
    this.#isObserved = isObserved;
  }

  get committed(): number {
    return this.outcomes.flat(2).filter((outcome) => outcome === 'committed').length;
  }

  /** How each step has ended. */
  report(): readonly string[] {
    return this.outcomes.flatMap((workers, round) =>
      workers.flatMap((steps, worker) => steps.map((outcome, step) => `step ${round}.${worker}.${step} was ${outcome}`)),
    );
  }

  /** @param rest - what is waited for after each step, where no two may run at the same time */
  async run(round: Round, rest: () => Promise<void>): Promise<void> {
    const number = this.outcomes.length;
    const outcomes: Outcome[][] = round.map(() => []);
    this.outcomes.push(outcomes);
    const work = async (worker: number, count: number): Promise<void> => {
      for (const seed of round[worker]?.slice(outcomes[worker]?.length ?? 0).slice(0, count) ?? []) {
        if (this.#isStopped) return;
        const step = `${number}.${worker}.${outcomes[worker]?.length ?? 0}`;
        outcomes[worker]?.push(await this.#through(seed, worker, step));
      }
    };
    try {
      if (!this.#database.isInMemory) {
        await Promise.all(round.map((_, worker) => work(worker, Infinity)));
        return;
      }
      for (let turn = 0; round.some(({ length }) => length > turn); turn += 1)
        for (const worker of round.keys()) {
          await work(worker, 1);
          await rest();
        }
    } finally {
      this.#isStopped = this.#isStopped || outcomes.some((one, worker) => one.length < (round[worker]?.length ?? 0));
    }
  }

  async #through(seed: number, worker: number, step: string): Promise<Outcome> {
    for (let tries = 0; tries < MAX_TRIES && !this.#isStopped; tries += 1) {
      try {
        return await this.#try(new Random(seed), worker, step);
      } catch (error) {
        if (error === ROLLED_BACK) return 'rolled back';
        if (this.#isOwn && error instanceof UniqueConstraintError) return 'refused';
        if (!isForOthers(error))
          throw new Error(`${this.#isObserved ? 'Observed' : 'Unobserved'}, step ${step}: ${String(error)}`, { cause: error });
        this.retries += 1;
        // Otherwise the same ones would meet in the same way.
        await new Promise((resolve) => setTimeout(resolve, ((worker + tries) % 7) * Math.min(tries, 10)));
      }
    }
    throw new Error(`Step ${step} was refused ${MAX_TRIES} times.`);
  }

  async #try(random: Random, worker: number, step: string): Promise<Outcome> {
    const sequelize = this.#database.sequelize();
    const kind = random.integer(0, 3);
    const writing: Writing = { random, transaction: null, worker, isOwn: this.#isOwn, step, codes: 0 };
    const one = (next: Writing) => this.#timed(`a write of step ${step}`, write(next));
    if (kind === 0) {
      await one(writing).catch((error: unknown) => {
        throw String(error).includes('finished with state: rollback') ? HIDDEN_DEADLOCK : error;
      });
      return 'committed';
    }
    const begun = sequelize.transaction(this.#options(random));
    const transaction = await this.#timed(`BEGIN of step ${step}`, begun).catch((error: unknown) => {
      // If it begins after all, it must not keep the others from ending.
      begun.then((late) => late.rollback()).catch(() => undefined);
      throw error;
    });
    try {
      await writeAll(sequelize, { ...writing, transaction }, one);
      if (kind === 1) throw ROLLED_BACK;
    } catch (error) {
      // What the database has ended itself need not be rolled back.
      if (!isFinished(transaction)) await this.#timed(`ROLLBACK of step ${step}`, transaction.rollback());
      throw error;
    }
    await this.#timed(`COMMIT of step ${step}`, transaction.commit());
    return 'committed';
  }

  #options(random: Random): { isolationLevel?: Transaction.ISOLATION_LEVELS; type?: Transaction.TYPES } {
    const { READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE } = Transaction.ISOLATION_LEVELS;
    const isolationLevel = [READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE][random.integer(0, 2)] ?? READ_COMMITTED;
    return this.#database.dialect === 'sqlite' ? { type: Transaction.TYPES.IMMEDIATE } : { isolationLevel };
  }

  async #timed<T>(of: string, statement: Promise<T>): Promise<T> {
    const from = performance.now();
    try {
      return await within(LIMIT_MS, of, statement);
    } finally {
      const ms = Math.round(performance.now() - from);
      if (ms > this.longest.ms) this.longest = { ms, of };
    }
  }
}

const ROLLED_BACK = new Error('rolled back');
/** In place of a deadlock, `findOrCreate` says that it can't commit the transaction that it has begun by itself. */
const HIDDEN_DEADLOCK = new Error('deadlock');

/** @throws if it takes longer */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${what} did not end within ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Has deadlocks of PostgreSQL found at once: otherwise each takes a second. */
export async function findDeadlocksAtOnce(sequelize: Sequelize): Promise<void> {
  if (sequelize.getDialect() !== 'postgres') return;
  await sequelize.query(`ALTER SYSTEM SET deadlock_timeout = '20ms'`);
  await sequelize.query('SELECT pg_reload_conf()');
}

/** Whether a transaction can only be tried again: because of a deadlock, or of what others have written. */
function isForOthers(error: unknown): boolean {
  if (error instanceof UniqueConstraintError || error instanceof ForeignKeyConstraintError || error instanceof TimeoutError)
    return true;
  if (!(error instanceof DatabaseError)) return error === HIDDEN_DEADLOCK;
  const codes = ['code', 'errno'].map((name): unknown => Reflect.get(error.parent, name));
  return codes.some((code) => RETRIED.includes(String(code)));
}

/** Of PostgreSQL (serialization failure, deadlock), and of MariaDB (record has changed, waited too long for a lock, deadlock). */
const RETRIED = ['40001', '40P01', '1020', '1205', '1213'];

function isFinished(transaction: Transaction): boolean {
  return Reflect.get(transaction, 'finished') !== undefined;
}
