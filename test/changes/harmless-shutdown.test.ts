import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { DataTypes, QueryTypes } from 'sequelize';
import { until } from '../support/socket-client.js';
import { endRecordings, onEachDatabase, record } from './databases.js';
import { addressOf, another, closeOthers, optionsOf } from './harness.js';

const ROOT = join(__dirname, '../..');

onEachDatabase(
  ({ sequelize, dialect }) => {
    test('a process that closes its database ends although it observes a model', async () => {
      const { storage } = optionsOf(sequelize());
      const options = { ...addressOf(sequelize()), dialect, ...(storage !== undefined && { storage }) };
      const child = spawn(
        process.execPath,
        ['--import', './test/wire/typescript.mjs', join(__dirname, 'closing-process.ts'), JSON.stringify(options)],
        { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const ended = once(child, 'exit');
      try {
        const printed: unknown = (await once(child.stdout, 'data', { signal: AbortSignal.timeout(10_000) })).at(0);
        expect(String(printed)).toBe('closed\n');
        await until(() => child.exitCode !== null, 3_000);
        expect(child.exitCode).toBe(0);
      } finally {
        child.kill('SIGKILL');
        await ended;
      }
    });

    if (dialect === 'postgres')
      test('a database that is closed has no connection left, and none is opened for what was written last', async () => {
        const name = 'express-channels closing';
        const connections = async (): Promise<number> => {
          const rows = await sequelize().query('SELECT pid FROM pg_stat_activity WHERE application_name = :name', {
            replacements: { name },
            type: QueryTypes.SELECT,
          });
          return rows.length;
        };
        const closing = another(sequelize(), { dialectOptions: { application_name: name } });
        const Row = closing.define('Row', { n: DataTypes.INTEGER }, { tableName: 'closings', timestamps: false });
        await Row.sync({ force: true });
        const recording = record(Row, { needsBefore: true });
        await Row.bulkCreate([{ n: 1 }, { n: 2 }]);
        await until(() => recording.changes.length === 2);
        await closing.transaction((transaction) => Row.increment('n', { where: { n: 2 }, transaction }));
        expect(await connections()).toBeGreaterThan(0);
        await closeOthers();
        await until(async () => (await connections()) === 0, 3_000);
        endRecordings();
      });
  },
  { only: ['SQLite in a file', 'SQLite in a file by sqlite3', 'PostgreSQL', 'MariaDB'] },
);
