import { DataTypes, type Model, type ModelStatic, type Sequelize, type Transaction } from 'sequelize';
import { until } from '../support/socket-client.js';
import { Copy } from './copy.js';
import { endRecordings, Note, onEachDatabase, record, type Recording } from './databases.js';
import { another, closeOthers, within } from './harness.js';

type Write = (Row: ModelStatic<Model>, transaction: Transaction) => Promise<unknown>;

/** What the database lets the application do, although it does not let it read all columns. */
const writes: readonly [name: string, write: Write][] = [
  ['a static update by the key', (Row, transaction) => Row.update({ n: 5 }, { where: { id: 1 }, transaction })],
  ['a static update by a condition', (Row, transaction) => Row.update({ n: 5 }, { where: { n: 1 }, transaction })],
  ['a static destroy', (Row, transaction) => Row.destroy({ where: { n: 2 }, transaction })],
  [
    'a save',
    async (Row, transaction) =>
      (await Row.findByPk(1, { attributes: ['id', 'n'], rejectOnEmpty: true, transaction })).update({ n: 6 }, { transaction }),
  ],
  [
    'a destroy',
    async (Row, transaction) =>
      (await Row.findByPk(1, { attributes: ['id', 'n'], rejectOnEmpty: true, transaction })).destroy({ transaction }),
  ],
  ['an upsert', (Row, transaction) => Row.upsert({ id: 1, n: 7 }, { fields: ['id', 'n'], returning: ['id'], transaction })],
];

function define(sequelize: Sequelize, tableName: string): ModelStatic<Model> {
  return sequelize.define(
    'Row',
    {
      id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
      n: DataTypes.INTEGER,
      late: DataTypes.STRING,
    },
    { tableName, timestamps: false },
  );
}

onEachDatabase(
  ({ sequelize }) => {
    const run = async (...statements: readonly string[]): Promise<void> => {
      for (const statement of statements) await sequelize().query(statement);
    };
    const fill = (table: string) => run(`TRUNCATE ${table}`, `INSERT INTO ${table} (id, n) VALUES (1, 1), (2, 2)`);

    /** Runs a transaction that goes on after a write, without an observer and with one. */
    async function expectHarmless(table: string, Row: ModelStatic<Model>, write: Write): Promise<Recording<Model>> {
      const database = Row.sequelize;
      if (database === undefined) throw new Error('Expected a model with a database.');
      const work = async (): Promise<unknown> => {
        await fill(table);
        await database.transaction(async (transaction) => {
          await write(Row, transaction);
          await database.query('INSERT INTO notes (text) VALUES (:text)', { replacements: { text: 'n' }, transaction });
        });
        const [rows] = await sequelize().query(`SELECT id, n FROM ${table} ORDER BY id`);
        return [rows, await Note.destroy({ where: { text: 'n' }, force: true })];
      };
      const plain = await work();
      const recording = record(Row, { needsBefore: true });
      expect(await within(2_500, work())).toEqual(plain);
      return recording;
    }

    afterEach(async () => {
      endRecordings();
      await closeOthers();
    });

    describe('a column that the database does not have yet', () => {
      beforeAll(() => run('CREATE TABLE early (id SERIAL PRIMARY KEY, n INTEGER)'));

      test.each(writes)('harms no transaction with %s, and what it wrote is said to be missed', async (_name, write) => {
        const recording = await expectHarmless('early', define(sequelize(), 'early'), write);
        await until(() => recording.missedTimes > 0 && recording.errors.length > 0, 2_000);
        expect(recording.changes).toEqual([]);
      });
    });

    describe('a column that the account may not read', () => {
      beforeAll(() =>
        run(
          'CREATE TABLE secrets (id SERIAL PRIMARY KEY, n INTEGER, late TEXT)',
          'CREATE ROLE clerk LOGIN',
          'GRANT SELECT (id, n), INSERT, UPDATE, DELETE ON secrets TO clerk',
          'GRANT INSERT ON notes TO clerk',
          'GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO clerk',
        ),
      );

      test.each(writes)('harms no transaction with %s, and what it wrote is said to be missed', async (_name, write) => {
        const clerk = another(sequelize(), { username: 'clerk' });
        const recording = await expectHarmless('secrets', define(clerk, 'secrets'), write);
        await until(() => recording.missedTimes > 0 && recording.errors.length > 0, 2_000);
        expect(recording.changes).toEqual([]);
      });
    });

    describe('a table that the account may not read at all', () => {
      beforeAll(() =>
        run(
          'CREATE TABLE inbox (id SERIAL PRIMARY KEY, n INTEGER, late TEXT)',
          'CREATE ROLE guest LOGIN',
          'GRANT INSERT, UPDATE, DELETE ON inbox TO guest',
          'GRANT INSERT ON notes TO guest',
          'GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO guest',
        ),
      );

      const blind: readonly [name: string, write: Write][] = [
        ['a create', (Row, transaction) => Row.create({ id: 9, n: 9 }, { returning: false, transaction })],
        [
          'a bulkCreate with ignoreDuplicates',
          (Row, transaction) => Row.bulkCreate([{ id: 1 }, { id: 9 }], { ignoreDuplicates: true, returning: false, transaction }),
        ],
        ['a static update', (Row, transaction) => Row.update({ n: 5 }, { where: {}, transaction })],
        ['a static destroy', (Row, transaction) => Row.destroy({ where: {}, transaction })],
      ];

      test.each(blind)('harms no transaction with %s, and what it wrote is said to be missed', async (_name, write) => {
        const guest = another(sequelize(), { username: 'guest' });
        const recording = await expectHarmless('inbox', define(guest, 'inbox'), write);
        await until(() => recording.missedTimes > 0 && recording.errors.length > 0, 2_000);
        expect(recording.changes).toEqual([]);
      });
    });

    test('rows that are read slower than the application lets a statement take harm no transaction', async () => {
      await run(
        'CREATE TABLE slow_rows (id SERIAL PRIMARY KEY, n INTEGER)',
        `CREATE FUNCTION slowly(n INTEGER) RETURNS TEXT LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN n::TEXT; END $$`,
        'CREATE VIEW slow AS SELECT id, n, slowly(n) AS late FROM slow_rows',
      );
      const Row = define(sequelize(), 'slow');
      await fill('slow_rows');
      const copy = await Copy.of(Row);
      const work = sequelize().transaction(async (transaction) => {
        await sequelize().query("SET LOCAL statement_timeout = '100ms'", { transaction });
        await Row.update({ n: 5 }, { where: { id: 1 }, transaction });
        await Row.update({ n: 6 }, { where: { n: 2 }, transaction });
      });
      await within(2_500, work);
      await copy.expectExactOrMissed();
    });

    test('writers go on where the database gives the observer no connection', async () => {
      await run('CREATE ROLE lonely LOGIN CONNECTION LIMIT 1', 'GRANT ALL ON notes TO lonely');
      await run('GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO lonely');
      const lonely = another(sequelize(), { username: 'lonely', pool: { max: 1 } });
      const Row = lonely.define('Row', { text: DataTypes.STRING }, { tableName: 'notes', timestamps: false });
      await lonely.authenticate();
      const writes = [
        () => lonely.transaction((transaction) => Row.create({ text: 'n' }, { transaction })),
        () => Row.update({ text: 'm' }, { where: { text: 'n' } }),
        () => Row.destroy({ where: { text: 'm' } }),
      ];
      for (const write of writes) {
        const copy = await Copy.of(Row);
        await within<unknown>(1_500, write());
        await copy.expectExactOrMissed();
        copy.recording.end();
      }
    });
  },
  { only: ['PostgreSQL'] },
);
