import { type Options, Sequelize, type Transaction, type TransactionOptions } from 'sequelize';
import { until } from '../support/socket-client.js';

/** Waits for something that must not take long. */
export async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  work.then(settle, settle);
  await until(() => isSettled, timeoutMs);
  return work;
}

/** Runs transactions side by side, and returns how many were committed; those that fail are not tried again. */
export async function commits(
  sequelize: Sequelize,
  count: number,
  write: (index: number, transaction: Transaction) => Promise<unknown>,
  options: TransactionOptions = {},
): Promise<number> {
  const transactions = Array.from({ length: count }, (_, index) =>
    sequelize.transaction(options, (transaction) => write(index, transaction)),
  );
  const ends = await Promise.allSettled(transactions);
  return ends.filter(({ status }) => status === 'fulfilled').length;
}

/** Runs a transaction to an end of one's choice; one that fails does not stay open. */
export async function ending(
  end: 'commit' | 'rollback',
  sequelize: Sequelize,
  work: (transaction: Transaction) => Promise<unknown>,
): Promise<void> {
  const transaction = await sequelize.transaction();
  try {
    await work(transaction);
  } catch (error) {
    await transaction.rollback();
    throw error;
  }
  await transaction[end]();
}

/** The options of a database as an application can copy them. */
export function optionsOf(sequelize: Sequelize): Options {
  const options: unknown = Reflect.get(sequelize, 'options');
  if (!isOptions(options)) throw new TypeError('Expected a Sequelize to have options.');
  return options;
}

function isOptions(value: unknown): value is Options {
  return typeof value === 'object' && value !== null && 'dialect' in value;
}

const opened: Sequelize[] = [];

/** Where the database of a Sequelize is, and as whom it is used. */
export function addressOf(sequelize: Sequelize): Options {
  const { database, username, host, port } = sequelize.config;
  return {
    database,
    username,
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port: Number(port) }),
  };
}

/** Another pool for the database of a Sequelize that is not observed yet; {@link closeOthers} closes it. */
export function another(sequelize: Sequelize, more: Options = {}): Sequelize {
  const other = new Sequelize({ ...optionsOf(sequelize), ...addressOf(sequelize), logging: false, ...more });
  opened.push(other);
  return other;
}

export async function closeOthers(): Promise<void> {
  await Promise.all(opened.splice(0).map((sequelize) => sequelize.close()));
}
