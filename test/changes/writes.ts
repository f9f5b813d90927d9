import { Sequelize } from 'sequelize';
import { notifyChanged } from '../../lib/changes/model-changes.js';
import { Note, Room, RoomUser, Thing, User } from './databases.js';

/** A kind of write, what there is before it, and what is told of it. */
export interface WriteCase {
  /** As in the table of docs/GUARANTEES.md. */
  readonly row: string;
  readonly name: string;
  readonly of: 'Thing' | 'Note' | 'Room';
  readonly setup?: () => Promise<unknown>;
  readonly write: () => Promise<unknown>;
  /** `note:n` stands for the key that the database has given to the note `n`: not all of them leave out the same numbers. */
  readonly told: readonly string[];
}

const things = (...rows: [string, number][]) =>
  Thing.bulkCreate(rows.map(([name, counter]) => ({ name, counter, ownerId: null })));
const thing = async (id: number): Promise<Thing> => Thing.findByPk(id, { rejectOnEmpty: true });
const note = async (id: number): Promise<Note> => Note.findByPk(id, { rejectOnEmpty: true, paranoid: false });
const user = async (id: number): Promise<User> => User.findByPk(id, { rejectOnEmpty: true });
const room = async (id: number): Promise<Room> => Room.findByPk(id, { rejectOnEmpty: true });

/** What is published, with the keys that the rows have. */
export async function withKeys(published: readonly string[]): Promise<readonly string[]> {
  const keys = new Map((await Note.findAll({ paranoid: false })).map(({ id, text }) => [`note:${text}`, id]));
  return published.map((line) => line.replace(/note:\w+/, (name) => String(keys.get(name) ?? name)));
}

async function rooms(): Promise<void> {
  await User.bulkCreate([{ username: 'ann' }, { username: 'bob' }]);
  await Room.bulkCreate([{ name: 'one' }, { name: 'two' }]);
  await (await room(1)).setUsers([1]);
  await (await room(2)).setUsers([1, 2]);
}

async function owned(): Promise<void> {
  await User.create({ username: 'ann' });
  await things(['a', 1], ['b', 2]);
  await Thing.update({ ownerId: 1 }, { where: { name: 'a' } });
}

/** A row that was deleted after it was loaded. */
let gone: Thing | undefined;

