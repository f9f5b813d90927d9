import {
  action,
  crud,
  defineConsumer,
  demultiplexer,
  type ModelContext,
  modelConsumer,
  modelSerializer,
  permission,
  reply,
} from 'express-channels';
import createError from 'http-errors';
import { QueryTypes, Sequelize, ValidationError, ValidationErrorItem } from 'sequelize';
import { z } from 'zod';

import { Message, onEachDatabase, Room, User } from '../serializers/serializer-models.js';
import { serve } from '../support/serve.js';
import { connectTo, defineBook, failed, invalid, missing, ok, withTable } from './model-client.js';

const UserSerializer = () => modelSerializer(User, { fields: ['id', 'username', 'password'], writeOnly: ['password'] });
const RoomSerializer = () =>
  modelSerializer(Room, { fields: ['pk', 'name', 'host', 'messages'], nested: { host: UserSerializer() } });

onEachDatabase(({ sequelize, statements }) => {
  const ada = () => User.create({ username: 'ada', password: 'x' });

  describe('a custom action', () => {
    it('has the rows, the serializer, the model, the state and the arguments of its schema', async () => {
      const host = await ada();
      const rooms = modelConsumer(Room, {
        serializer: RoomSerializer(),
        state: () => ({ renamed: 0 }),
        queryset: (ctx) => ({ where: { host_id: ctx.scope.user === undefined ? null : host.id } }),
        actions: {
          ...crud('retrieve'),
          rename: action(
            async (ctx, { name, ...args }) => {
              const room = await ctx.getObject(args);
              await room.update({ name });
              return ctx.serializer.serialize(room);
            },
            { schema: z.object({ pk: z.coerce.number(), name: z.string() }) },
          ),
          count: (ctx) => ({ renamed: (ctx.state.renamed += 1) }),
          owned: async (ctx, args) => (await ctx.model.findAll(await ctx.queryset(args))).length,
          first: async (ctx, args) => {
            for await (const page of ctx.pages(args)) return page;
            return [];
          },
          columns: async (ctx, args) => Object.keys((await ctx.getObject(args, { attributes: ['id', 'name'] })).get()),
          loaded: async (ctx, args) => (await ctx.getObject(args, { include: ['host'] })).host?.username,
        },
      });
      await Room.create({ name: 'lobby', host_id: host.id });
      await Room.create({ name: 'attic' });
      const { act, errors } = await connectTo(rooms, 'ada');
      const lobby = { pk: 1, name: 'lobby', host: { id: 1, username: 'ada' }, messages: [] };
      expect(await act('rename', { pk: '1', name: 'hall' })).toEqual(ok({ ...lobby, name: 'hall' }));
      expect(await act('rename', { pk: 2, name: 'mine' })).toEqual(missing);
      expect(await act('rename', { pk: 1 })).toEqual(invalid('name'));
      expect(await act('count')).toEqual(ok({ renamed: 1 }));
      expect(await act('count')).toEqual(ok({ renamed: 2 }));
      expect(await act('owned')).toEqual(ok(1));
      expect(await act('first')).toEqual(ok([{ ...lobby, name: 'hall' }]));
      expect(await act('columns', { pk: 1 })).toEqual(ok(['id', 'name']));
      expect(await act('loaded', { pk: 1 })).toEqual(ok('ada'));
      expect(errors).toEqual([]);
    });

    it('stands behind the permissions of the consumer, and has its hooks and groups', async () => {
      const readers = permission(({ action: name }) => name !== 'delete');
      const { open, channels } = serve(
        modelConsumer(User, {
          serializer: UserSerializer(),
          permissions: [readers],
          connect: (ctx) => ctx.join('users'),
          on: { told: (ctx, { text }) => { ctx.reply(text, { action: 'told' }); } }, // prettier-ignore
          actionName: ({ do: name, ...rest }) => [typeof name === 'string' ? name : null, rest],
          actions: crud('list', 'delete'),
        }),
      );
      const client = await open();
      expect(await client.request({ do: 'list' })).toEqual(ok([]));
      expect(await client.request({ do: 'delete', pk: 1 })).toMatchObject({ action: 'delete', response_status: 403 });
      await channels.groupSend('users', { type: 'told', text: 'hello' });
      expect(await client.receive()).toMatchObject({ action: 'told', data: 'hello' });
    });

    it('is one of a stream, beside those of others', async () => {
      const users = modelConsumer(User, { serializer: UserSerializer(), actions: crud('create', 'list') });
      const rooms = modelConsumer(Room, { serializer: RoomSerializer(), actions: crud('create', 'retrieve', 'list') });
      const client = await serve(demultiplexer({ users, rooms })).open();
      const on = (stream: string, payload: object) => client.request({ stream, payload });
      const data = { username: 'ada', password: 'x' };
      expect(await on('users', { action: 'create', data })).toEqual({
        stream: 'users',
        payload: ok({ id: 1, username: 'ada' }, 201),
      });
      expect(await on('rooms', { action: 'retrieve', pk: 1 })).toEqual({ stream: 'rooms', payload: missing });
      expect(await on('rooms', { action: 'create', data: {} })).toEqual({ stream: 'rooms', payload: invalid('name') });
    });
  });

  describe('an action in a transaction', () => {
    const rooms = () =>
      modelConsumer(Room, {
        serializer: modelSerializer(Room, {
          fields: ['pk', 'name', 'host_id', 'host', 'messages'],
          nested: { host: UserSerializer() },
        }),
        queryset: () => ({ where: { name: ['lobby', 'hall'] } }),
        actions: {
          ...crud('retrieve'),
          move: action(
            async (ctx, args) => {
              const { transaction } = ctx;
              const room = await ctx.getObject(args, { lock: transaction.LOCK.UPDATE });
              await room.update({ name: 'hall' }, { transaction });
              const host = await User.create({ username: 'eve', password: 'x' }, { transaction });
              const stored = await ctx.serializer.update(room, { host_id: host.id }, { partial: true });
              await Message.create({ text: 'hi', userId: host.id, room_id: room.id }, { transaction });
              const made = await ctx.serializer.create({ name: 'attic', host_id: host.id });
              const pages = [];
              for await (const page of ctx.pages(args)) pages.push(page);
              ctx.reply([await ctx.serializer.serialize(stored), await ctx.serializer.serialize(made), pages]);
              if (args['fail'] === true) throw new Error('no');
            },
            { transaction: sequelize() },
          ),
        },
      });
    const eve = { id: 2, username: 'eve' };
    const moved = { pk: 1, name: 'hall', host_id: 2, host: eve, messages: [1] };
    const seen = [moved, { pk: 2, name: 'attic', host_id: 2, host: eve, messages: [] }, [[moved]]];

    it('reads and writes in it, by the serializer too', async () => {
      const host = await ada();
      await Room.create({ name: 'lobby', host_id: host.id });
      const { act, errors } = await connectTo(rooms());
      statements.length = 0;
      expect(await act('move', { pk: 1 })).toEqual(ok(seen));
      const outside = statements.filter((sql) => !/^Executing \([\w-]{36}\)/.test(sql));
      expect(outside).toEqual([]);
      expect(errors).toEqual([]);
    });

    it('leaves nothing behind when it throws', async () => {
      const host = await ada();
      await Room.create({ name: 'lobby', host_id: host.id });
      const { act, client, errors } = await connectTo(rooms());
      expect(await act('move', { pk: 1, fail: true })).toEqual(ok(seen));
      expect(await client.receive()).toEqual(failed);
      expect(errors).toEqual([new Error('no')]);
      expect(await act('retrieve', { pk: 1 })).toEqual(
        ok({ pk: 1, name: 'lobby', host_id: 1, host: { id: 1, username: 'ada' }, messages: [] }),
      );
      expect([await User.count(), await Room.count(), await Message.count()]).toEqual([1, 1, 0]);
      expect(await act('move', { pk: 9 })).toEqual(missing);
    });
  });

  describe('errors of any action', () => {
    const throwing = (fail: (ctx: unknown) => unknown) => [
      defineConsumer({ actions: { fail } }),
      modelConsumer(User, { serializer: UserSerializer(), actions: { fail } }),
    ];
    const tooLate = () => new ValidationErrorItem('Too late.', 'FUNCTION', 'text', '', User.build(), 'own', 'own', []);
    const toldOf = (error: unknown): unknown => expect.objectContaining({ errors: [error], data: null, response_status: 400 });
    const duplicate = async () => {
      await ada();
      await ada();
    };
    it.each<[string, () => unknown, expected: unknown]>([
      ['a unique value', duplicate, invalid('username')],
      ['a rule of the model', () => User.create({ username: 'x', email: 'none', password: 'x' }), invalid('email')],
      ['a value that is null', () => Room.create({ name: null as never }), invalid('name')],
      ['a foreign key', () => Message.create({ text: '', userId: 7, room_id: 7 }), toldOf(expect.any(Object))],
      ['a rule of one’s own', () => Promise.reject(new ValidationError('', [tooLate()])), toldOf({ text: ['Too late.'] })],
      ['a row that must be there', () => User.findByPk(77, { rejectOnEmpty: true }), missing],
    ])('tell the client: %s', async (_what, fail, expected) => {
      for (const consumer of throwing(fail)) {
        const { act, errors } = await connectTo(consumer);
        expect(await act('fail')).toEqual(expected);
        expect(errors).toEqual([]);
        await User.destroy({ where: {} });
      }
    });

    it('those of http-errors too, as they say', async () => {
      for (const consumer of throwing(() => Promise.reject(createError(409, 'Somebody was faster.')))) {
        const { act, errors } = await connectTo(consumer);
        expect(await act('fail')).toMatchObject({ errors: ['Somebody was faster.'], data: null, response_status: 409 });
        expect(errors).toEqual([]);
      }
    });

    it('those that have a status and do not say expose by their status alone', async () => {
      for (const consumer of throwing(() => Promise.reject(createError(503, 'secret')))) {
        const { act, errors } = await connectTo(consumer);
        expect(await act('fail')).toMatchObject({ errors: ['Service Unavailable'], data: null, response_status: 503 });
        expect(errors).toEqual([expect.any(Error)]);
      }
    });

    it.each<[string, () => unknown]>([
      ['a query that fails', () => sequelize().query('SELECT secret FROM nothing', { type: QueryTypes.SELECT })],
      ['a value that the database refuses', () => User.findAll({ where: Sequelize.literal("CAST('secret' AS nothing(") })],
      ['an error of one’s own', () => Promise.reject(new Error('secret'))],
    ])('and nothing else, but the server: %s', async (_what, fail) => {
      for (const consumer of throwing(fail)) {
        const { act, errors } = await connectTo(consumer);
        const frame = await act('fail');
        expect(frame).toEqual(failed);
        expect(JSON.stringify(frame)).not.toMatch(/secret|SELECT|nothing/i);
        expect(errors).toEqual([expect.any(Error)]);
      }
    });

    it('also what a computed field, a hook or a serializer of one’s own throws', async () => {
      const Book = defineBook(sequelize(), { hooks: { beforeDestroy: () => Promise.reject(createError(409, 'Lent.')) } });
      await withTable(Book, async () => {
        await Book.create({ title: 'Dune', isbn: '1' });
        const serializer = modelSerializer(Book, {
          fields: ['pk', 'title', 'bad'],
          computed: { bad: () => { throw new Error('secret'); } }, // prettier-ignore
          create: () => { throw createError(402, 'Pay first.'); }, // prettier-ignore
        });
        const { act, errors } = await connectTo(
          modelConsumer(Book, { serializer, actions: { ...crud('list', 'create', 'delete'), odd: () => reply(undefined, 299) } }),
        );
        expect(await act('list')).toEqual(failed);
        expect(errors).toEqual([new Error('secret')]);
        expect(await act('create', { data: { title: 'x' } })).toMatchObject({ errors: ['Pay first.'], response_status: 402 });
        expect(await act('delete', { pk: 1 })).toMatchObject({ errors: ['Lent.'], response_status: 409 });
        expect(await act('odd')).toEqual(ok(null, 299));
      });
    });
  });

  it('an action that was written apart takes its place in the consumer of its model', async () => {
    const shout = async (ctx: ModelContext<User>, args: Readonly<Record<string, unknown>>) =>
      (await ctx.getObject(args)).username.toUpperCase();
    await ada();
    const { act } = await connectTo(modelConsumer(User, { serializer: UserSerializer(), actions: { shout } }));
    expect(await act('shout', { pk: 1 })).toEqual(ok('ADA'));
  });
});
