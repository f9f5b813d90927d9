import { DataTypes, literal, type Model, type ModelStatic, Op, type Transaction } from 'sequelize';
import { until } from '../support/socket-client.js';
import { Copy } from './copy.js';
import { onEachDatabase, record, Room, Thing } from './databases.js';

type Write = (Row: ModelStatic<Model>) => Promise<unknown>;

const find = (Row: ModelStatic<Model>, where: Readonly<Record<string, unknown>>) =>
  Row.findOne({ where, rejectOnEmpty: true, paranoid: false });

/** Hooks of the application that change what a write does, and the write. */
const hooks: readonly [name: string, type: (typeof types)[number], change: (options: object) => void, write: Write][] = [
  [
    'the condition of an update',
    'beforeBulkUpdate',
    (options) => Object.assign(options, { where: { id: 2 } }),
    (Row) => Row.update({ name: 'z' }, { where: { id: 1 } }),
  ],
  [
    'the condition of an update, within',
    'beforeBulkUpdate',
    (options) => {
      const where: unknown = Reflect.get(options, 'where');
      if (typeof where === 'object' && where !== null) Object.assign(where, { id: 2 });
    },
    (Row) => Row.update({ name: 'z' }, { where: { id: 1 } }),
  ],
  [
    'an update of one row to one of all',
    'beforeBulkUpdate',
    (options) => Object.assign(options, { where: { id: { [Op.gt]: 0 } } }),
    (Row) => Row.update({ name: 'z' }, { where: { name: 'a' } }),
  ],
  [
    'the values of an update to the primary key',
    'beforeBulkUpdate',
    (options) => Object.assign(options, { attributes: { id: 9 }, fields: ['id'] }),
    (Row) => Row.update({ name: 'z' }, { where: { id: 1 } }),
  ],
  [
    'the condition of a destroy',
    'beforeBulkDestroy',
    (options) => Object.assign(options, { where: { id: 2 } }),
    (Row) => Row.destroy({ where: { id: 1 } }),
  ],
  [
    'a bulkCreate to one that leaves out what is there',
    'beforeBulkCreate',
    (options) => Object.assign(options, { ignoreDuplicates: true }),
    (Row) => Row.bulkCreate([1, 7].map((id) => ({ id, name: 'z' }))),
  ],
  [
    'a bulkCreate to one that updates what is there',
    'beforeBulkCreate',
    (options) => Object.assign(options, { updateOnDuplicate: ['name'], upsertKeys: ['id'] }),
    (Row) => Row.bulkCreate([1, 7].map((id) => ({ id, name: 'z' }))),
  ],
];
const types = ['beforeBulkUpdate', 'beforeBulkDestroy', 'beforeBulkCreate'] as const;

/** Writes of a model whose attributes `a` and `b` are in the columns `b` and `a`. */
const swapped: readonly [name: string, write: Write][] = [
  ['an increment', (Row) => Row.increment('n', { where: { a: 'x' } })],
  ['a decrement of a row', async (Row) => (await find(Row, { a: 'x' })).decrement('n')],
  ['a static update', (Row) => Row.update({ n: 5 }, { where: { a: 'x' } })],
  ['a static update of both', (Row) => Row.update({ b: 'x', n: 5 }, { where: { a: 'x' } })],
  ['a static update by SQL', (Row) => Row.update({ n: 5 }, { where: literal("b = 'x'") })],
  ['a save', async (Row) => (await find(Row, { a: 'x' })).update({ b: 'z' })],
  ['a static destroy', (Row) => Row.destroy({ where: { a: 'x' } })],
  ['a static restore', (Row) => Row.restore({ where: { a: 'gone' } })],
  ['an upsert', (Row) => Row.upsert({ a: 'x', b: 'z', n: 5 })],
  ['a bulkCreate', (Row) => Row.bulkCreate([{ a: 'x', b: 'z', n: 5 }], { updateOnDuplicate: ['n'], conflictAttributes: ['a'] })],
  ['a bulkCreate of others', (Row) => Row.bulkCreate([{ a: 'x' }, { a: 'w' }], { ignoreDuplicates: true })],
];

