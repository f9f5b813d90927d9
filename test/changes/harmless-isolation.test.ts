import { DataTypes, literal, type Model, type ModelStatic, Transaction } from 'sequelize';
import { Copy } from './copy.js';
import { endRecordings, Note, onEachDatabase, record, Thing } from './databases.js';
import { another, closeOthers, commits, ending } from './harness.js';

const WRITERS = 12;
const SERIALIZABLE = { isolationLevel: Transaction.ISOLATION_LEVELS.SERIALIZABLE };

type Write = (index: number, transaction: Transaction) => Promise<unknown>;

const things = (count: number) =>
  Thing.bulkCreate(Array.from({ length: count }, (_, index) => ({ id: index + 1, name: 'a', ownerId: null })));
const thing = (id: number, transaction: Transaction): Promise<Thing> => Thing.findByPk(id, { rejectOnEmpty: true, transaction });

/** Writes of which the database itself commits all, however many there are at once. */
const serializable: readonly [
  name: string,
  on: readonly string[],
  write: (Row: ModelStatic<Model>, index: number, transaction: Transaction) => Promise<unknown>,
][] = [
  [
    'increments of one row',
    ['mariadb', 'mysql'],
    (Row, _index, transaction) => Row.increment('n', { where: { id: 1 }, transaction }),
  ],
  [
    'static updates of one row by a condition',
    ['mariadb', 'mysql'],
    (Row, n, transaction) => Row.update({ n }, { where: { id: 1, label: 'a' }, transaction }),
  ],
  [
    'upserts of new rows',
    ['postgres', 'mariadb', 'mysql'],
    (Row, index, transaction) => Row.upsert({ id: 1_000 + index, label: 'b' }, { transaction }),
  ],
];

/** One write of each kind that is looked up, in this order. */
const each: readonly ((transaction: Transaction) => Promise<unknown>)[] = [
  (transaction) => Thing.create({ id: 100, name: 'b', ownerId: null }, { transaction }),
  async (transaction) => (await thing(1, transaction)).update({ name: 'b' }, { transaction }),
  async (transaction) => (await thing(2, transaction)).destroy({ transaction }),
  async (transaction) => (await thing(3, transaction)).increment('counter', { transaction }),
  (transaction) => Thing.update({ name: 'c' }, { where: { id: 4 }, transaction }),
  (transaction) => Thing.update({ name: 'c' }, { where: { counter: 1 }, transaction }),
  (transaction) => Thing.update({ name: 'd' }, { where: literal('count_of = 1'), transaction }),
  (transaction) => Thing.increment('counter', { where: { name: 'c' }, transaction }),
  (transaction) => Thing.destroy({ where: { name: 'c' }, transaction }),
  (transaction) => Thing.upsert({ id: 5, name: 'e', ownerId: null }, { transaction }),
  (transaction) =>
    Thing.bulkCreate(
      [5, 101].map((id) => ({ id, name: 'f', ownerId: null })),
      { updateOnDuplicate: ['name'], transaction },
    ),
  (transaction) => Note.bulkCreate([{ text: 'n' }, { text: 'm' }], { ignoreDuplicates: true, transaction }),
  (transaction) => Note.destroy({ where: { text: 'n' }, transaction }),
  (transaction) => Note.restore({ where: { text: 'n' }, transaction }),
];

