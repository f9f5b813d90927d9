import type { Transaction } from 'sequelize';
import { until } from '../support/socket-client.js';
import { Copy } from './copy.js';
import { onEachDatabase, record, type TestDatabase, Thing } from './databases.js';
import { ending, within } from './harness.js';

/** Statements that make rows, all at once. */
const numbers = (dialect: TestDatabase['dialect'], count: number): string => {
  if (dialect === 'postgres') return `SELECT n, 'a' FROM generate_series(1, ${count}) AS numbers (n)`;
  if (dialect !== 'sqlite') return `SELECT seq, 'a' FROM seq_1_to_${count}`;
  return `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${count}) SELECT n, 'a' FROM numbers`;
};

const writes: readonly [count: number, name: string, write: (transaction: Transaction) => Promise<unknown>][] = [
  [20_000, 'a static destroy', (transaction) => Thing.destroy({ where: { name: 'a' }, transaction })],
  [1_001, 'a static destroy of all', (transaction) => Thing.destroy({ where: {}, transaction })],
  [1_001, 'a static update', (transaction) => Thing.update({ counter: 1 }, { where: { name: 'a' }, transaction })],
  [1_001, 'an increment', (transaction) => Thing.increment('counter', { where: { name: 'a' }, transaction })],
];

onEachDatabase(
  ({ sequelize, statements, dialect }) => {
    const rows = (count: number) => Array.from({ length: count }, () => ({ name: 'b', ownerId: null }));

    describe.each([true, false])('with rows as they were before: %s', (needsBefore) => {
      test.each(writes)('of %i rows, %s is said to be missed, by few statements', async (count, _name, write) => {
        await sequelize().query(`INSERT INTO things (id, name) ${numbers(dialect, count)}`);
        const recording = record(Thing, { needsBefore });
        statements.length = 0;
        await within(5_000, ending('commit', sequelize(), write));
        await until(() => recording.missedTimes > 0, 2_000);
        expect(recording).toMatchObject({ changes: [], missedTimes: 1, errors: [] });
        expect(statements.filter((sql) => sql.startsWith('SELECT')).length).toBeLessThanOrEqual(4);
      });
    });

    test('each listener gets the rows of a transaction one by one up to its own bound, and is said to have missed them above it', async () => {
      const [few, more] = [record(Thing, { maxRows: 5 }), record(Thing, { maxRows: 6 })];
      await Thing.bulkCreate(rows(5));
      await until(() => few.changes.length === 5 && more.changes.length === 5);
      await sequelize().transaction(async (transaction) => {
        await Thing.bulkCreate(rows(3), { transaction });
        await Thing.update({ counter: 1 }, { where: { id: [1, 2, 3] }, transaction });
      });
      await until(() => few.missedTimes === 1 && more.changes.length === 11);
      expect(few.changes).toHaveLength(5);
      await Thing.update({ counter: 2 }, { where: {} });
      await until(() => few.missedTimes === 2 && more.missedTimes === 1);
      // What is small is published again.
      await Thing.destroy({ where: { id: 1 } });
      await until(() => few.changes.length === 6 && more.changes.length === 12);
      expect([few.missedTimes, more.missedTimes]).toEqual([2, 1]);
    });

    test('rows of a transaction that is rolled back, and rows that are written twice, do not count', async () => {
      const copy = await Copy.of(Thing, { maxRows: 3 });
      await ending('rollback', sequelize(), (transaction) => Thing.bulkCreate(rows(10), { transaction }));
      await sequelize().transaction(async (transaction) => {
        const created = await Thing.bulkCreate(rows(3), { transaction });
        for (const { id } of created) await Thing.increment('counter', { where: { id }, transaction });
        await Thing.update({ counter: 9 }, { where: { name: 'b' }, transaction });
      });
      await copy.expectExact();
    });
  },
  { only: ['SQLite in memory', 'PostgreSQL', 'MariaDB'] },
);
