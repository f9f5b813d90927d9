import type { Sequelize, Transaction } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { addHooks, type HookSet } from './hook-set.js';

/** What Sequelize keeps in a transaction, and its types leave out. */
type Traced = Transaction & {
  readonly parent?: Traced | null | undefined;
  readonly finished?: string | undefined;
  readonly connection?: object | undefined;
};

/** How a transaction has ended; `unknown` if the connection was lost before its COMMIT was answered. */
export type Outcome = 'committed' | 'rolled back' | 'unknown';

let clock = 0;

/** The next moment: moments of one process are in order. */
export function tick(): number {
  clock += 1;
  return clock;
}

/** A transaction with all of its savepoints: what becomes visible at once, or never. */
export class UnitOfWork {
  readonly root: Transaction;
  readonly #root: Traced;
  /** By their names, when they were set last. */
  readonly #savepoints = new Map<string, number>();
  readonly #undone: { readonly from: number; readonly to: number }[] = [];
  readonly #waiting = new Set<(outcome: Outcome) => Promise<void>>();
  /** Whether its end has been told. */
  isOver = false;

  constructor(root: Transaction) {
    this.root = root;
    this.#root = root;
  }

  /** Whether its end has been asked for: the database gives its rows free from here on. */
  get isFinishing(): boolean {
    return this.#root.finished !== undefined;
  }

  /** What is done at the end is waited for by nobody but databases of a single connection. */
  onEnd(ended: (outcome: Outcome) => Promise<void>): void {
    this.#waiting.add(ended);
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
    const back = /^ROLLBACK\s+(?:TO(?:\s+SAVEPOINT)?|TRANSACTION)\s+([^\s;]+)/i.exec(statement)?.[1];
    if (back === undefined) return;
    // One that is not known was set before anything was written: all the others are within.
    this.#undone.push({ from: this.#savepoints.get(back) ?? 0, to: tick() });
  }

  async end(outcome: Outcome): Promise<void> {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    this.isOver = true;
    await Promise.all(waiting.map((ended) => ended(outcome)));
  }
}

/**
 * Says when transactions of a database end, and how. `afterCommit` alone is not enough: it is not called after a rollback, it is called
 * after a COMMIT that failed, and not at all if another one throws. So the statements are followed, too.
 */
export class CommitQueue {
  static readonly #queues = new WeakMap<Sequelize, CommitQueue>();

  readonly #sequelize: Sequelize;
  readonly #units = new WeakMap<Transaction, UnitOfWork>();
  /** Connections that were closed in place of being given back, because their COMMIT failed: whether they were lost before. */
  readonly #closed = new WeakMap<object, boolean>();
  readonly #isSingleConnection: boolean;
  #users = 0;
  #detach: (() => void) | undefined;

  constructor(sequelize: Sequelize) {
    this.#sequelize = sequelize;
    this.#isSingleConnection = hasSingleConnection(sequelize);
  }

  static of(sequelize: Sequelize): CommitQueue {
    const existing = CommitQueue.#queues.get(sequelize);
    if (existing !== undefined) return existing;
    const queue = new CommitQueue(sequelize);
    CommitQueue.#queues.set(sequelize, queue);
    return queue;
  }

  /**
   * Whether all transactions and all other statements share one connection, as in a SQLite database in memory. Whoever reads there
   * reads what others have not committed, so writers have to wait until what they wrote has been read.
   */
  get isSingleConnection(): boolean {
    return this.#isSingleConnection;
  }

  /** Begins to follow transactions; the function that is returned ends it. */
  use(): () => void {
    this.#users += 1;
    this.#detach ??= addHooks(this.#sequelize, this.#hooks());
    return () => {
      this.#users -= 1;
      if (this.#users > 0) return;
      this.#detach?.();
      this.#detach = undefined;
    };
  }

  /** Whether a transaction has been committed, so that nothing becomes of it any more. */
  isCommitted(transaction: Transaction): boolean {
    const root = rootOf(transaction);
    return root.finished === 'commit' && this.#units.get(root)?.isOver !== false;
  }

  /** The unit that a transaction or savepoint is part of; undefined if it has been rolled back. */
  unitOf(transaction: Transaction): UnitOfWork | undefined {
    const root = rootOf(transaction);
    if (root.finished === 'rollback') return undefined;
    const existing = this.#units.get(root);
    if (existing !== undefined) return existing;
    const unit = new UnitOfWork(root);
    this.#units.set(root, unit);
    root.afterCommit(() => this.#end(root));
    return unit;
  }

  #hooks(): HookSet {
    return {
      afterQuery: (options, query) => {
        const { transaction } = options;
        if (!transaction) return undefined;
        const root = rootOf(transaction);
        const unit = this.#units.get(root);
        if (unit === undefined) return undefined;
        if (root.finished === 'rollback') return this.#end(root);
        // The COMMIT has been answered. What it was is told by what Sequelize does with the connection, which it does at once.
        if (root.finished === 'commit') setImmediate(() => void this.#end(root));
        else if ('sql' in query && typeof query.sql === 'string') unit.follow(query.sql);
        return undefined;
      },
      beforeDisconnect: (connection) => {
        if (isObject(connection) && !this.#closed.has(connection))
          this.#closed.set(connection, isLost(this.#sequelize, connection));
      },
    };
  }

  #end(root: Traced): Promise<void> | undefined {
    const unit = this.#units.get(root);
    const told = unit?.end(this.#outcomeOf(root));
    return this.#isSingleConnection ? told : undefined;
  }

  #outcomeOf({ finished, connection }: Traced): Outcome {
    if (finished !== 'commit') return 'rolled back';
    const isLost = connection && this.#closed.get(connection);
    if (isLost === undefined) return 'committed';
    return isLost ? 'unknown' : 'rolled back';
  }
}

function rootOf(transaction: Transaction): Traced {
  let root: Traced = transaction;
  while (root.parent) root = root.parent;
  return root;
}

/** Whether a connection is of no use any more; one on which the database has refused something still is. */
function isLost({ connectionManager }: Sequelize & { readonly connectionManager?: unknown }, connection: object): boolean {
  const validate: unknown = isObject(connectionManager) ? connectionManager['validate'] : undefined;
  return typeof validate === 'function' && Reflect.apply(validate, connectionManager, [connection]) === false;
}

function hasSingleConnection(sequelize: Sequelize): boolean {
  if (sequelize.getDialect() !== 'sqlite') return false;
  const options: unknown = Reflect.get(sequelize, 'options');
  const { storage, host }: { storage?: unknown; host?: unknown } = isObject(options) ? options : {};
  return (storage ?? host ?? ':memory:') === ':memory:';
}
