import { modelSerializer } from '../../lib/serializers/serializer.js';
import { Message, onEachDatabase, Profile, Room, RoomUser, Sample, type Statements, User } from './serializer-models.js';

const NOW = new Date('2024-01-02T03:04:05.678Z');

async function seed({ messages = 2 } = {}) {
  const alice = await User.create({ username: 'alice', email: 'a@example.com', password: 'secret' });
  const bob = await User.create({ username: 'bob', password: 'secret' });
  const room = await Room.create({ name: 'hall', host_id: alice.id });
  const empty = await Room.create({ name: 'attic' });
  await RoomUser.bulkCreate([bob, alice].map((user) => ({ room_id: room.id, user_id: user.id })));
  await Message.bulkCreate(
    Array.from({ length: messages }, (_, index) => ({
      text: `m${index + 1}`,
      userId: index % 2 === 0 ? alice.id : bob.id,
      room_id: room.id,
      created_at: NOW,
    })),
  );
  return { alice, bob, room, empty };
}

const ALICE = { id: 1, username: 'alice', email: 'a@example.com' };
const BOB = { id: 2, username: 'bob', email: '' };

/** The queries that the work asks. */
async function queriesOf(statements: Statements, work: () => Promise<unknown>): Promise<number> {
  statements.length = 0;
  await work();
  return statements.length;
}

