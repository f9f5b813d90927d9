// A process that observes, writes, closes its database, and has nothing else to do, for harmless-shutdown.test.ts. Argument: the options of
// Sequelize. It prints a line when the database is closed.
import { DataTypes, type Options, Sequelize } from 'sequelize';

import * as sqlite from '../../example-app/src/sqlite.js';
import { observeChanges } from '../../lib/changes/model-changes.js';

function isOptions(value: unknown): value is Options {
  return typeof value === 'object' && value !== null && 'dialect' in value;
}

async function main(): Promise<void> {
  const options: unknown = JSON.parse(process.argv[2] ?? '');
  if (!isOptions(options)) throw new TypeError('Expected the options of a Sequelize.');
  const sequelize = new Sequelize({ ...options, ...(options.dialect === 'sqlite' && { dialectModule: sqlite }), logging: false });
  const Row = sequelize.define('Row', { n: DataTypes.INTEGER }, { tableName: 'closings', timestamps: false });
  await Row.sync({ force: true });
  observeChanges(Row, {
    wanted: () => true,
    needsBefore: () => true,
    manyToMany: [],
    maxRows: 1_000,
    committed: () => undefined,
    missed: () => undefined,
    failed: () => undefined,
  });
  await Row.bulkCreate([{ n: 1 }, { n: 2 }]);
  await Row.update({ n: 3 }, { where: { n: 1 } });
  await sequelize.transaction(async (transaction) => {
    await Row.increment('n', { where: { n: 2 }, transaction });
    await Row.destroy({ where: { n: 3 }, transaction });
  });
  await Row.upsert({ id: 9, n: 9 });
  await sequelize.close();
  console.log('closed');
}

void main();
