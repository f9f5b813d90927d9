import type { Sequelize, Transaction } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { rootOf } from './sequelize-internals.js';

/** How a transaction has ended; `unknown` if the connection was lost before its COMMIT was answered. */
export type Outcome = 'committed' | 'rolled back' | 'unknown';

let clock = 0;

/** The next moment: moments of one process are in order. */
export function tick(): number {
  clock += 1;
  return clock;
}

/** What takes part in a transaction: the changes of one model. */
export interface Participant {
  /** Before COMMIT is sent: it waits for this, and this has a limit. */
  prepare(): Promise<void>;
  /** When it has ended. The promise settles when the changes are published. */
  end(outcome: Outcome): Promise<void>;
}

/**
 * A transaction with all of its savepoints: what becomes visible at once, or never.
 *
 * ```
 * open ── prepare() ──▶ finishing ── end(outcome) ──▶ over
 *   └──────────────── end('rolled back') ─────────────▲
 * ```
 */
export class RootTransaction {
  readonly #dialect: string;
  /** By their names, when they were set last. */
  readonly #savepoints = new Map<string, number>();
  readonly #undone: { readonly from: number; readonly to: number }[] = [];
  readonly #participants = new Set<Participant>();
  isOver = false;

  constructor(dialect: string) {
    this.#dialect = dialect;
  }

  join(participant: Participant): void {
    this.#participants.add(participant);
  }

  /** Whether a savepoint has been rolled back. */
  get hasUndone(): boolean {
    return this.#undone.length > 0;
  }

  /** Whether a rolled-back savepoint has taken back what was written at a moment. */
  isUndone(moment: number): boolean {
    return this.#undone.some(({ from, to }) => from < moment && moment < to);
  }

  /**
   * Follows savepoints by their statements, not by the objects of Sequelize: it gives a savepoint within another one the same name, so
   * that the rollback of the outer one goes back to the inner one only.
   */
  follow(statement: string): void {
    const set = /^(?:SAVEPOINT|SAVE TRANSACTION)\s+([^\s;]+)/i.exec(statement)?.[1];
    if (set !== undefined) this.#savepoints.set(set, tick());
    const back = /^ROLLBACK\s+(?:WORK\s+|TRANSACTION\s+)?TO(?:\s+SAVEPOINT)?\s+([^\s;]+)/i.exec(statement)?.[1];
    if (back === undefined) return;
    // One that is not known was set before anything was written: all the others are within.
    this.#undone.push({ from: this.#savepoints.get(back) ?? 0, to: tick() });
  }

  /** How a statement that Sequelize does not know as an end ends the transaction; undefined if it does not. */
  endedBy(statement: string): 'committed' | 'rolled back' | undefined {
    if (/^ROLLBACK\s*(?:WORK|TRANSACTION)?\s*;?\s*$/i.test(statement)) return 'rolled back';
    if (/^(?:COMMIT|END)\b/i.test(statement)) return 'committed';
    const isMysql = this.#dialect === 'mariadb' || this.#dialect === 'mysql';
    return isMysql && commitsImplicitly(statement) ? 'committed' : undefined;
  }