onEachDatabase(({ statements }) => {
  const userSerializer = () =>
    modelSerializer(User, { fields: ['id', 'username', 'email', 'password'], writeOnly: ['password'] });
  const messageSerializer = () =>
    modelSerializer(Message, {
      fields: ['id', 'created_at_formatted', 'user', 'text', 'created_at', 'room'],
      nested: { user: userSerializer(), room: modelSerializer(Room, { fields: ['id', 'name', 'current_users'] }) },
      computed: {
        created_at_formatted: ({ created_at }) => created_at.toISOString().replace(/^(\d+)-(\d+)-(\d+)T(.{8}).*$/, '$3-$2-$1 $4'),
      },
    });
  const roomSerializer = () =>
    modelSerializer(Room, {
      fields: ['pk', 'name', 'messages', 'current_users', 'last_message'],
      nested: { messages: messageSerializer(), current_users: userSerializer() },
      computed: { last_message: (_room, { messages }) => messages.at(-1) ?? null },
    });
  const HALL = { id: 1, name: 'hall', current_users: [1, 2] };
  const message = (id: number, user: object) => ({
    id,
    created_at_formatted: '02-01-2024 03:04:05',
    user,
    text: `m${id}`,
    created_at: '2024-01-02T03:04:05.678Z',
    room: HALL,
  });

  it('shows the declared fields in the declared order, and never what is write-only', async () => {
    const { alice } = await seed();
    const row = await userSerializer().serialize(alice);
    expect(row).toStrictEqual(ALICE);
    expect(Object.keys(row)).toEqual(['id', 'username', 'email']);
    const reversed = await modelSerializer(User, { fields: ['email', 'username', 'pk'] }).serialize(alice);
    expect(Object.entries(reversed)).toEqual([
      ['email', 'a@example.com'],
      ['username', 'alice'],
      ['pk', 1],
    ]);
  });

  it('shows all attributes but the excluded ones, foreign keys by the name of the relation', async () => {
    await seed();
    const first = await Message.findByPk(1, { rejectOnEmpty: true });
    expect(await modelSerializer(Message, { exclude: [] }).serialize(first)).toStrictEqual({
      id: 1,
      text: 'm1',
      created_at: '2024-01-02T03:04:05.678Z',
      user: 1,
      room: 1,
    });
    for (const excluded of ['user', 'userId']) {
      expect(await modelSerializer(Message, { exclude: [excluded, 'created_at'] }).serialize(first)).toStrictEqual({
        id: 1,
        text: 'm1',
        room: 1,
      });
    }
  });

  it('shows a foreign key by the name of its relation and of its column, without a query', async () => {
    const { room, empty } = await seed();
    const serializer = modelSerializer(Room, { fields: ['host', 'host_id'] });
    const queries = await queriesOf(statements, async () => {
      expect(await serializer.serializeMany([room, empty])).toStrictEqual([
        { host: 1, host_id: 1 },
        { host: null, host_id: null },
      ]);
    });
    expect(queries).toBe(0);
  });

  it('shows other relations as primary keys in ascending order', async () => {
    const { alice, bob, room, empty } = await seed();
    await Profile.create({ userId: bob.id });
    const rooms = modelSerializer(Room, { fields: ['current_users', 'messages'] });
    expect(await rooms.serializeMany([room, empty])).toStrictEqual([
      { current_users: [1, 2], messages: [1, 2] },
      { current_users: [], messages: [] },
    ]);
    const users = modelSerializer(User, { fields: ['profile', 'rooms'] });
    expect(await users.serializeMany([alice, bob])).toStrictEqual([
      { profile: null, rooms: [1] },
      { profile: 1, rooms: [1] },
    ]);
  });

  it('nests to any depth by serializers, in order of the primary key', async () => {
    const { room, empty } = await seed();
    expect(await roomSerializer().serializeMany([empty, room])).toStrictEqual([
      { pk: 2, name: 'attic', messages: [], current_users: [], last_message: null },
      {
        pk: 1,
        name: 'hall',
        messages: [message(1, ALICE), message(2, BOB)],
        current_users: [ALICE, BOB],
        last_message: message(2, BOB),
      },
    ]);
  });

  it('nests plain rows by depth, and only to that depth', async () => {
    await seed();
    const [first] = await Message.findAll({ order: ['id'] });
    if (first === undefined) throw new Error('There is no message.');
    const alice = { ...ALICE, password: 'secret' };
    const shallow = { id: 1, text: 'm1', created_at: '2024-01-02T03:04:05.678Z' };
    expect(await modelSerializer(Message, { exclude: [], depth: 1 }).serialize(first)).toStrictEqual({
      ...shallow,
      user: alice,
      room: { id: 1, name: 'hall', host: 1 },
    });
    expect(await modelSerializer(Message, { exclude: [], depth: 2 }).serialize(first)).toStrictEqual({
      ...shallow,
      user: alice,
      room: { id: 1, name: 'hall', host: alice },
    });
    expect(
      await modelSerializer(Room, { fields: ['current_users', 'host'], depth: 1, nested: { host: userSerializer() } }).serialize(
        await Room.findByPk(1, { rejectOnEmpty: true }),
      ),
    ).toStrictEqual({ current_users: [alice, { ...BOB, password: 'secret' }], host: ALICE });
  });

  it('awaits computed fields, and gives them the rest of the row', async () => {
    const { alice } = await seed();
    const serializer = modelSerializer(User, {
      fields: ['initial', 'id', 'shout', 'username'],
      computed: {
        initial: ({ username }) => username.charAt(0),
        shout: async (user, row) => Promise.resolve(`${row.username.toUpperCase()} ${user.id} ${Object.keys(row).join()}`),
      },
    });
    const row = await serializer.serialize(alice);
    expect(row).toStrictEqual({ initial: 'a', id: 1, shout: 'ALICE 1 id,username', username: 'alice' });
    expect(Object.keys(row)).toEqual(['initial', 'id', 'shout', 'username']);
  });

  it('asks as many queries for a hundred rows as for one', async () => {
    await seed({ messages: 100 });
    const serializer = messageSerializer();
    const show = async (limit: number) => serializer.serializeMany(await Message.findAll({ limit, order: ['id'] }));
    const one = await queriesOf(statements, () => show(1));
    const hundred = await queriesOf(statements, async () => expect(await show(100)).toHaveLength(100));
    expect(one).toBe(4);
    expect(hundred).toBe(4);
  });

  it('joins relations to one row by include(), which saves their queries', async () => {
    await seed({ messages: 10 });
    const serializer = messageSerializer();
    const plain = await serializer.serializeMany(await Message.findAll({ order: ['id'] }));
    const queries = await queriesOf(statements, async () => {
      const rows = await Message.findAll({ order: ['id'], limit: 5, offset: 2, ...serializer.include() });
      expect(await serializer.serializeMany(rows)).toStrictEqual(plain.slice(2, 7));
    });
    expect(queries).toBe(2);
  });

  it('shows the related row of a foreign key that changed, not the one that was loaded', async () => {
    await seed();
    const serializer = modelSerializer(Message, { fields: ['user'], nested: { user: userSerializer() } });
    const first = await Message.findByPk(1, { include: ['user'], rejectOnEmpty: true });
    expect(await queriesOf(statements, () => serializer.serialize(first))).toBe(0);
    await first.update({ userId: 2 });
    expect(await serializer.serialize(first)).toStrictEqual({ user: BOB });
  });

  it('leaves the instance as it is, so that it shows new related rows each time', async () => {
    const { room, empty } = await seed();
    const serializer = modelSerializer(Room, { fields: ['messages'] });
    expect(await serializer.serialize(empty)).toStrictEqual({ messages: [] });
    await Message.create({ text: 'x', userId: 1, room_id: empty.id });
    expect(await serializer.serialize(empty)).toStrictEqual({ messages: [3] });
    expect(Object.keys(room.get())).not.toContain('messages');
  });

  it('shows the last state of a row that was deleted, as far as its relations are still there', async () => {
    await seed();
    const first = await Message.findByPk(1, { rejectOnEmpty: true });
    await first.destroy();
    expect(await messageSerializer().serialize(first)).toStrictEqual(message(1, ALICE));
    const room = await Room.findByPk(1, { rejectOnEmpty: true });
    await room.destroy();
    expect(await modelSerializer(Room, { fields: ['pk', 'host', 'messages'] }).serialize(room)).toStrictEqual({
      pk: 1,
      host: 1,
      messages: [],
    });
  });

  it('sees the rows of the transaction that it is given', async () => {
    const { room } = await seed();
    const { sequelize } = Room;
    if (sequelize === undefined) throw new Error('There is no database.');
    const transaction = await sequelize.transaction();
    await Message.create({ text: 'x', userId: 1, room_id: room.id }, { transaction });
    const shown = await modelSerializer(Room, { fields: ['messages'] }).serialize(room, { transaction });
    await transaction.rollback();
    expect(shown).toStrictEqual({ messages: [1, 2, 3] });
  });

  it('shows every type as JSON has it, null where there is nothing', async () => {
    const filled = await Sample.create({
      price: '12.5',
      moment: NOW,
      day: '2024-01-02',
      flag: true,
      data: { a: [1] },
      short: null,
    });
    const serializer = modelSerializer(Sample, { fields: ['price', 'moment', 'day', 'flag', 'data', 'short', 'text'] });
    const expected = {
      price: '12.50',
      moment: '2024-01-02T03:04:05.678Z',
      day: '2024-01-02',
      flag: true,
      data: { a: [1] },
      short: null,
      text: null,
    };
    await filled.reload();
    expect(await serializer.serialize(filled)).toStrictEqual(expected);
    expect(await serializer.serialize(await Sample.create({}))).toStrictEqual({
      price: null,
      moment: null,
      day: null,
      flag: null,
      data: null,
      short: null,
      text: null,
    });
  });
});