export const writes: readonly WriteCase[] = [
  {
    row: 'create',
    name: 'create',
    of: 'Thing',
    write: () => Thing.create({ name: 'a', ownerId: null }),
    told: ['create 1 a,0,null'],
  },
  {
    row: 'create',
    name: 'create with rows that are included',
    of: 'Thing',
    write: () => User.create({ username: 'ann', things: [{ name: 'a' }] } as never, { include: ['things'] }),
    told: ['create 1 a,0,1'],
  },
  {
    row: 'create',
    name: 'a row that is deleted from the start',
    of: 'Note',
    write: () => Note.create({ text: 'n', deletedAt: new Date() }),
    told: [],
  },
  {
    row: 'save, update',
    name: 'save',
    of: 'Thing',
    setup: () => things(['a', 1]),
    write: async () => (await thing(1)).set({ name: 'b' }).save(),
    told: ['update 1 a,1,null -> b,1,null'],
  },
  {
    row: 'save, update',
    name: 'save with nothing changed',
    of: 'Thing',
    setup: () => things(['a', 1]),
    write: async () => (await thing(1)).save(),
    told: ['update 1 a,1,null -> a,1,null'],
  },
  {
    row: 'save, update',
    name: 'save of a column, of a row that is out of date',
    of: 'Thing',
    setup: () => things(['a', 1]),
    write: async () => {
      const old = await thing(1);
      await Thing.update({ counter: 2 }, { where: { id: 1 }, hooks: false });
      await old.update({ name: 'b' });
    },
    told: ['update 1 a,2,null -> b,2,null'],
  },
  {
    row: 'save, update',
    name: 'update by SQL',
    of: 'Thing',
    setup: () => things(['a', 1]),
    write: async () => (await thing(1)).update({ counter: Sequelize.literal('count_of + 5') }),
    told: ['update 1 a,1,null -> a,6,null'],
  },
  {
    row: 'save, update',
    name: 'two saves, one after the other',
    of: 'Thing',
    setup: () => things(['a', 1]),
    write: async () => {
      const one = await thing(1);
      await one.update({ name: 'b' });
      await one.update({ name: 'c' });
    },
    told: ['update 1 a,1,null -> b,1,null', 'update 1 b,1,null -> c,1,null'],
  },
  {
    row: 'destroy',
    name: 'destroy',
    of: 'Thing',
    setup: () => things(['a', 1]),
    write: async () => (await thing(1)).set({ name: 'not saved' }).destroy(),
    told: ['delete 1 a,1,null -> a,1,null'],
  },
  {
    row: 'destroy',
    name: 'destroy of a row that has gone already',
    of: 'Thing',
    setup: async () => {
      await things(['a', 1]);
      gone = await thing(1);
      await Thing.destroy({ where: { id: 1 }, hooks: false });
    },
    write: async () => gone?.destroy(),
    told: [],
  },
  {
    row: 'destroy',
    name: 'destroy of a row that is out of date',
    of: 'Thing',
    setup: () => things(['a', 1]),
    write: async () => {
      const old = await thing(1);
      await Thing.update({ counter: 2 }, { where: { id: 1 }, hooks: false });
      await old.destroy();
    },
    told: ['delete 1 a,2,null -> a,2,null'],
  },
  {
    row: 'destroy',
    name: 'a save that deletes softly, and one that restores',
    of: 'Note',
    setup: () => Note.bulkCreate([{ text: 'n' }, { text: 'm', deletedAt: new Date() }]),
    write: async () => {
      for (const [id, deletedAt] of [
        [1, new Date()],
        [2, null],
      ] as const) {
        const one = await note(id);
        one.setDataValue('deletedAt', deletedAt);
        await one.save();
      }
    },
    told: ['delete 1 n -> n', 'create 2 m'],
  },
  {
    row: 'destroy',
    name: 'a soft destroy',
    of: 'Note',
    setup: () => Note.create({ text: 'n' }),
    write: async () => (await note(1)).destroy(),
    told: ['delete 1 n -> n'],
  },
  {
    row: 'destroy',
    name: 'a forced destroy of a softly deleted row',
    of: 'Note',
    setup: () => Note.create({ text: 'n', deletedAt: new Date() }),
    write: async () => (await note(1)).destroy({ force: true }),
    told: [],
  },
  {
    row: 'restore',
    name: 'restore',
    of: 'Note',
    setup: () => Note.create({ text: 'n', deletedAt: new Date() }),
    write: async () => (await note(1)).restore(),
    told: ['create 1 n'],
  },
  {
    row: 'restore',
    name: 'a static restore',
    of: 'Note',
    setup: () => Note.bulkCreate([{ text: 'n', deletedAt: new Date() }, { text: 'm', deletedAt: new Date() }, { text: 'o' }]),
    write: () => Note.restore({ where: { id: [1, 2] } }),
    told: ['create 1 n', 'create 2 m'],
  },
  {
    row: 'bulkCreate',
    name: 'bulkCreate',
    of: 'Thing',
    write: () => things(['a', 1], ['b', 2]),
    told: ['create 1 a,1,null', 'create 2 b,2,null'],
  },
  {
    row: 'bulkCreate',
    name: 'bulkCreate with individualHooks',
    of: 'Thing',
    write: () =>
      Thing.bulkCreate(
        [
          { name: 'a', ownerId: null },
          { name: 'a', ownerId: null },
        ],
        { individualHooks: true },
      ),
    told: ['create 1 a,0,null', 'create 2 a,0,null'],
  },
  {
    row: 'bulkCreate with updateOnDuplicate or ignoreDuplicates',
    name: 'bulkCreate with updateOnDuplicate',
    of: 'Thing',
    setup: () => things(['a', 1]),
    write: () =>
      Thing.bulkCreate(
        [
          { id: 1, name: 'b', ownerId: null },
          { id: 7, name: 'c', ownerId: null },
        ],
        { updateOnDuplicate: ['name'] },
      ),
    told: ['update 1 a,1,null -> b,1,null', 'create 7 c,0,null'],
  },
  {
    row: 'bulkCreate with updateOnDuplicate or ignoreDuplicates',
    name: 'bulkCreate with updateOnDuplicate by a unique column',
    of: 'Note',
    setup: () => Note.bulkCreate([{ text: 'n', deletedAt: new Date() }, { text: 'm' }]),
    write: () =>
      Note.bulkCreate([{ text: 'n', deletedAt: null }, { text: 'm' }, { text: 'o' }], {
        updateOnDuplicate: ['deletedAt'],
        conflictAttributes: ['text'],
      }),
    told: ['create 1 n', 'update 2 m -> m', 'create note:o o'],
  },
  {
    row: 'bulkCreate with updateOnDuplicate or ignoreDuplicates',
    name: 'bulkCreate with ignoreDuplicates of rows that have nothing unique',
    of: 'Thing',
    setup: () => things(['a', 1]),
    write: () =>
      Thing.bulkCreate(
        ['a', 'b'].map((name) => ({ name, ownerId: null })),
        { ignoreDuplicates: true },
      ),
    told: ['create 2 a,0,null', 'create 3 b,0,null'],
  },
  {
    row: 'bulkCreate with updateOnDuplicate or ignoreDuplicates',
    name: 'bulkCreate with ignoreDuplicates',
    of: 'Note',
    setup: () => Note.bulkCreate([{ text: 'n' }]),
    write: () => Note.bulkCreate([{ text: 'n' }, { text: 'm' }], { ignoreDuplicates: true }),
    told: ['create note:m m'],
  },
  {
    row: 'static update',
    name: 'a static update',
    of: 'Thing',
    setup: () => things(['a', 1], ['b', 5], ['c', 5]),
    write: () => Thing.update({ counter: 6 }, { where: { counter: 5 } }),
    told: ['update 2 b,5,null -> b,6,null', 'update 3 c,5,null -> c,6,null'],
  },
  {
    row: 'static update',
    name: 'a static update by the primary key',
    of: 'Thing',
    setup: () => things(['a', 1], ['b', 5]),
    write: () => Thing.update({ counter: 6 }, { where: { id: [2, 9] } }),
    told: ['update 2 b,5,null -> b,6,null'],
  },
  {
    row: 'static update',
    name: 'a static update by the primary key and more',
    of: 'Thing',
    setup: () => things(['a', 1], ['b', 5]),
    write: () => Thing.update({ counter: 6 }, { where: { id: [1, 2], name: 'b' } }),
    told: ['update 2 b,5,null -> b,6,null'],
  },
  {
    row: 'static update',
    name: 'a static update in a scope',
    of: 'Thing',
    setup: () => things(['a', 1], ['b', 5]),
    write: () => Thing.scope('many').update({ name: 'c' }, { where: {} }),
    told: ['update 2 b,5,null -> c,5,null'],
  },
  {
    row: 'static update',
    name: 'a static update with individualHooks',
    of: 'Thing',
    setup: () => things(['a', 1], ['b', 5]),
    write: () => Thing.update({ name: 'c' }, { where: { counter: 5 }, individualHooks: true }),
    told: ['update 2 b,5,null -> c,5,null'],
  },
  {
    row: 'static update',
    name: 'a static update of the primary key',
    of: 'Thing',
    setup: () => things(['a', 1]),
    write: () => Thing.update({ id: 9 }, { where: { name: 'a' } }),
    told: ['delete 1 a,1,null -> a,1,null', 'create 9 a,1,null'],
  },
  {
    row: 'static update',
    name: 'a static update that deletes softly, and one that restores',
    of: 'Note',
    setup: () => Note.bulkCreate([{ text: 'n' }, { text: 'm', deletedAt: new Date() }]),
    write: async () => {
      await Note.update({ deletedAt: new Date() }, { where: { id: 1 } });
      await Note.update({ deletedAt: null }, { where: { text: 'm' }, paranoid: false });
    },
    told: ['delete 1 n -> n', 'create 2 m'],
  },
  {
    row: 'static destroy, truncate',
    name: 'a static destroy',
    of: 'Thing',
    setup: () => things(['a', 1], ['b', 5]),
    write: () => Thing.destroy({ where: { counter: 5 } }),
    told: ['delete 2 b,5,null -> b,5,null'],
  },
  {
    row: 'static destroy, truncate',
    name: 'a static soft destroy',
    of: 'Note',
    setup: () => Note.bulkCreate([{ text: 'n' }, { text: 'm', deletedAt: new Date() }]),
    write: () => Note.destroy({ where: { id: [1, 2] } }),
    told: ['delete 1 n -> n'],
  },
  {
    row: 'static destroy, truncate',
    name: 'truncate',
    of: 'Thing',
    setup: () => things(['a', 1], ['b', 5]),
    write: () => Thing.truncate(),
    told: ['delete 1 a,1,null -> a,1,null', 'delete 2 b,5,null -> b,5,null'],
  },
  {
    row: 'upsert',
    name: 'an upsert of a new row, and of one that is there',
    of: 'Thing',
    setup: () => things(['a', 1]),
    write: async () => {
      await Thing.upsert({ id: 1, name: 'b', ownerId: null });
      await Thing.upsert({ id: 5, name: 'c', ownerId: null });
    },
    told: ['update 1 a,1,null -> b,1,null', 'create 5 c,0,null'],
  },
  {
    row: 'upsert',
    name: 'an upsert that deletes softly',
    of: 'Note',
    setup: () => Note.create({ text: 'n' }),
    write: () => Note.upsert({ text: 'n', deletedAt: new Date() }),
    told: ['delete 1 n -> n'],
  },
  {
    row: 'upsert',
    name: 'an upsert by a unique column',
    of: 'Note',
    setup: () => Note.create({ text: 'n', deletedAt: new Date() }),
    write: () => Note.upsert({ text: 'n', deletedAt: null }),
    told: ['create 1 n'],
  },
  {
    row: 'findOrCreate, findCreateFind',
    name: 'findOrCreate',
    of: 'Note',
    setup: () => Note.create({ text: 'n' }),
    write: async () => {
      await Note.findOrCreate({ where: { text: 'n' } });
      await Note.findOrCreate({ where: { text: 'm' } });
    },
    told: ['create 2 m'],
  },
  {
    row: 'findOrCreate, findCreateFind',
    name: 'findCreateFind',
    of: 'Note',
    write: () => Note.findCreateFind({ where: { text: 'm' } }),
    told: ['create 1 m'],
  },
  {
    row: 'increment, decrement',
    name: 'increment and decrement of a row',
    of: 'Thing',
    setup: () => things(['a', 1]),
    write: async () => {
      await (await thing(1)).increment('counter', { by: 2 });
    },
    told: ['update 1 a,1,null -> a,3,null'],
  },
  {
    row: 'increment, decrement',
    name: 'a static increment',
    of: 'Thing',
    setup: () => things(['a', 1], ['b', 5]),
    write: () => Thing.increment('counter', { where: { counter: 5 } }),
    told: ['update 2 b,5,null -> b,6,null'],
  },
  {
    row: 'increment, decrement',
    name: 'a static decrement by the primary key',
    of: 'Thing',
    setup: () => things(['a', 1], ['b', 5]),
    write: () => Thing.decrement({ counter: 2 }, { where: { id: 2 } }),
    told: ['update 2 b,5,null -> b,3,null'],
  },
  {
    row: 'cascades of Sequelize',
    name: 'a destroy that takes rows along, with hooks',
    of: 'Thing',
    setup: owned,
    write: async () => (await user(1)).destroy(),
    told: ['delete 1 a,1,1 -> a,1,1'],
  },
  {
    row: 'setters of relations',
    name: 'the setter of a hasMany',
    of: 'Thing',
    setup: owned,
    write: async () => (await user(1)).setThings([2]),
    told: ['update 1 a,1,1 -> a,1,null', 'update 2 b,2,null -> b,2,1'],
  },
  {
    row: 'setters of relations',
    name: 'the setter of a hasOne',
    of: 'Thing',
    setup: owned,
    write: async () => (await user(1)).setFavourite(2),
    told: ['update 1 a,1,1 -> a,1,null', 'update 2 b,2,null -> b,2,1'],
  },
  {
    row: 'many-to-many',
    name: 'add',
    of: 'Room',
    setup: rooms,
    write: async () => (await room(1)).addUsers([2]),
    told: ['update 1 one -> one'],
  },
  {
    row: 'many-to-many',
    name: 'remove',
    of: 'Room',
    setup: rooms,
    write: async () => (await room(2)).removeUsers([1, 2]),
    told: ['update 2 two -> two'],
  },
  {
    row: 'many-to-many',
    name: 'set that adds and takes away',
    of: 'Room',
    setup: rooms,
    write: async () => (await room(1)).setUsers([2]),
    told: ['update 1 one -> one'],
  },
  {
    row: 'many-to-many',
    name: 'create of the other side',
    of: 'Room',
    setup: rooms,
    write: async () => (await room(1)).createUser({ username: 'cat' }),
    told: ['update 1 one -> one'],
  },
  {
    row: 'many-to-many',
    name: 'create with rows of the other side, which is one create',
    of: 'Room',
    setup: rooms,
    write: () =>
      Room.create({ name: 'three', users: [{ username: 'cat' }, { username: 'dan' }] } as never, { include: ['users'] }),
    told: ['create 3 three'],
  },
  {
    row: 'many-to-many',
    name: 'create of the other side with rows',
    of: 'Room',
    setup: rooms,
    write: () => User.create({ username: 'cat', rooms: [{ name: 'three' }] } as never, { include: ['rooms'] }),
    told: ['create 3 three', 'update 3 three -> three'],
  },
  {
    row: 'many-to-many',
    name: 'a link that moves to another row',
    of: 'Room',
    setup: rooms,
    write: () => RoomUser.update({ RoomId: 1 }, { where: { UserId: 2 } }),
    told: ['update 1 one -> one', 'update 2 two -> two'],
  },
  {
    row: 'many-to-many',
    name: 'a link that is created and destroyed by itself',
    of: 'Room',
    setup: rooms,
    write: async () => {
      await RoomUser.create({ RoomId: 1, UserId: 2 });
      await (await RoomUser.findOne({ where: { RoomId: 2, UserId: 1 }, rejectOnEmpty: true })).destroy();
    },
    told: ['update 1 one -> one', 'update 2 two -> two'],
  },
  {
    row: 'many-to-many',
    name: 'set from the other side',
    of: 'Room',
    setup: rooms,
    write: async () => (await user(2)).setRooms([1]),
    told: ['update 1 one -> one', 'update 2 two -> two'],
  },
  {
    row: 'many-to-many',
    name: 'destroy of a row of the other side',
    of: 'Room',
    setup: rooms,
    write: async () => (await user(1)).destroy(),
    told: ['update 1 one -> one', 'update 2 two -> two'],
  },
  {
    row: 'many-to-many',
    name: 'a static destroy of rows of the other side',
    of: 'Room',
    setup: rooms,
    write: () => User.destroy({ where: { username: 'bob' } }),
    told: ['update 2 two -> two'],
  },
  {
    row: 'writes past Sequelize',
    name: 'SQL, `hooks: false` and cascades of the database, of which notify tells',
    of: 'Thing',
    setup: () => things(['a', 1], ['b', 2]),
    write: async () => {
      await Thing.sequelize?.query('UPDATE things SET count_of = 9 WHERE id = 1');
      await Thing.destroy({ where: { id: 2 }, hooks: false });
      notifyChanged(Thing, [1, 2]);
    },
    told: ['update 1 a,9,null', 'delete 2 '],
  },
];