/** Writes of a model of which a row is there as long as its `deletedAt` is the default. */
const softDeletions: readonly [name: string, write: Write][] = [
  ['a create', (Row) => Row.create({ id: 7, name: 'c' })],
  ['a bulkCreate', (Row) => Row.bulkCreate([7, 8].map((id) => ({ id, name: 'c' })))],
  ['a save', async (Row) => (await find(Row, { name: 'a' })).update({ name: 'z' })],
  ['a static update', (Row) => Row.update({ name: 'z' }, { where: { name: 'a' } })],
  ['an upsert', (Row) => Row.upsert({ id: 1, name: 'z' })],
  ['a destroy', async (Row) => (await find(Row, { name: 'a' })).destroy()],
  ['a static destroy', (Row) => Row.destroy({ where: { name: 'a' } })],
  ['a restore', async (Row) => (await find(Row, { name: 'gone' })).restore()],
  ['a static restore', (Row) => Row.restore({ where: { name: 'gone' } })],
];

onEachDatabase(
  ({ sequelize }) => {
    describe('a hook that was added later than the observer', () => {
      afterEach(() => {
        for (const type of types) {
          Thing.removeHook(type, 'mine');
          sequelize().removeHook(type, 'mine');
        }
      });

      describe.each(['the model', 'the database'])('to %s', (target) => {
        test.each(hooks)('may change %s', async (_name, type, change, write) => {
          await Thing.bulkCreate(['a', 'b', 'c'].map((name) => ({ name, ownerId: null })));
          const copy = await Copy.of(Thing);
          const hook = (...args: readonly unknown[]): void => {
            const options = args.at(-1);
            if (typeof options === 'object' && options !== null) change(options);
          };
          if (target === 'the model') Thing.addHook(type, 'mine', hook);
          else sequelize().addHook(type, 'mine', hook);
          await write(Thing);
          await copy.expectExactOrMissed();
        });
      });
    });

    describe('where two attributes have each the column of the other', () => {
      let Row: ModelStatic<Model>;
      beforeAll(async () => {
        Row = sequelize().define(
          'Swapped',
          {
            id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
            a: { type: DataTypes.STRING, field: 'b', unique: true },
            b: { type: DataTypes.STRING, field: 'a' },
            n: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0 },
          },
          { tableName: 'swapped', paranoid: true, createdAt: false, updatedAt: false },
        );
        await Row.sync({ force: true });
      });

      test.each(swapped)('%s is published as it is stored, or said to be missed', async (_name, write) => {
        await Row.destroy({ where: {}, force: true, hooks: false });
        await Row.bulkCreate([
          { id: 1, a: 'x', b: 'y' },
          { id: 2, a: 'y', b: 'x' },
          { id: 3, a: 'gone', b: 'lost', deletedAt: new Date() },
          { id: 4, a: 'lost', b: 'gone', deletedAt: new Date() },
        ]);
        const copy = await Copy.of(Row);
        await write(Row);
        await copy.expectExactOrMissed();
      });
    });

    describe('where a row that is not deleted has a date of its deletion', () => {
      let Row: ModelStatic<Model>;
      beforeAll(async () => {
        Row = sequelize().define(
          'Dated',
          {
            id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
            name: DataTypes.STRING,
            deletedAt: { type: DataTypes.DATE, allowNull: false, defaultValue: new Date('2000-01-01T00:00:00Z') },
          },
          { tableName: 'dated', paranoid: true, createdAt: false, updatedAt: false },
        );
        await Row.sync({ force: true });
      });

      test.each(softDeletions)('%s is published as it is stored', async (_name, write) => {
        await Row.destroy({ where: {}, force: true, hooks: false });
        await Row.bulkCreate([
          { id: 1, name: 'a' },
          { id: 2, name: 'b' },
          { id: 3, name: 'gone', deletedAt: new Date() },
        ]);
        const copy = await Copy.of(Row);
        await write(Row);
        await copy.expectExact();
      });
    });

    test.each([false, true])(
      'rows that a bulkCreate makes with lists begin with a create, in a transaction: %s',
      async (within) => {
        const rooms = record(Room, { manyToMany: Object.values(Room.associations) });
        const values = ['lobby', 'hall'].map((name) => ({ name, users: [{ username: `user of ${name}` }] }));
        const create = (transaction: Transaction | null) => Room.bulkCreate(values, { include: ['users'], transaction });
        await (within ? sequelize().transaction(create) : create(null));
        await until(() => new Set(rooms.changes.map(({ pk }) => pk)).size === 2);
        for (const key of [1, 2]) expect(rooms.changes.find(({ pk }) => pk === key)).toMatchObject({ pk: key, kind: 'create' });
      },
    );
  },
  { only: ['SQLite in memory', 'PostgreSQL', 'MariaDB'] },
);
