import type { Sequelize, Transaction } from 'sequelize';

import { isObject } from '../protocol/envelope.js';

/*
 * What is used of Sequelize 6 past its public types, all in one place. Each access checks what it finds: a Sequelize that has
 * changed leads to a clear error or to a `resync`, never to a wrong row.
 */

/** What Sequelize keeps in a transaction, and its types leave out. */
export type TracedTransaction = Transaction & {
  readonly parent?: TracedTransaction | null | undefined;
  readonly finished?: string | undefined;
};

/** The transaction that a transaction or savepoint is part of. */
export function rootOf(transaction: Transaction): TracedTransaction {
  let root: TracedTransaction = transaction;
  while (root.parent) root = root.parent;
  return root;
}

/** The transaction that Sequelize takes where none is named, if the application uses CLS. */
export function transactionOfCls(sequelize: Sequelize): Transaction | undefined {
  const namespace: unknown = Reflect.get(sequelize.constructor, '_cls');
  if (!isObject(namespace) || typeof namespace['get'] !== 'function') return undefined;
  const transaction: unknown = Reflect.apply(namespace['get'], namespace, ['transaction']);
  return isTransaction(transaction) ? transaction : undefined;
}

function isTransaction(value: unknown): value is Transaction {
  return isObject(value) && 'afterCommit' in value;
}

/**
 * Opens a connection beside the pool, with the hooks and settings of those in it.
 *
 * @throws what the driver throws if the database cannot be reached
 */
export async function openConnection(sequelize: Sequelize): Promise<object> {
  const manager = connectionManagerOf(sequelize);
  const config = manager['config'];
  const replication = isObject(config) ? config['replication'] : undefined;
  // Replicas may be behind.
  const connection = await callManager(manager, '_connect', isObject(replication) ? replication['write'] : config);
  if (!isObject(connection)) throw new TypeError('Expected Sequelize to open a connection.');
  return connection;
}

/** Closes a connection that {@link openConnection} has opened. */
export async function closeConnection(sequelize: Sequelize, connection: object): Promise<void> {
  await callManager(connectionManagerOf(sequelize), '_disconnect', connection);
}

/** Whether `sequelize.close()` has been called. */
export function isClosed(sequelize: Sequelize): boolean {
  return Object.hasOwn(connectionManagerOf(sequelize), 'getConnection');
}

/** A transaction in name only, which is never begun: Sequelize sends the statements of one over its connection. */
export function transactionOn(sequelize: Sequelize, connection: object): Transaction {
  const type: unknown = Reflect.get(sequelize.constructor, 'Transaction');
  if (!isTransactionType(type)) throw new TypeError('Expected Sequelize to have a class for transactions.');
  return Object.assign(new type(sequelize, {}), { connection });
}

function isTransactionType(value: unknown): value is typeof Transaction {
  return typeof value === 'function' && value.name === 'Transaction';
}

/** Sends a statement, as it is or another one with more options. */
export type SendStatement = (sql?: string, options?: object) => Promise<unknown>;

/**
 * Puts a function around the statement that a query is about to send, once: a driver may send others by the same query.
 *
 * @param around - calls `send` to send the statement
 */
export function aroundStatement(query: object, around: (send: SendStatement, sql: string) => Promise<unknown>): void {
  const run: unknown = Reflect.get(query, 'run');
  if (typeof run !== 'function') return;
  Object.defineProperty(query, 'run', {
    configurable: true,
    value: (...args: readonly unknown[]): Promise<unknown> => {
      Reflect.deleteProperty(query, 'run');
      const [own, ...others] = args;
      const send = async (sql: unknown = own, options?: object): Promise<unknown> => {
        if (options !== undefined) Object.assign(query, { options: { ...optionsIn(query), ...options } });
        const answer: unknown = await Reflect.apply(run, query, [sql, ...others]);
        return answer;
      };
      return around(send, String(own));
    },
  });
}

function optionsIn(query: object): object {
  const options: unknown = Reflect.get(query, 'options');
  return isObject(options) ? options : {};
}

/** Whether Sequelize keeps all data in one connection, as for a SQLite database in memory. */
export function hasSingleConnection(sequelize: Sequelize): boolean {
  if (sequelize.getDialect() !== 'sqlite') return false;
  const { storage, host } = optionsOf(sequelize);
  return (storage ?? host ?? ':memory:') === ':memory:';
}

/** The options that a Sequelize was made with. */
export function optionsOf(sequelize: Sequelize): Readonly<Record<string, unknown>> {
  const options: unknown = Reflect.get(sequelize, 'options');
  return isObject(options) ? options : {};
}

function connectionManagerOf(sequelize: Sequelize): Readonly<Record<string, unknown>> {
  const manager: unknown = Reflect.get(sequelize, 'connectionManager');
  if (!isObject(manager)) throw new TypeError('Expected Sequelize to have a connection manager.');
  return manager;
}

function callManager(manager: Readonly<Record<string, unknown>>, method: string, argument: unknown): unknown {
  const called = manager[method];
  if (typeof called !== 'function') throw new TypeError(`Expected the connection manager of Sequelize to have ${method}().`);
  return Reflect.apply(called, manager, [argument]);
}