onEachDatabase(
  ({ sequelize, dialect }) => {
    afterEach(async () => {
      sequelize().removeHook('afterQuery', 'mine');
      endRecordings();
      await closeOthers();
    });

    /** What a transaction sends, besides its BEGIN: without numbers, and without what PostgreSQL is to say of the rows that were written. */
    async function statementsOf(writes: readonly ((transaction: Transaction) => Promise<unknown>)[]): Promise<string[]> {
      const statements: string[] = [];
      await Note.destroy({ where: {}, force: true, hooks: false });
      await Thing.destroy({ where: {}, hooks: false });
      await things(8);
      await ending('commit', sequelize(), async (transaction) => {
        const used: unknown = Reflect.get(transaction, 'connection');
        sequelize().addHook('afterQuery', 'mine', (_options, query) => {
          if (query.connection === used) statements.push(String(Reflect.get(query, 'sql')));
        });
        for (const write of writes) await write(transaction);
      });
      sequelize().removeHook('afterQuery', 'mine');
      return statements.map((sql) =>
        sql
          .replaceAll(/\d+/g, '#')
          .replace(/(?:,|\s+RETURNING) "id" AS "express-channels key".*$/, '')
          .replace(/;$/, ''),
      );
    }

    if (dialect === 'sqlite')
      // From then on it has its view of the file, which another SELECT does not change.
      test.each(each.map((write, index) => [index + 1, write] as const))(
        'the first statement of a transaction is one of the application (%i)',
        async (_number, write) => {
          const [plain] = await statementsOf([write]);
          for (const model of [Thing, Note]) record<Model>(model, { needsBefore: true });
          const [observed] = await statementsOf([write]);
          expect(observed).toBe(plain);
        },
      );
    else
      test('within a transaction no statement is sent but those of the application', async () => {
        const plain = await statementsOf(each);
        const recordings = [Thing, Note].map((model) => record<Model>(model, { needsBefore: true }));
        expect(await statementsOf(each)).toEqual(plain);
        expect(plain.length).toBeGreaterThan(each.length);
        expect(recordings.flatMap(({ errors }) => errors)).toEqual([]);
      });

    if (dialect === 'sqlite')
      test('as many of six parallel transactions are committed as without an observer', async () => {
        const write: Write = async (index, transaction) => {
          await Thing.update({ name: 'b' }, { where: { id: index + 1, counter: 0 }, transaction });
          await Thing.increment('counter', { where: { id: index + 1 }, transaction });
        };
        const counts: number[] = [];
        for (const isObserved of [false, true]) {
          await Thing.destroy({ where: {}, hooks: false });
          await things(6);
          const copy = isObserved ? await Copy.of(Thing) : undefined;
          counts.push(await commits(sequelize(), 6, write));
          if (isObserved) expect(counts).toEqual([6, 6]);
          await copy?.expectExact();
        }
      });

    if (dialect === 'mariadb' || dialect === 'mysql')
      test('transactions that write what they have read behind a lock lose no update', async () => {
        const count: Write = async (_index, transaction) => {
          await Thing.increment('counter', { where: { id: 1 }, transaction });
          const other = await thing(2, transaction);
          await other.update({ counter: other.counter + 1 }, { transaction });
        };
        for (const isObserved of [false, true]) {
          await Thing.destroy({ where: {}, hooks: false });
          await things(2);
          const copy = isObserved ? await Copy.of(Thing) : undefined;
          expect(await commits(sequelize(), 10, count)).toBe(10);
          const rows = await Thing.findAll({ order: ['id'] });
          expect([isObserved, ...rows.map(({ counter }) => counter)]).toEqual([isObserved, 10, 10]);
          await copy?.expectExact();
        }
      });

    if (dialect !== 'sqlite')
      test.each(serializable.filter(([, on]) => on.includes(dialect)))(
        'under SERIALIZABLE, as many of twelve parallel %s are committed as without an observer',
        async (_name, _on, write) => {
          const wide = another(sequelize(), { pool: { max: WRITERS } });
          const Row = wide.define(
            'Row',
            { n: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0 }, label: DataTypes.STRING },
            { tableName: 'serials', timestamps: false },
          );
          const counts: number[] = [];
          for (const isObserved of [false, true]) {
            await Row.sync({ force: true });
            await Row.bulkCreate(Array.from({ length: WRITERS }, () => ({ label: 'a' })));
            const copy = isObserved ? await Copy.of(Row) : undefined;
            counts.push(await commits(wide, WRITERS, (index, transaction) => write(Row, index, transaction), SERIALIZABLE));
            await copy?.expectExact();
          }
          const [plain = 0, observed = 0] = counts;
          expect(plain).toBeGreaterThan(1);
          expect(observed).toBeGreaterThanOrEqual(plain);
          endRecordings();
        },
      );
  },
  { only: ['SQLite in a file', 'SQLite in a file by sqlite3', 'PostgreSQL', 'MariaDB', 'MariaDB by mysql2'] },
);
