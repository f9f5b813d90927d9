import { DataTypes, literal, type Model, type ModelStatic, type Transaction } from 'sequelize';
import { Copy } from './copy.js';
import { onEachDatabase } from './databases.js';
import { another, closeOthers, within } from './harness.js';

const WORKERS = 8;
/** Of each row. */
const CHANGES = 10;
const others = { where: { label: 'none' } };

type Write = (Row: ModelStatic<Model>, own: number, turn: number, transaction: Transaction) => Promise<unknown>;

/** Writes of a row that no other worker writes, and by a condition that no row meets. */
const mixes: readonly [name: string, turns: number, write: Write][] = [
  [
    'an increment and a static update',
    50,
    async (Row, id, _turn, transaction) => {
      await Row.increment('n', { where: { id }, transaction });
      await Row.update({ late: true }, { ...others, transaction });
    },
  ],
  [
    'a save and a static update',
    15,
    async (Row, id, n, transaction) => {
      const row = await Row.findByPk(id, { rejectOnEmpty: true, transaction });
      await row.update({ n }, { transaction });
      await Row.update({ late: true }, { ...others, transaction });
    },
  ],
  [
    'an increment and a static destroy',
    15,
    async (Row, id, _turn, transaction) => {
      await Row.increment('n', { where: { id }, transaction });
      await Row.destroy({ ...others, transaction });
    },
  ],
  [
    'two static updates',
    15,
    async (Row, id, _turn, transaction) => {
      await Row.update({ n: literal('n + 1') }, { where: { label: `own ${id}` }, transaction });
      await Row.update({ late: true }, { ...others, transaction });
    },
  ],
  [
    'an upsert and a static update',
    15,
    async (Row, id, n, transaction) => {
      await Row.upsert({ id, n, label: `own ${id}` }, { transaction });
      await Row.update({ late: true }, { ...others, transaction });
    },
  ],
];

onEachDatabase(
  ({ sequelize, dialect }) => {
    let Row: ModelStatic<Model>;
    const define = (): ModelStatic<Model> =>
      sequelize().define(
        'Row',
        {
          n: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0 },
          label: { type: DataTypes.STRING, allowNull: false },
          late: { type: DataTypes.BOOLEAN, allowNull: false, defaultValue: false },
        },
        // With an index InnoDB locks no more rows than those that a condition names.
        { tableName: 'waits', timestamps: false, indexes: [{ fields: ['label'] }] },
      );
    beforeAll(() => {
      Row = define();
    });
    beforeEach(async () => {
      await Row.sync({ force: true });
      await Row.bulkCreate(Array.from({ length: WORKERS }, (_, index) => ({ label: `own ${index + 1}` })));
    });
    afterEach(closeOthers);

    const find = (id: number) => Row.findByPk(id, { rejectOnEmpty: true });

    test.each(mixes)(
      'after transactions of eight workers, each of %s, writes outside of transactions return, and all events arrive',
      async (_name, turns, write) => {
        const copy = await Copy.of(Row);
        const work = async (_: unknown, index: number): Promise<void> => {
          for (let turn = 1; turn <= turns; turn += 1)
            await sequelize().transaction((transaction) => write(Row, index + 1, turn, transaction));
        };
        await within(15_000, Promise.all(Array.from({ length: WORKERS }, work)));
        expect(await Row.sum('n')).toBe(WORKERS * turns);
        await within(
          2_000,
          Promise.all([
            (await find(1)).update({ n: -1 }),
            (await find(2)).destroy(),
            Row.upsert({ id: 3, n: -3, label: 'own 3' }),
            Row.increment('n', { where: { id: 4 } }),
            Row.update({ late: true }, { where: { label: 'own 5' } }),
            Row.destroy({ where: { label: 'own 6' } }),
          ]),
        );
        await copy.expectExact();
      },
    );

    test('parallel static updates of own rows are published no more often than they change these', async () => {
      const copy = await Copy.of(Row);
      const states = new Map<unknown, number[]>();
      const add = async (_: unknown, index: number): Promise<void> => {
        for (let turn = 0; turn < CHANGES; turn += 1)
          await Row.update({ n: literal('n + 1') }, { where: { label: `own ${index + 1}` } });
      };
      await within(10_000, Promise.all(Array.from({ length: WORKERS }, add)));
      await copy.expectExact();
      for (const { pk, after } of copy.recording.changes) states.set(pk, [...(states.get(pk) ?? []), Number(after.get('n'))]);
      for (const [pk, seen] of states) expect([pk, seen]).toEqual([pk, seen.slice(0, CHANGES).sort((one, other) => one - other)]);
    });

    test('in a pool of one connection, a transaction with look-ups takes no longer than without, and is published', async () => {
      const narrow = another(sequelize(), { pool: { max: 1, acquire: 2_000 } });
      const Narrow = narrow.define('Row', Row.getAttributes(), { tableName: 'waits', timestamps: false });
      const copy = await Copy.of(Narrow);
      const work = narrow.transaction(async (transaction) => {
        await Narrow.update({ n: 1 }, { where: { label: 'own 1' }, transaction });
        await Narrow.increment('n', { where: { label: 'own 2' }, transaction });
        await Narrow.upsert({ id: 3, n: 3, label: 'own 3' }, { transaction });
        await Narrow.destroy({ where: { label: 'own 4' }, transaction });
        await (await Narrow.findByPk(5, { rejectOnEmpty: true, transaction })).update({ n: 5 }, { transaction });
      });
      await within(2_000, work);
      await copy.expectExact();
      copy.recording.end();
    });

    if (dialect === 'postgres')
      test('a transaction that keeps all others from the table is committed within a second', async () => {
        const copy = await Copy.of(Row);
        const transaction = await sequelize().transaction();
        await sequelize().query('LOCK TABLE waits IN ACCESS EXCLUSIVE MODE', { transaction });
        await Row.update({ n: 1 }, { where: { label: 'own 1' }, transaction });
        await Row.destroy({ where: { label: 'own 2' }, transaction });
        await within(1_500, transaction.commit());
        await copy.expectExactOrMissed();
      });
  },
  { only: ['PostgreSQL', 'MariaDB', 'MariaDB by mysql2'] },
);