  async prepare(): Promise<void> {
    await Promise.all([...this.#participants].map((participant) => participant.prepare()));
  }

  async end(outcome: Outcome): Promise<void> {
    const participants = [...this.#participants];
    this.#participants.clear();
    this.isOver = true;
    await Promise.all(participants.map((participant) => participant.end(outcome)));
  }
}

/** Which statements end a transaction of MariaDB and MySQL: https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/ */
function commitsImplicitly(statement: string): boolean {
  if (/^(?:CREATE|DROP)\s+TEMPORARY\b/i.test(statement)) return false;
  return /^(?:ALTER|ANALYZE|BEGIN|CACHE|CHANGE|CHECK|CREATE|DROP|FLUSH|GRANT|INSTALL|LOAD\s+INDEX|LOCK\s+TABLES?|OPTIMIZE|RENAME|REPAIR|RESET|REVOKE|SET\s+(?:@@)?(?:SESSION\s+)?autocommit\s*=\s*(?:1|ON)|SET\s+PASSWORD|START|STOP|TRUNCATE|UNINSTALL|UNLOCK)\b/i.test(
    statement,
  );
}

/** Follows the transactions of a database in which something observed was written. */
export class TransactionTracker {
  static readonly #trackers = new WeakMap<Sequelize, TransactionTracker>();

  readonly #sequelize: Sequelize;
  readonly #transactions = new WeakMap<Transaction, RootTransaction>();

  private constructor(sequelize: Sequelize) {
    this.#sequelize = sequelize;
  }

  static of(sequelize: Sequelize): TransactionTracker {
    const tracker = TransactionTracker.#trackers.get(sequelize) ?? new TransactionTracker(sequelize);
    TransactionTracker.#trackers.set(sequelize, tracker);
    return tracker;
  }

  /** The tracked transaction that a statement is part of; undefined if nothing observed was written in it. */
  tracked(transaction: Transaction): RootTransaction | undefined {
    return this.#transactions.get(rootOf(transaction));
  }

  /**
   * The transaction that a write is part of. `committed` if that has been committed already, so that the write is by itself;
   * `rolled back` if nothing becomes of it any more.
   */
  transactionOf(transaction: Transaction): RootTransaction | 'committed' | 'rolled back' {
    const root = rootOf(transaction);
    const existing = this.#transactions.get(root);
    if (existing?.isOver === true) return root.finished === 'rollback' ? 'rolled back' : 'committed';
    if (existing !== undefined) return existing;
    if (root.finished !== undefined) return root.finished === 'commit' ? 'committed' : 'rolled back';
    const tracked = new RootTransaction(this.#sequelize.getDialect());
    this.#transactions.set(root, tracked);
    return tracked;
  }

  /** Sends a statement of a tracked transaction, and follows what it does to it. */
  async send(
    tracked: RootTransaction,
    transaction: Transaction,
    statement: string,
    run: () => Promise<unknown>,
  ): Promise<unknown> {
    const root = rootOf(transaction);
    if (root.finished === 'rollback') return run().finally(() => void tracked.end('rolled back'));
    if (root.finished === 'commit') return this.#commit(tracked, run);
    const outcome = tracked.endedBy(statement);
    if (outcome === undefined) return run().finally(() => tracked.follow(statement));
    if (outcome === 'committed') await tracked.prepare();
    return run().finally(() => {
      void tracked.end(outcome);
      // What begins another one is followed from here on.
      if (/^(?:BEGIN|START)\b|\bCHAIN\b/i.test(statement)) this.#transactions.delete(root);
    });
  }

  async #commit(tracked: RootTransaction, run: () => Promise<unknown>): Promise<unknown> {
    await tracked.prepare();
    try {
      const answer = await run();
      // The promise of an end waits for the publishing, and has a limit of its own.
      await tracked.end(isRollback(answer) ? 'rolled back' : 'committed');
      return answer;
    } catch (error) {
      await tracked.end(isRefusal(error) ? 'rolled back' : 'unknown');
      throw error;
    }
  }
}

/** PostgreSQL answers with ROLLBACK to the COMMIT of a transaction in which a statement has failed. */
function isRollback(answer: unknown): boolean {
  const result: unknown = Array.isArray(answer) ? answer[1] : undefined;
  return isObject(result) && result['command'] === 'ROLLBACK';
}

/** Whether it was the database that refused a COMMIT, and not the connection that was lost on the way. */
function isRefusal(error: unknown): boolean {
  const parent = isObject(error) ? error['parent'] : undefined;
  if (!isObject(parent)) return false;
  const { severity, sqlState, fatal, code } = parent;
  if (severity !== undefined) return severity === 'ERROR';
  if (typeof code === 'string' && code.startsWith('SQLITE_')) return true;
  return typeof sqlState === 'string' && fatal !== true && !sqlState.startsWith('08');
}
