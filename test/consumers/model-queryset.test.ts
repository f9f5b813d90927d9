import vm from 'node:vm';

import { action, type ActionArguments, crud, keyset, modelConsumer, modelSerializer, toActionError } from 'express-channels';
import { DataTypes, type FindOptions, type Includeable, Op, Sequelize } from 'sequelize';
import { z } from 'zod';

import { Message, onEachDatabase, Room, User } from '../serializers/serializer-models.js';
import { type BookModel, connectTo, defineBook, invalid, missing, ok, withTable } from './model-client.js';

const ALL = crud('list', 'retrieve', 'create', 'update', 'patch', 'delete');

onEachDatabase(({ sequelize, statements }) => {
  const withBooks = (options: Parameters<typeof defineBook>[1], test: (Book: BookModel) => Promise<void>) =>
    withTable(defineBook(sequelize(), options), async (Book) => {
      await Book.unscoped().bulkCreate([
        { title: 'Dune', isbn: 'a', copies: 1, live: true },
        { title: 'Emma', isbn: 'b', copies: 2, live: true },
        { title: 'Ubik', isbn: 'c', copies: 3, live: false },
      ]);
      await test(Book);
    });
  const serializerOf = (Book: BookModel) => modelSerializer(Book, { fields: ['pk', 'title', 'isbn', 'copies'] });
  const pks = (...expected: readonly number[]) => ok(expected.map((pk) => expect.objectContaining({ pk }) as unknown));

  describe('rows outside of the queryset do not exist', () => {
    const everywhere: [string, Parameters<typeof defineBook>[1], ((Book: BookModel) => BookModel) | undefined, FindOptions][] = [
      ['where', {}, undefined, { where: { live: true } }],
      [
        'where with operators',
        {},
        undefined,
        { where: { [Op.and]: [{ copies: { [Op.lt]: 3 } }, { [Op.or]: [{ id: 1 }, { id: 2 }] }] } },
      ],
      ['where by a condition on the key', {}, undefined, { where: { id: [1, 2] } }],
      [
        'where by a function',
        {},
        undefined,
        { where: Sequelize.where(Sequelize.fn('lower', Sequelize.col('title')), { [Op.ne]: 'ubik' }) },
      ],
      ['a default scope', { defaultScope: { where: { live: true } } }, undefined, {}],
      ['a default scope on the key', { defaultScope: { where: { id: [1, 2] } } }, undefined, {}],
      ['a default scope with an operator', { defaultScope: { where: { [Op.and]: [{ live: true }] } } }, undefined, {}],
      ['a default scope that is a function of SQL', { defaultScope: { where: Sequelize.where(Sequelize.col('copies'), '<', 3) } }, undefined, {}], // prettier-ignore
      [
        'a default scope and where',
        { defaultScope: { where: { copies: [1, 2] } } },
        undefined,
        { where: { live: [true, false] } },
      ],
      [
        'where in place of that of the default scope',
        { defaultScope: { where: { live: false } } },
        undefined,
        { where: { live: true } },
      ],
      ['a scoped model', { scopes: { few: { where: { id: [1, 2] } } } }, (Book) => Book.scope('few'), {}],
      ['a scoped model and where', { scopes: { few: { where: { [Op.and]: [{ copies: [1, 2] }] } } } }, (Book) => Book.scope('few'), { where: { id: { [Op.gt]: 0 } } }], // prettier-ignore
      [
        'an order, and a limit for the list',
        {},
        undefined,
        { where: { live: true }, order: [['title', 'ASC']], limit: 2, offset: 0 },
      ],
    ];
    it.each(everywhere)('by %s', async (_how, options, scope, find) => {
      await withBooks(options, async (Book) => {
        const Shown = scope?.(Book) ?? Book;
        const consumer = modelConsumer(Shown, {
          serializer: serializerOf(Book),
          actions: ALL,
          queryset: async () => Promise.resolve(find),
        });
        const { act, errors } = await connectTo(consumer);
        expect(await act('list')).toEqual(pks(1, 2));
        expect(await act('retrieve', { pk: 2 })).toEqual(ok(expect.objectContaining({ pk: 2 })));
        for (const name of ['retrieve', 'update', 'patch', 'delete'])
          expect(await act(name, { pk: 3, data: { title: 'mine', isbn: 'x' } })).toEqual(missing);
        expect(await act('patch', { pk: 1, data: { title: 'mine' } })).toEqual(ok(expect.objectContaining({ title: 'mine' })));
        expect(await act('delete', { pk: 2 })).toEqual(ok(null, 204));
        expect(await Book.unscoped().findAll({ order: ['id'] })).toMatchObject([{ title: 'mine' }, { title: 'Ubik' }]);
        expect(errors).toEqual([]);
      });
    });

    it('by who is connected, and by arguments', async () => {
      const ada = await User.create({ username: 'ada', password: 'x' });
      const eve = await User.create({ username: 'eve', password: 'x' });
      const room = await Room.create({ name: 'lobby' });
      const other = await Room.create({ name: 'attic' });
      for (const [user, { id }] of [
        [ada, room],
        [eve, room],
        [ada, other],
      ] as const)
        // prettier-ignore
        await Message.create({ text: 'hi', userId: user.id, room_id: id });
      const consumer = modelConsumer(Message, {
        serializer: modelSerializer(Message, { fields: ['pk', 'text'] }),
        actions: ALL,
        queryset: async ({ scope, action: name }, { room: given }) => {
          expect(['list', 'retrieve']).toContain(name);
          const user = await User.findOne({ where: { username: Reflect.get(scope.user ?? {}, 'username') as string } });
          return { where: { userId: user?.id ?? 0, ...(given !== undefined && { room_id: Number(given) }) } };
        },
      });
      const { act } = await connectTo(consumer, 'ada');
      expect(await act('list')).toEqual(pks(1, 3));
      expect(await act('list', { room: 2 })).toEqual(pks(3));
      expect(await act('retrieve', { pk: 2 })).toEqual(missing);
      expect(await act('retrieve', { pk: 1, room: 2 })).toEqual(missing);
      expect(await act('retrieve', { pk: 3, room: '2' })).toEqual(ok({ pk: 3, text: 'hi' }));
    });

    it('by a relation that is joined, which stays so when others are loaded', async () => {
      const host = await User.create({ username: 'ada', password: 'x' });
      const guest = await User.create({ username: 'eve', password: 'x' });
      await Room.create({ name: 'hers', host_id: host.id });
      await Room.create({ name: 'other', host_id: guest.id });
      await Room.create({ name: 'nobody', host_id: null });
      const nested = { host: modelSerializer(User, { fields: ['username'] }) };
      const serializer = modelSerializer(Room, { fields: ['pk', 'host'], nested });
      const hers = { username: 'ada' };
      const includes: (Includeable | Includeable[])[] = [
        { association: 'host', where: hers },
        ...Object.values(Room.associations)
          .filter(({ as }) => as === 'host')
          .map((association) => ({ association, where: hers, attributes: [] })),
        { model: User, as: 'host', where: hers, attributes: ['id', 'username'] },
        [{ association: 'host', required: true, where: hers }, 'messages'],
      ];
      for (const include of includes) {
        const { act, errors } = await connectTo(
          modelConsumer(Room, {
            serializer,
            queryset: () => ({ include }),
            actions: {
              ...ALL,
              guests: async (ctx, args) => {
                const room = await ctx.getObject(args, { include: ['messages', 'host', 'current_users'] });
                return [room.current_users?.length, room.messages?.length];
              },
            },
          }),
        );
        expect(await act('list')).toEqual(ok([{ pk: 1, host: hers }]));
        expect(await act('retrieve', { pk: 1 })).toEqual(ok({ pk: 1, host: hers }));
        expect(await act('guests', { pk: 1 })).toEqual(ok([0, 0]));
        for (const name of ['retrieve', 'patch', 'guests', 'delete'])
          for (const pk of [2, 3]) expect(await act(name, { pk, data: {} })).toEqual(missing);
        expect(errors).toEqual([]);
      }
    });

    it('by a relation that is named by its model alone', async () => {
      const [Author, Text] = ['Author', 'Text'].map((name) => sequelize().define(name, {}, { timestamps: false }));
      if (Author === undefined || Text === undefined) throw new Error('Expected two models.');
      Text.belongsTo(Author, { foreignKey: 'author_id' });
      await withTable(Author, async () =>
        withTable(Text, async () => {
          await Author.create();
          await Text.create({ author_id: 1 });
          await Text.create({ author_id: null });
          const serializer = modelSerializer(Text, { fields: ['pk', 'Author'], depth: 1 });
          const queryset = () => ({ include: { model: Author, required: true } });
          const { act, errors } = await connectTo(modelConsumer(Text, { serializer, actions: ALL, queryset }));
          expect(await act('retrieve', { pk: 1 })).toEqual(ok({ pk: 1, Author: { id: 1 } }));
          expect(await act('retrieve', { pk: 2 })).toEqual(missing);
          expect(errors).toEqual([]);
        }),
      );
    });

    it('also where columns have other names than attributes', async () => {
      const columns = {
        code: { type: DataTypes.STRING, field: 'the_code' },
        live: { type: DataTypes.BOOLEAN, field: 'is_live' },
      };
      const Coded = sequelize().define('Coded', columns, { timestamps: false, defaultScope: { where: { live: true } } });
      await withTable(Coded, async () => {
        await Coded.bulkCreate([{ code: 'a', live: true }, { code: 'b', live: false }, { code: 'c', live: true }]); // prettier-ignore
        const { act } = await connectTo(
          modelConsumer(Coded, {
            serializer: modelSerializer(Coded, { fields: ['pk', 'code'] }),
            actions: ALL,
            lookupField: 'code',
            pagination: keyset({ limit: 1 }),
            queryset: () => ({ where: { code: { [Op.ne]: 'x' } } }),
          }),
        );
        expect(await act('retrieve', { code: 'a' })).toEqual(ok({ pk: 1, code: 'a' }));
        expect(await act('retrieve', { code: 'b' })).toEqual(missing);
        expect(await act('list', { after: 1 })).toEqual(ok({ results: [{ pk: 3, code: 'c' }], limit: 1, next: null }));
      });
    });

    it('by the deletion of a paranoid model', async () => {
      const Page = sequelize().define('Page', { slug: DataTypes.STRING }, { paranoid: true });
      await withTable(Page, async () => {
        const page = await Page.create({ slug: 'home' });
        const serializer = modelSerializer(Page, { fields: ['slug'] });
        const { act } = await connectTo(
          modelConsumer(Page, { serializer, actions: ALL, queryset: () => ({ where: { slug: 'home' } }) }),
        );
        expect(await act('retrieve', { pk: 1 })).toEqual(ok({ slug: 'home' }));
        expect(await act('delete', { pk: 1 })).toEqual(ok(null, 204));
        expect(await act('retrieve', { pk: 1 })).toEqual(missing);
        expect(await act('list')).toEqual(ok([]));
        expect(await page.reload({ paranoid: false })).toMatchObject({ slug: 'home' });
      });
    });
  });

  it('a row that a change moves out of the queryset is answered, and then gone', async () => {
    await withBooks({ defaultScope: { where: { live: true } } }, async (Book) => {
      const serializer = modelSerializer(Book, { fields: ['pk', 'live', 'copies'] });
      const few = { where: { copies: { [Op.lt]: 3 } } };
      const { act } = await connectTo(modelConsumer(Book, { serializer, actions: ALL, queryset: () => few }));
      expect(await act('patch', { pk: 1, data: { copies: 9 } })).toEqual(ok({ pk: 1, live: true, copies: 9 }));
      expect(await act('retrieve', { pk: 1 })).toEqual(missing);
      expect(await act('patch', { pk: 2, data: { live: false } })).toEqual(ok({ pk: 2, live: false, copies: 2 }));
      expect(await act('retrieve', { pk: 2 })).toEqual(missing);
    });
  });

  it('a row that is created outside of the queryset is answered, also where the database fills it in', async () => {
    const Stamped = sequelize().define(
      'Stamped',
      { live: DataTypes.BOOLEAN, at: { type: DataTypes.DATE, defaultValue: Sequelize.literal('CURRENT_TIMESTAMP') } },
      { timestamps: false, defaultScope: { where: { live: true } } },
    );
    await withTable(Stamped, async () => {
      const serializer = modelSerializer(Stamped, { fields: ['pk', 'live', 'at'], readOnly: ['at'] });
      const { act } = await connectTo(modelConsumer(Stamped, { serializer, actions: ALL }));
      expect(await act('create', { data: { live: false } })).toEqual(
        ok({ pk: 1, live: false, at: expect.any(String) as unknown }, 201),
      );
    });
  });

  describe('what a client sends never becomes a part of a query by itself', () => {
    type Build = (args: ActionArguments, given: never) => FindOptions;
    const builds: [string, Build][] = [
      ['where', (_args, where) => ({ where })],
      ['a value', (_args, id) => ({ where: { id } })],
      ['the operand of an operator', (_args, id) => ({ where: { id: { [Op.in]: id } } })],
      ['a part of a list', (_args, id) => ({ where: { [Op.or]: [{ id: 1 }, { id }] } })],
      ['a value of a function', (_args, id) => ({ where: Sequelize.where(Sequelize.col('id'), id) })],
      ['an argument of a function', (_args, id) => ({ where: Sequelize.where(Sequelize.fn('abs', id), 1) })],
      ['a part of and()', (_args, id) => ({ where: Sequelize.and({ id }, { id: 1 }) })],
      ['a cast', (_args, id) => ({ where: Sequelize.where(Sequelize.cast(id, 'integer'), 1) })],
      ['attributes', (_args, attributes) => ({ attributes })],
      ['a further attribute', (_args, given) => ({ attributes: { include: [given] } })],
      ['order', (_args, order) => ({ order })],
      ['a part of order', (_args, by) => ({ order: [by] })],
      ['include', (_args, include) => ({ include })],
      ['where of an include', (_args, where) => ({ include: [{ association: 'user', where }] })],
      ['all arguments', (args) => ({ where: { ...args, action: undefined } })],
      ['the arguments themselves', (args) => ({ where: args })],
    ];
    const objects = [{ gt: 0 }, { $gt: 0 }, ['id'], [['id', 'DESC']], [1, 2], {}, [], { a: { b: [{}] } }];

    it.each(builds)('as %s', async (_how, build) => {
      const serializer = modelSerializer(Message, { fields: ['pk'] });
      const queryset = (_ctx: unknown, args: ActionArguments) => build(args, args['given'] as never);
      const { act, errors } = await connectTo(modelConsumer(Message, { serializer, actions: ALL, queryset }));
      statements.length = 0;
      for (const name of ['list', 'retrieve', 'patch', 'delete']) {
        for (const given of objects)
          expect(await act(name, { pk: 1, given })).toMatchObject({ data: null, response_status: 400 });
      }
      expect(statements).toEqual([]);
      expect(errors).toEqual([]);
    });

    it('but texts and numbers do, and what the server has made of the rest', async () => {
      await withBooks({}, async (Book) => {
        const { act } = await connectTo(
          modelConsumer(Book, {
            serializer: serializerOf(Book),
            actions: {
              ...ALL,
              ids: action(async (ctx, args) => (await Book.findAll(await ctx.queryset(args))).map(({ id }) => id), {
                schema: z.object({ among: z.array(z.number()), since: z.coerce.date() }),
              }),
            },
            queryset: (_ctx, { title, among, since }) => ({
              where: {
                ...(title !== undefined && { title: title as string }),
                ...(Array.isArray(among) && { id: { [Op.in]: among.map(Number) } }),
                ...(since !== undefined && {
                  [Op.and]: [Sequelize.where(Sequelize.literal("'2024-05-01'"), '>', since)],
                }),
              },
            }),
          }),
        );
        expect(await act('list', { title: 'Emma' })).toEqual(pks(2));
        expect(await act('list', { title: { ne: 'x' } })).toEqual(invalid('title'));
        expect(await act('list', { among: ['1', 3] })).toEqual(pks(1, 3));
        expect(await act('ids', { among: [1, 2], since: '2024-01-01' })).toEqual(ok([1, 2]));
      });
    });
  });

  it('also where the queryset is of another realm, as under test frameworks', async () => {
    const queryset = vm.runInNewContext('(ctx, { id }) => ({ where: { id } })') as () => object;
    const serializer = modelSerializer(Message, { fields: ['pk'] });
    const { act } = await connectTo(modelConsumer(Message, { serializer, actions: ALL, queryset }));
    expect(await act('list', { id: { ne: 1 } })).toEqual(invalid('id'));
    expect(await act('list', { id: 1 })).toEqual(ok([]));
  });

  it('a queryset that is none, or that fails, is an error of the server', async () => {
    for (const queryset of [
      () => undefined,
      () => [],
      () => {
        throw new Error('broken');
      },
      () => ({ where: { nothing: 1 } }),
    ]) {
      // prettier-ignore
      const serializer = modelSerializer(User, { fields: ['pk'] });
      const { act, errors } = await connectTo(
        modelConsumer(User, { serializer, actions: ALL, queryset: queryset as () => object }),
      );
      for (const name of ['list', 'retrieve'])
        expect(await act(name, { pk: 1 })).toMatchObject({ errors: ['A server error occurred.'], response_status: 500 });
      expect(errors).toHaveLength(2);
      expect(errors.map((error) => toActionError(error))).toEqual(errors);
    }
  });
});
