import { type AbstractDataType, DataTypes } from 'sequelize';
import { notifyChanged } from '../../lib/changes/model-changes.js';
import { keyOf, type PrimaryKey } from '../../lib/changes/row-change.js';
import { until } from '../support/socket-client.js';
import { endRecordings, onEachDatabase, record, Thing } from './databases.js';

/** Kinds of keys, each with another way to write it. */
const keys: readonly [kind: string, type: () => AbstractDataType, key: PrimaryKey, written: PrimaryKey][] = [
  ['texts', () => DataTypes.STRING(), "it's", "it's"],
  ['large numbers', () => DataTypes.BIGINT(), 7n, '007'],
  ['dates', () => DataTypes.DATE(3), new Date(1_700_000_000_123), '2023-11-14T22:13:20.123Z'],
];
const keysOfPostgres: typeof keys = [
  ['UUIDs', () => DataTypes.UUID(), 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'],
  ['texts of a fixed length', () => DataTypes.CHAR(5), 'ab', 'ab '],
  ['bytes', () => DataTypes.BLOB(), Buffer.from([1, 2]), Buffer.from([1, 2])],
];

onEachDatabase(({ sequelize, dialect }) => {
  afterEach(() => {
    endRecordings();
    for (const type of ['afterCreate', 'afterUpdate', 'afterBulkUpdate', 'beforeBulkDestroy'] as const)
      Thing.removeHook(type, 'mine');
  });

  const create = () => Thing.create({ name: 'a', ownerId: null });

  test('a row that is written again by a hook behind its creation is created, and then updated', async () => {
    Thing.addHook('afterCreate', 'mine', async (row, { transaction = null }) => {
      await row.update({ counter: 5 }, { transaction });
    });
    const recording = record(Thing);
    await create();
    await until(() => recording.changes.length === 2);
    expect(recording.changes.splice(0).map(({ kind }) => kind)).toEqual(['create', 'update']);
    await sequelize().transaction((transaction) => Thing.create({ name: 'b', ownerId: null }, { transaction }));
    await until(() => recording.changes.length === 1);
    expect(recording.take()).toEqual(['create 2 b,5,null']);
  });

  test('a write is told although a hook behind it throws', async () => {
    const fail = (): never => {
      throw new Error('mine');
    };
    for (const type of ['afterCreate', 'afterUpdate', 'afterBulkUpdate'] as const) Thing.addHook(type, 'mine', fail);
    const recording = record(Thing);
    await expect(create()).rejects.toThrow('mine');
    const row = await Thing.findByPk(1, { rejectOnEmpty: true });
    await expect(row.update({ name: 'b' })).rejects.toThrow('mine');
    await expect(Thing.update({ name: 'c' }, { where: {} })).rejects.toThrow('mine');
    await until(() => recording.changes.length === 3);
    expect(recording.changes.map(({ kind }) => kind)).toEqual(['create', 'update', 'update']);
  });

  test('a hook that asks for hooks of each row changes nothing of what is told', async () => {
    Thing.addHook('beforeBulkDestroy', 'mine', (options) => {
      options.individualHooks = true;
    });
    const recording = record(Thing);
    await create();
    await Thing.destroy({ where: { name: 'a' } });
    await until(() => recording.changes.length === 2);
    expect(recording.changes.map(({ kind }) => kind)).toEqual(['create', 'delete']);
  });

  test.each<[way: string, remove: (row: Thing) => Promise<unknown>]>([
    ['by itself', (row) => row.destroy()],
    ['by a condition', (row) => Thing.destroy({ where: { name: row.name } })],
    [
      'in a transaction',
      (row) => sequelize().transaction((transaction) => Thing.destroy({ where: { id: row.id }, transaction })),
    ],
  ])('a row that is deleted at once %s is published as created, too', async (_way, remove) => {
    const recording = record(Thing);
    const ROUNDS = 50;
    for (let round = 0; round < ROUNDS; round += 1) await remove(await create());
    await until(() => recording.changes.length >= 2 * ROUNDS);
    expect(recording.changes.map(({ kind }) => kind)).toEqual(Array.from({ length: ROUNDS }, () => ['create', 'delete']).flat());
    expect(recording.missedTimes).toBe(0);
  });

  test.each(dialect === 'postgres' ? [...keys, ...keysOfPostgres] : keys)(
    'rows are known by keys that are %s, however these are written',
    async (kind, type, key, written) => {
      const Row = sequelize().define(
        kind,
        { id: { type: type(), primaryKey: true }, name: DataTypes.STRING },
        { timestamps: false },
      );
      await Row.sync({ force: true });
      const recording = record(Row);
      await Row.create({ id: key, name: 'a' });
      await Row.update({ name: 'b' }, { where: { id: written } });
      notifyChanged(Row, [written]);
      await until(() => recording.changes.length === 3);
      await Row.destroy({ where: { id: written } });
      await until(() => recording.changes.length === 4);
      expect(recording.changes.map((change) => change.kind)).toEqual(['create', 'update', 'update', 'delete']);
      expect(
        new Set(recording.changes.map(({ pk, after }) => [keyOf(pk), keyOf(after.get('id') as PrimaryKey)]).flat()).size,
      ).toBe(1);
      await Row.drop();
    },
  );
});
