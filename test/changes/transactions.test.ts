import type { Transaction } from 'sequelize';
import { notifyChanged } from '../../lib/changes/model-changes.js';
import { until } from '../support/socket-client.js';
import { Note, onEachDatabase, record, Room, Thing, User } from './databases.js';

type Step = (t: Transaction) => Promise<unknown>;

const find = async (id: number, transaction: Transaction): Promise<Thing> =>
  Thing.findByPk(id, { rejectOnEmpty: true, transaction });
const create: Step = (transaction) => Thing.create({ name: 'new', ownerId: null }, { transaction });
const rename =
  (id: number, name: string): Step =>
  async (transaction) =>
    (await find(id, transaction)).update({ name }, { transaction });
const remove =
  (id: number): Step =>
  async (transaction) =>
    (await find(id, transaction)).destroy({ transaction });
const raise: Step = (transaction) => Thing.increment('counter', { where: {}, transaction });
/** Steps in a savepoint with that end; `open` leaves it to its transaction. */
const savepoint =
  (end: 'commit' | 'rollback' | 'open', ...steps: Step[]): Step =>
  async (transaction) => {
    const inner = await transactionOf(transaction);
    for (const step of steps) await step(inner);
    if (end !== 'open') await inner[end]();
  };
const transactionOf = async (transaction: Transaction): Promise<Transaction> => {
  if (Thing.sequelize === undefined) throw new Error('There is no database.');
  return Thing.sequelize.transaction({ transaction });
};

/** Each begins with one row, `1 a`. */
const merges: readonly [string, readonly Step[], readonly string[]][] = [
  ['create and update are a create', [create, rename(2, 'b')], ['create 2 b,0,null']],
  ['create and delete are nothing', [create, remove(2)], []],
  ['update and delete are a delete', [rename(1, 'b'), remove(1)], ['delete 1 a,0,null -> b,0,null']],
  ['updates are one', [rename(1, 'b'), raise, rename(1, 'c')], ['update 1 a,0,null -> c,1,null']],
  [
    'delete and create of the same key are an update',
    [remove(1), (transaction) => Thing.create({ id: 1, name: 'b', ownerId: null }, { transaction })],
    ['update 1 a,0,null -> b,0,null'],
  ],
  ['a savepoint that is committed counts', [savepoint('commit', rename(1, 'b'))], ['update 1 a,0,null -> b,0,null']],
  ['a savepoint that is left open counts', [savepoint('open', rename(1, 'b'))], ['update 1 a,0,null -> b,0,null']],
  ['a savepoint that is rolled back does not', [savepoint('rollback', rename(1, 'b'), create)], []],
  [
    'what was written before and after it does',
    [rename(1, 'b'), savepoint('rollback', rename(1, 'c'), create), raise],
    ['update 1 a,0,null -> b,1,null'],
  ],
  [
    // Sequelize gives both savepoints one name, so the outer rollback goes back to the inner one.
    'the rollback of a savepoint with another within is told as the database does it',
    [savepoint('rollback', rename(1, 'b'), savepoint('commit', rename(1, 'c')))],
    ['update 1 a,0,null -> b,0,null'],
  ],
  [
    'a rollback within leaves what is around it',
    [savepoint('commit', savepoint('rollback', create), rename(1, 'b'))],
    ['update 1 a,0,null -> b,0,null'],
  ],
  [
    'a rollback takes along what its transaction wrote past it meanwhile',
    [
      rename(1, 'b'),
      async (transaction) => {
        const inner = await transactionOf(transaction);
        await rename(1, 'c')(transaction);
        await inner.rollback();
      },
    ],
    ['update 1 a,0,null -> b,0,null'],
  ],
  [
    'a savepoint of plain SQL counts, too',
    [
      rename(1, 'b'),
      async (transaction) => {
        await Thing.sequelize?.query('SAVEPOINT mine', { transaction });
        await create(transaction);
        await Thing.sequelize?.query('ROLLBACK TO SAVEPOINT mine', { transaction });
      },
    ],
    ['update 1 a,0,null -> b,0,null'],
  ],
  [
    'so does one that is rolled back in short',
    [
      async (transaction) => {
        await Thing.sequelize?.query('SAVEPOINT mine', { transaction });
        await rename(1, 'b')(transaction);
        await Thing.sequelize?.query('ROLLBACK TO mine', { transaction });
      },
    ],
    [],
  ],
  [
    'a save of a row as it is, and another, are one update',
    [async (transaction) => (await find(1, transaction)).save({ transaction }), rename(1, 'b')],
    ['update 1 a,0,null -> b,0,null'],
  ],
  [
    'findOrCreate within a transaction counts',
    [(transaction) => Thing.findOrCreate({ where: { name: 'b' }, defaults: { name: 'b', ownerId: null }, transaction })],
    ['create 2 b,0,null'],
  ],
];

