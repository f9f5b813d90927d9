import { crud, keyset, limitOffset, modelConsumer, modelSerializer, type Pagination } from 'express-channels';
import { DataTypes, type Model, type ModelAttributeColumnOptions, type ModelStatic, Op } from 'sequelize';

import { Message, onEachDatabase, Room, User } from '../serializers/serializer-models.js';
import { seeded } from '../support/random.js';
import { connectTo, invalid, ok, withTable } from './model-client.js';

onEachDatabase(({ sequelize, statements }) => {
  const people = async (count: number) => {
    await User.bulkCreate(Array.from({ length: count }, (_, index) => ({ username: `u${index + 1}`, password: 'x' })));
    statements.length = 0;
  };
  const listed = (pagination: Pagination, queryset?: () => object) =>
    connectTo(
      modelConsumer(User, {
        serializer: modelSerializer(User, { fields: ['id'] }),
        actions: crud('list'),
        pagination,
        ...(queryset !== undefined && { queryset }),
      }),
    );
  const rows = (...ids: readonly number[]) => ids.map((id) => ({ id }));

  describe('limitOffset', () => {
    const page = (limit: number, offset: number, ...ids: readonly number[]) =>
      ok({ count: 7, results: rows(...ids), limit, offset });
    /** What is no usable limit or offset. */
    const USELESS = [undefined, null, true, '', 'x', '1.5', 1.5, -1, '-1', [1], ['1'], { a: 1 }, '0x1', '1e0'];

    it('reads limit and offset beside the action', async () => {
      await people(7);
      const { act } = await listed(limitOffset({ limit: 3, max: 5 }));
      expect(await act('list')).toEqual(page(3, 0, 1, 2, 3));
      expect(await act('list', { limit: 2, offset: 3 })).toEqual(page(2, 3, 4, 5));
      expect(await act('list', { limit: '2', offset: '5' })).toEqual(page(2, 5, 6, 7));
      expect(await act('list', { data: { limit: 1 }, page: 2 })).toEqual(page(3, 0, 1, 2, 3));
      expect(await act('list', { offset: 6 })).toEqual(page(3, 6, 7));
      for (const offset of [7, 1000, 2 ** 53 - 1]) expect(await act('list', { offset })).toEqual(page(3, offset));
      for (const limit of [5, 6, 2 ** 60, 1e30, 1e300, '9'.repeat(400)])
        expect(await act('list', { limit })).toEqual(page(5, 0, 1, 2, 3, 4, 5));
      for (const useless of USELESS) expect(await act('list', { limit: useless, offset: useless })).toEqual(page(3, 0, 1, 2, 3));
      expect(await act('list', { limit: 0 })).toEqual(page(3, 0, 1, 2, 3));
    });

    it('without a limit shows all rows at once, unless one is asked for', async () => {
      await people(7);
      const { act, errors } = await listed(limitOffset());
      for (const limit of [...USELESS, 0]) expect(await act('list', { limit, offset: 2 })).toEqual(ok(rows(1, 2, 3, 4, 5, 6, 7)));
      expect(await act('list', { limit: 2, offset: 1 })).toEqual(page(2, 1, 2, 3));
      for (const limit of [2 ** 53, 1e30, '9'.repeat(400)])
        expect(await act('list', { limit })).toEqual(page(Number.MAX_SAFE_INTEGER, 0, 1, 2, 3, 4, 5, 6, 7));
      expect(await act('list', { limit: 1e30, offset: 1e30 })).toEqual(page(2 ** 53 - 1, 2 ** 53 - 1));
      expect(errors).toEqual([]);
    });

    it('with a maximum alone does not show more', async () => {
      await people(7);
      const { act } = await listed(limitOffset({ max: 2 }));
      for (const limit of [undefined, null, 7]) expect(await act('list', { limit })).toEqual(page(2, 0, 1, 2));
    });

    it('counts by one query, also rows that a relation to many multiplies', async () => {
      await people(3);
      for (const name of ['a', 'b', 'c']) {
        const room = await Room.create({ name });
        for (const userId of [1, 2, 3]) await Message.create({ text: 'hi', userId, room_id: room.id });
      }
      const serializer = modelSerializer(Room, { fields: ['name', 'messages'] });
      const { act } = await connectTo(
        modelConsumer(Room, {
          serializer,
          actions: crud('list'),
          pagination: limitOffset({ limit: 2 }),
          queryset: () => ({ include: 'messages', order: [['name', 'DESC']] }),
        }),
      );
      statements.length = 0;
      expect(await act('list')).toEqual(
        ok({ count: 3, limit: 2, offset: 0, results: [{ name: 'c', messages: [7, 8, 9] }, { name: 'b', messages: [4, 5, 6] }] }), // prettier-ignore
      );
      expect(statements.filter((sql) => /count\(/i.test(sql))).toHaveLength(1);
      expect(statements).toHaveLength(2);
      const plain = await listed(limitOffset({ limit: 2 }));
      statements.length = 0;
      await plain.act('list');
      expect(statements.filter((sql) => sql.includes('count(*)'))).toHaveLength(1);
      expect(statements).toHaveLength(2);
    });
  });

  describe('keyset', () => {
    /** All pages from the first to the last, as a client reads them. */
    async function walk(
      act: Awaited<ReturnType<typeof connectTo>>['act'],
      between: () => Promise<void> = () => Promise.resolve(),
    ) {
      const seen: unknown[] = [];
      for (let after: unknown = undefined; after !== null;) {
        const { data } = (await act('list', { after })) as { data: { results: Record<string, unknown>[]; next: unknown } };
        seen.push(...data.results.flatMap((row) => Object.values(row)));
        after = data.next;
        await between();
      }
      return seen;
    }
    const byKey = async (
      columns: Record<string, ModelAttributeColumnOptions>,
      by: string,
      values: readonly unknown[],
      test: (asked: { act: Awaited<ReturnType<typeof connectTo>>['act']; sorted: unknown[] }) => Promise<void>,
      descending = false,
    ) =>
      // prettier-ignore
      withTable(sequelize().define('Keyed', columns, { timestamps: false }), async (Keyed: ModelStatic<Model>) => {
        await Keyed.bulkCreate(values.map((value) => ({ [by]: value })));
        const order = [[by, descending ? 'DESC' : 'ASC']] as [string, string][];
        const all = await Keyed.findAll({ order });
        const serializer = modelSerializer(Keyed, { fields: [by] });
        const { act } = await connectTo(
          modelConsumer(Keyed, { serializer, actions: crud('list'), lookupField: by, pagination: keyset({ limit: 2, by, descending }) }), // prettier-ignore
        );
        await test({ act, sorted: (await serializer.serializeMany(all)).map((row) => row[by]) });
      });

    it('shows a page, how many rows it may have, and what the next one begins behind', async () => {
      await people(5);
      const { act } = await listed(keyset({ limit: 2, max: 3 }));
      expect(await act('list')).toEqual(ok({ results: rows(1, 2), limit: 2, next: 2 }));
      expect(await act('list', { after: 2 })).toEqual(ok({ results: rows(3, 4), limit: 2, next: 4 }));
      expect(await act('list', { after: '3', limit: 9 })).toEqual(ok({ results: rows(4, 5), limit: 3, next: null }));
      expect(await act('list', { after: 77 })).toEqual(ok({ results: [], limit: 2, next: null }));
      expect(statements).toHaveLength(4);
      expect(statements.filter((sql) => /count|offset/i.test(sql))).toEqual([]);
    });

    it.each([true, {}, [1], '', 'x', ' 2', '1.5', 1.5, 1e30, 2 ** 31, 'a\0'])(
      'refuses %j as what to begin behind',
      async (after) => {
        const { act, errors } = await listed(keyset());
        expect(await act('list', { after })).toEqual(invalid('after'));
        expect(errors).toEqual([]);
      },
    );

    const uuids = Array.from({ length: 7 }, (_, index) => `0b5e1c3a-2f4d-4e6b-8a9c-1d2e3f40516${(index * 3) % 7}`);
    const texts = ['b', ' b', 'b ', 'B', '', 'é', '10', '9', 'a%', "it's"];
    const days = ['2024-02-29', '1999-12-31', '2024-03-01'];
    describe.each<[string, ModelAttributeColumnOptions, values: readonly unknown[]]>([
      ['INTEGER', { type: DataTypes.INTEGER, primaryKey: true }, [5, -3, 0, 9, 2]],
      [
        'BIGINT',
        { type: DataTypes.BIGINT, primaryKey: true },
        ['9007199254740993', '9007199254740992', '-5', '7', '9007199254740994'],
      ],
      ['UUID', { type: DataTypes.UUID, primaryKey: true }, uuids],
      ['STRING that is unique', { type: DataTypes.STRING, allowNull: false, unique: true }, texts],
      [
        'DATE that is unique',
        { type: DataTypes.DATE(3), allowNull: false, unique: true },
        days.map((day) => new Date(`${day}T01:02:03.456Z`)),
      ],
      [
        'DECIMAL that is unique',
        { type: DataTypes.DECIMAL(6, 2), allowNull: false, unique: true },
        ['1.50', '-2.00', '10.00', '9.99'],
      ],
    ])('by a %s', (_name, column, values) => {
      it.each([false, true])('walks through all rows, descending: %s', async (descending) => {
        await byKey({ key: column }, 'key', values, async ({ act, sorted }) => {
          const seen = await walk(act);
          expect(seen).toEqual(sorted);
          expect(new Set(seen).size).toBe(values.length);
        }, descending); // prettier-ignore
      });
    });

    it.each([false, true])('loses and repeats nothing while others write, descending: %s', async (descending) => {
      const random = seeded('keyset');
      const columns = { key: { type: DataTypes.INTEGER, primaryKey: true } };
      await withTable(sequelize().define('Walked', columns, { timestamps: false }), async (Walked: ModelStatic<Model>) => {
        const serializer = modelSerializer(Walked, { fields: ['pk'] });
        const pagination = keyset({ limit: 3, descending });
        const queryset = () => ({ where: { key: { [Op.gte]: 0 } }, offset: 1, order: [['key', 'ASC']] as [string, string][] });
        const { act } = await connectTo(modelConsumer(Walked, { serializer, actions: crud('list'), pagination, queryset }));
        for (let round = 0; round < 3; round += 1) {
          const stay = new Set<number>();
          while (stay.size < 12) stay.add(2 * random.integer(0, 60));
          await Walked.bulkCreate([...stay, -2].map((key) => ({ key })));
          const seen = await walk(act, async () => {
            for (let write = 0; write < 3; write += 1) {
              const key = 2 * random.integer(0, 60) + 1;
              if ((await Walked.destroy({ where: { key } })) === 0) await Walked.create({ key });
            }
          });
          const even = [...stay].sort((one, other) => (descending ? other - one : one - other));
          expect(seen.filter((pk) => Number(pk) % 2 === 0)).toEqual(even);
          expect(new Set(seen).size).toBe(seen.length);
          await Walked.destroy({ where: {} });
        }
      });
    });

    it('tells the server that the queryset leaves its column out', async () => {
      await people(3);
      const { act, errors } = await listed(keyset({ limit: 2 }), () => ({ attributes: ['username'] }));
      expect(await act('list')).toMatchObject({ response_status: 500 });
      expect(errors).toEqual([new TypeError('Expected the queryset to load "id", by which keyset() makes pages.')]);
    });
  });

  it('a pagination of one’s own makes pages of rows', async () => {
    await people(5);
    const closed: string[] = [];
    const byNumber: Pagination = (model) =>
      async function* pages(all, { page }) {
        expect(model).toBe(User);
        try {
          for (let number = Number(page ?? 1); ; number += 1) {
            const { count, results } = await all.page(2, 2 * (number - 1));
            yield { page: number, of: Math.ceil(count / 2), results };
          }
        } finally {
          closed.push('closed');
        }
      };
    const { act } = await listed(byNumber, () => ({ where: { id: { [Op.ne]: 1 } } }));
    expect(await act('list')).toEqual(ok({ page: 1, of: 2, results: rows(2, 3) }));
    expect(await act('list', { page: 2 })).toEqual(ok({ page: 2, of: 2, results: rows(4, 5) }));
    expect(closed).toEqual(['closed', 'closed']);
  });
});
