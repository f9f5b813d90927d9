import { type Consumer, crud, modelConsumer, modelSerializer } from 'express-channels';
import { DataTypes, type Model, type ModelAttributeColumnOptions, type ModelStatic } from 'sequelize';

import { Message, onEachDatabase, Room, User } from '../serializers/serializer-models.js';
import { type BookModel, connectTo, defineBook, invalid, missing, ok, withTable } from './model-client.js';

const ALL = crud('list', 'retrieve', 'create', 'update', 'patch', 'delete');

onEachDatabase(({ sequelize, statements }) => {
  const withBooks = (test: (consumer: Consumer, Book: BookModel) => Promise<void>) =>
    withTable(defineBook(sequelize()), async (Book) => {
      const serializer = modelSerializer(Book, { fields: ['pk', 'title', 'isbn', 'copies'] });
      await test(modelConsumer(Book, { serializer, actions: ALL }), Book);
    });
  const dune = { title: 'Dune', isbn: '1' };
  const shown = { pk: 1, title: 'Dune', isbn: '1', copies: 1 };

  describe('crud', () => {
    it('lists, retrieves, creates, updates, patches and deletes rows', async () => {
      await withBooks(async (consumer) => {
        const { act } = await connectTo(consumer);
        expect(await act('list')).toEqual(ok([]));
        expect(await act('create', { data: dune })).toEqual(ok(shown, 201));
        expect(await act('retrieve', { pk: 1 })).toEqual(ok(shown));
        expect(await act('retrieve', { pk: '1' })).toEqual(ok(shown));
        expect(await act('patch', { pk: 1, data: { copies: 3 } })).toEqual(ok({ ...shown, copies: 3 }));
        // What has a default keeps its value when a full update leaves it out.
        expect(await act('update', { pk: 1, data: { title: 'Dune 2', isbn: '1' } })).toEqual(
          ok({ ...shown, title: 'Dune 2', copies: 3 }),
        );
        expect(await act('create', { data: { title: 'Emma', isbn: '2' } })).toEqual(ok(expect.anything(), 201));
        expect(await act('list', { pk: 1, data: 7 })).toEqual(
          ok([expect.objectContaining({ pk: 1 }), expect.objectContaining({ pk: 2 })]),
        );
        expect(await act('delete', { pk: 1 })).toEqual(ok(null, 204));
        expect(await act('delete', { pk: 1 })).toEqual(missing);
        expect(await act('retrieve', { pk: 1 })).toEqual(missing);
      });
    });

    it('takes a pk, and what is no field, in the data as nothing', async () => {
      await withBooks(async (consumer, Book) => {
        const { act } = await connectTo(consumer);
        const data = { ...dune, pk: 7, id: 7, live: false, other: 1 };
        expect(await act('create', { data })).toEqual(ok(shown, 201));
        expect(await act('update', { pk: 1, data })).toEqual(ok(shown));
        expect(await act('patch', { pk: 1, data: { pk: 7, id: 7 } })).toEqual(ok(shown));
        expect(await Book.findByPk(1)).toMatchObject({ live: true });
      });
    });

    it('tells which fields are invalid, and stores none of them', async () => {
      await withBooks(async (consumer, Book) => {
        const { act, errors } = await connectTo(consumer);
        await Book.bulkCreate([dune, { title: 'Emma', isbn: '2' }]);
        for (const [data, ...fields] of [
          [{}, 'title', 'isbn'],
          [{ title: null, isbn: 'a'.repeat(21) }, 'title', 'isbn'],
          [{ title: ' ', isbn: '3', copies: 'many' }, 'title', 'copies'],
          [{ title: 'x', isbn: '2', copies: 2 ** 31 }, 'isbn', 'copies'],
          [{ title: { a: 1 }, isbn: ['3'], copies: null }, 'title', 'isbn', 'copies'],
        ] as const) {
          expect(await act('create', { data })).toEqual(invalid(...fields));
          expect(await act('update', { pk: 1, data })).toEqual(invalid(...fields));
        }
        expect(await act('patch', { pk: 1, data: { isbn: '2', title: 'x' } })).toEqual(invalid('isbn'));
        expect(await act('patch', { pk: 1, data: { isbn: '1' } })).toEqual(ok(shown));
        expect(await Book.count({ where: { title: 'Dune' } })).toBe(1);
        expect(errors).toEqual([]);
      });
    });

    it.each([undefined, null, 'text', 7, true, []])('refuses the data %j', async (data) => {
      await withBooks(async (consumer, Book) => {
        await Book.create(dune);
        const { act } = await connectTo(consumer);
        expect(await act('create', { data })).toEqual(invalid('non_field_errors'));
        for (const action of ['update', 'patch']) {
          expect(await act(action, { pk: 1, data })).toEqual(invalid('non_field_errors'));
          expect(await act(action, { pk: 2, data })).toEqual(missing);
        }
      });
    });

    it('refuses what no row is named by, before the data', async () => {
      await withBooks(async (consumer) => {
        const { act } = await connectTo(consumer);
        for (const action of ['retrieve', 'update', 'patch', 'delete'])
          expect(await act(action, { data: { pk: 1 }, id: 1 })).toEqual(invalid('pk'));
      });
    });

    it('knows the foreign keys that exist, and what still refers to a row', async () => {
      const serializer = modelSerializer(Message, { fields: ['pk', 'text', 'user', 'room'] });
      const messages = await connectTo(modelConsumer(Message, { serializer, actions: ALL }));
      const user = await User.create({ username: 'ada', password: 'x' });
      const room = await Room.create({ name: 'lobby' });
      const data = { text: 'hi', user: user.id, room: room.id };
      expect(await messages.act('create', { data: { ...data, user: 77 } })).toEqual(invalid('user'));
      expect(await messages.act('create', { data })).toEqual(ok({ pk: 1, ...data }, 201));
      expect(await messages.act('patch', { pk: 1, data: { room: 9 } })).toEqual(invalid('room'));
      const UserSerializer = modelSerializer(User, { fields: ['id'] });
      const users = await connectTo(modelConsumer(User, { serializer: UserSerializer, actions: ALL }));
      expect(await users.act('delete', { pk: user.id })).toEqual(invalid('non_field_errors'));
      expect(users.errors).toEqual([]);
    });

    it('offers the actions that it is asked for, and no others', async () => {
      const serializer = modelSerializer(User, { fields: ['pk'] });
      const { act } = await connectTo(modelConsumer(User, { serializer, actions: crud('retrieve') }));
      for (const action of ['list', 'delete', 'constructor', '__proto__', 'perform'])
        expect(await act(action, { pk: 1 })).toMatchObject({ errors: [`Method "${action}" not allowed.`], response_status: 405 });
    });

    it('two who create the same value at once get 201 and 400', async () => {
      await withBooks(async (consumer) => {
        const clients = [await connectTo(consumer), await connectTo(consumer)];
        for (const isbn of ['a', 'b', 'c']) {
          const replies = await Promise.all(clients.map(({ act }) => act('create', { data: { title: 'x', isbn } })));
          expect(replies.sort((one, other) => Number(one['response_status']) - Number(other['response_status']))).toEqual([
            ok(expect.anything(), 201),
            invalid('isbn'),
          ]);
        }
        expect(clients.flatMap(({ errors }) => errors)).toEqual([]);
      });
    });
  });

  const UUID = '0b5e1c3a-2f4d-4e6b-8a9c-1d2e3f405162';
  /** No row is named by these, whatever the column. */
  const NEVER = [{}, { id: 1 }, { ne: 0 }, [1], [[]], true, false, null, '', ' ', 'a\0b', '\ud800', 'x'.repeat(60_000)];
  const NO_INTEGERS = [' 1', '1 ', '01', '+1', '-0', '1e0', '1.0', '1.5', 1.5, '0x1', '１', -1, '-1', 0, 1e30, '1'.repeat(31)];
  const LARGE = [2 ** 31, 2 ** 53, String(2 ** 53), '9223372036854775808'];

  describe('a row is looked up', () => {
    it.each<[string, ModelAttributeColumnOptions, key: unknown, others: unknown[], none: unknown[]]>([
      ['INTEGER', { type: DataTypes.INTEGER }, 1, ['1'], [...NO_INTEGERS, ...LARGE]],
      ['BIGINT', { type: DataTypes.BIGINT }, '1', [1], [...NO_INTEGERS, ...LARGE]],
      ['large BIGINT', { type: DataTypes.BIGINT }, '9007199254740992', [], [2 ** 53, '9007199254740993', 1]],
      [
        'UUID',
        { type: DataTypes.UUID },
        UUID,
        [UUID.toUpperCase()],
        [1, 'x', `${UUID} `, ` ${UUID}`, `{${UUID}}`, UUID.slice(1)],
      ],
      ['STRING', { type: DataTypes.STRING(5) }, ' a\'"%', [], ['a\'"%', ' a', '%', '1', 1, ' A\'"%']],
      ['numeric STRING', { type: DataTypes.STRING(5) }, '17', [17], [1, '017', '17 ', '17.0']],
      ['ENUM', { type: DataTypes.ENUM('red', 'green') }, 'red', [], ['blue', 'RED', 1, ' red']],
      ['DATEONLY', { type: DataTypes.DATEONLY }, '2024-02-29', [], ['2023-02-29', '2024-02-29 ', 20240229, 'now', 'infinity']],
    ])('by a primary key of type %s', async (name, column, key, others, none) => {
      const Keyed = sequelize().define(`Keyed ${name}`, { key: { ...column, primaryKey: true } }, { timestamps: false });
      await withTable(Keyed, async () => {
        await Keyed.create({ key });
        const serializer = modelSerializer(Keyed, { fields: ['pk'] });
        const { act, errors } = await connectTo(modelConsumer(Keyed, { serializer, actions: ALL }));
        for (const pk of [key, ...others])
          expect(await act('retrieve', { pk })).toEqual(ok({ pk: expect.anything() as unknown }));
        for (const pk of [...NEVER, ...none]) {
          for (const action of ['retrieve', 'patch', 'delete'])
            expect([pk, await act(action, { pk, data: {} })]).toEqual([pk, missing]);
        }
        expect(await act('retrieve', { pk: key })).toEqual(ok(expect.anything()));
        expect(errors).toEqual([]);
      });
    });

    it('by another column, and by another key of the frame', async () => {
      await User.create({ username: 'ada', password: 'x' });
      const serializer = modelSerializer(User, { fields: ['id', 'username'] });
      const shownUser = ok({ id: 1, username: 'ada' });
      const byName = await connectTo(modelConsumer(User, { serializer, actions: ALL, lookupField: 'username' }));
      expect(await byName.act('retrieve', { username: 'ada', pk: 7 })).toEqual(shownUser);
      expect(await byName.act('retrieve', { pk: 1 })).toEqual(invalid('username'));
      for (const username of NEVER) expect(await byName.act('retrieve', { username })).toEqual(missing);
      expect(await byName.act('patch', { username: 'ada', data: { username: 'eve' } })).toEqual(ok({ id: 1, username: 'eve' }));
      const byKey = await connectTo(
        modelConsumer(User, { serializer, actions: ALL, lookupField: 'username', lookupKey: 'name' }),
      );
      expect(await byKey.act('retrieve', { name: 'eve' })).toEqual(ok({ id: 1, username: 'eve' }));
      expect(await byKey.act('retrieve', { username: 'eve' })).toEqual(invalid('name'));
      const byId = await connectTo(modelConsumer(User, { serializer, actions: ALL, lookupField: 'id' }));
      expect(await byId.act('delete', { id: 1 })).toEqual(ok(null, 204));
    });

    it('by a column of a model that has no primary key of one column', async () => {
      const columns = {
        row: { type: DataTypes.INTEGER, primaryKey: true },
        place: { type: DataTypes.INTEGER, primaryKey: true },
        code: { type: DataTypes.STRING, allowNull: false, unique: true },
      };
      const Seat: ModelStatic<Model> = sequelize().define('Seat', columns, { timestamps: false });
      await withTable(Seat, async () => {
        await Seat.bulkCreate([
          { row: 2, place: 1, code: 'c' },
          { row: 1, place: 2, code: 'b' },
          { row: 1, place: 1, code: 'a' },
        ]);
        const serializer = modelSerializer(Seat, { fields: ['code'] });
        const { act } = await connectTo(modelConsumer(Seat, { serializer, actions: ALL, lookupField: 'code' }));
        expect(await act('retrieve', { code: 'b' })).toEqual(ok({ code: 'b' }));
        expect(await act('list')).toEqual(ok([{ code: 'a' }, { code: 'b' }, { code: 'c' }]));
      });
    });

    it('by one query, relations to one row included', async () => {
      const host = await User.create({ username: 'ada', password: 'x' });
      await Room.create({ name: 'lobby', host_id: host.id });
      const nested = { host: modelSerializer(User, { fields: ['username'] }) };
      const serializer = modelSerializer(Room, { fields: ['name', 'host'], nested });
      const { act } = await connectTo(modelConsumer(Room, { serializer, actions: ALL }));
      statements.length = 0;
      expect(await act('retrieve', { pk: 1 })).toEqual(ok({ name: 'lobby', host: { username: 'ada' } }));
      expect(statements).toHaveLength(1);
    });
  });
});