onEachDatabase(({ sequelize, dialect }) => {
  beforeEach(() => Thing.create({ name: 'a', ownerId: null }));

  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn += 1) await sequelize().query('SELECT 1');
  };

  test.each(merges)('in one transaction, %s', async (_name, steps, told) => {
    const recording = record(Thing, { needsBefore: true });
    const transaction = await sequelize().transaction();
    for (const step of steps) await step(transaction);
    await settled();
    expect(recording.take()).toEqual([]);
    await transaction.commit();
    await until(() => recording.changes.length >= told.length);
    await settled();
    expect(recording.take()).toEqual(told);
  });

  test.each(merges)('of a transaction that is rolled back, nothing is told although %s', async (_name, steps) => {
    const recording = record(Thing, { needsBefore: true });
    const transaction = await sequelize().transaction();
    for (const step of steps) await step(transaction);
    await transaction.rollback();
    await settled();
    expect(recording).toMatchObject({ changes: [], missedTimes: 0, errors: [] });
  });

  test('a commit and a write are not failed by a listener that throws, and the others hear of it', async () => {
    const failing = record(Thing, {
      committed() {
        throw new Error('not for me');
      },
    });
    const other = record(Thing);
    await sequelize().transaction((transaction) => create(transaction));
    await Thing.update({ name: 'b' }, { where: { id: 1 } });
    await until(() => other.changes.length === 2 && failing.errors.length === 2);
    expect(failing.errors).toEqual([new Error('not for me'), new Error('not for me')]);
  });

  test('a throwing afterCommit of the application does not keep an event back', async () => {
    const recording = record(Thing);
    const transaction = await sequelize().transaction();
    transaction.afterCommit(() => {
      throw new Error('mine');
    });
    await create(transaction);
    await expect(transaction.commit()).rejects.toThrow('mine');
    await until(() => recording.changes.length === 1);
  });

  test('who wants to hear from the middle of a transaction on hears of single rows, and is told that sets were missed', async () => {
    const recording = record(Thing);
    recording.isWanted = false;
    await sequelize().transaction(async (transaction) => {
      await rename(1, 'b')(transaction);
      recording.isWanted = true;
    });
    await until(() => recording.changes.length === 1);
    expect(recording.take()).toEqual(['update 1 a,0,null -> b,0,null']);
    recording.isWanted = false;
    await sequelize().transaction(async (transaction) => {
      await Thing.update({ name: 'c' }, { where: { counter: 0 }, transaction });
      recording.isWanted = true;
    });
    await until(() => recording.missedTimes === 1);
    expect(recording.take()).toEqual([]);
  });

  test('that a list was missed is told to nobody but those who observe it', async () => {
    const rows = record(Room);
    const lists = record(Room, { manyToMany: Object.values(Room.associations) });
    lists.isWanted = false;
    const user = await User.create({ username: 'ann' });
    const room = await Room.create({ name: 'lobby' });
    await sequelize().transaction(async (transaction) => {
      await room.setUsers([user], { transaction });
      await room.removeUsers([user], { transaction });
      await room.update({ name: 'hall' }, { transaction });
      lists.isWanted = true;
    });
    await until(() => lists.missedTimes === 1 && rows.changes.length === 2);
    expect(rows.missedTimes).toBe(0);
  });

  test('a row that was softly deleted before it was written again is told as deleted', async () => {
    await Note.create({ text: 'n' });
    const recording = record(Note);
    await sequelize().transaction(async (transaction) => {
      await (await Note.findByPk(1, { rejectOnEmpty: true, transaction })).destroy({ transaction });
      await Note.update({ text: 'm' }, { where: { text: 'n' }, paranoid: false, transaction });
    });
    await until(() => recording.changes.length === 1);
    expect(recording.changes.map(({ kind }) => kind)).toEqual(['delete']);
  });

  test('a row whose list has changed as well is told to those who do not observe lists', async () => {
    await Room.create({ name: 'lobby' });
    await User.create({ username: 'ann' });
    const rows = record(Room);
    record(Room, { manyToMany: Object.values(Room.associations) });
    let name = 'hall';
    const rename = (transaction: Transaction) => Room.update({ name }, { where: { id: 1 }, transaction });
    const fill = async (transaction: Transaction): Promise<unknown> =>
      (await Room.findByPk(1, { rejectOnEmpty: true, transaction })).setUsers([1], { transaction });
    for (const steps of [
      [rename, fill],
      [fill, rename],
    ]) {
      await sequelize().transaction(async (transaction) => {
        for (const step of steps) await step(transaction);
        await Room.findByPk(1, { transaction }).then((room) => room?.removeUsers([1], { transaction }));
      });
      await until(() => rows.changes.length === 1);
      expect(rows.take()).toEqual([`update 1 ${name}`]);
      name = 'ball';
    }
  });

  test('of a transaction that has ended, notify tells at once if it was committed, and keeps nothing back', async () => {
    const recording = record(Thing);
    let counter = 9;
    for (const end of ['commit', 'rollback'] as const) {
      for (const steps of [[], [raise]]) {
        const transaction = await sequelize().transaction();
        for (const step of steps) await step(transaction);
        await transaction[end]();
        await settled();
        recording.take();
        notifyChanged(Thing, [1], { transaction });
        await Thing.update({ counter: (counter += 10) }, { where: { id: 1 } });
        await until(() => recording.changes.length === (end === 'commit' ? 2 : 1));
        await settled();
        expect(recording.take()).toHaveLength(end === 'commit' ? 2 : 1);
      }
    }
  });

  test('savepoints are followed as long as somebody listens to any model', async () => {
    const recording = record(Thing);
    record(Note).end();
    await sequelize().transaction(async (transaction) => {
      await savepoint('rollback', rename(1, 'b'))(transaction);
      await create(transaction);
    });
    await until(() => recording.changes.length > 0);
    expect(recording.changes.map(({ kind }) => kind)).toEqual(['create']);
  });

  test('a row that is created with its list is told as created', async () => {
    const rooms = record(Room, { manyToMany: Object.values(Room.associations) });
    await sequelize().transaction((transaction) =>
      Room.bulkCreate([{ name: 'lobby', users: [{ username: 'ann' }] } as never], { include: ['users'], transaction }),
    );
    await until(() => rooms.changes.length > 0);
    expect(rooms.take()).toEqual(['create 1 lobby']);
  });

  test('a look-up that fails spoils neither the write nor its transaction, and is reported', async () => {
    await Thing.create({ name: 'z', ownerId: null });
    const recording = record(Thing, { needsBefore: true });
    const table = dialect === 'postgres' ? '"things"."id"' : '`things`.`id`';
    await sequelize().transaction(async (transaction) => {
      await Thing.destroy({ where: sequelize().literal(`${table} = 2`), transaction });
      await rename(1, 'c')(transaction);
    });
    await until(() => recording.missedTimes === 1);
    expect(recording.errors).toHaveLength(1);
    expect((await Thing.findByPk(1))?.name).toBe('c');
  });

  test('the hooks of a model are as they were when the last listener has gone, and attached once before', () => {
    const count = (): number => {
      const hooks: unknown = Reflect.get(Reflect.get(sequelize(), 'options'), 'hooks');
      return typeof hooks === 'object' && hooks !== null ? Object.values<unknown>({ ...hooks }).flat().length : 0;
    };
    const ofDatabase = (): string => JSON.stringify(Reflect.get(Reflect.get(sequelize(), 'options'), 'hooks'));
    const [before, beforeThat] = [{ ...Thing.options.hooks }, ofDatabase()];
    const one = record(Thing);
    const attached = count();
    const two = record(Thing);
    expect(count()).toBe(attached);
    expect(attached).toBeGreaterThan(0);
    expect(Thing.options.hooks).toEqual(before);
    one.end();
    expect(count()).toBe(attached);
    two.end();
    two.end();
    expect(Thing.options.hooks).toEqual(before);
    expect(ofDatabase()).toBe(beforeThat);
  });
});
