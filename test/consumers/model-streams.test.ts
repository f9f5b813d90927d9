import {
  type ChannelsOptions,
  type Consumer,
  createChannels,
  crud,
  demultiplexer,
  keyset,
  limitOffset,
  modelConsumer,
  modelSerializer,
  type Pagination,
  streamedList,
} from 'express-channels';
import { DataTypes, type FindOptions, type Model, type ModelStatic, Sequelize } from 'sequelize';

import * as sqlite from '../../example-app/src/sqlite.js';
import { gate, serve } from '../support/serve.js';
import { listen, open, until } from '../support/socket-client.js';
import { failed, ok } from './model-client.js';

let Row: ModelStatic<Model>;
const statements: string[] = [];
const queries = () => statements.filter((sql) => sql.includes('SELECT')).length;

beforeAll(async () => {
  const logging = (sql: string) => statements.push(sql);
  const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging });
  Row = sequelize.define('Row', { text: DataTypes.TEXT }, { timestamps: false });
  await sequelize.sync();
});
beforeEach(async () => {
  await Row.destroy({ where: {}, truncate: true });
  await fill(7);
  statements.length = 0;
});
afterAll(() => Row.sequelize?.close());

/** Rows with the ids from 1 on. */
const fill = (count: number, text = '') =>
  Row.bulkCreate(Array.from({ length: count }, (_, index) => ({ id: index + 1, text })), { ignoreDuplicates: true }); // prettier-ignore

const streamed = (
  pagination: Pagination | undefined,
  more: { queryset?: () => FindOptions | Promise<FindOptions>; pauseMs?: number; fields?: string[] } = {},
): Consumer =>
  // prettier-ignore
  modelConsumer(Row, {
    serializer: modelSerializer(Row, { fields: more.fields ?? ['id'] }),
    actions: { ...crud('retrieve'), ...streamedList(more.pauseMs === undefined ? {} : { pauseMs: more.pauseMs }), echo: () => 'echo' },
    ...(pagination !== undefined && { pagination }),
    ...(more.queryset !== undefined && { queryset: more.queryset }),
  });
const rows = (...ids: readonly number[]) => ids.map((id) => ({ id }));
const page = (limit: number, offset: number, ...ids: readonly number[]) => ok({ count: 7, results: rows(...ids), limit, offset });
const list = (request_id: unknown, more = {}) => ({ action: 'list', request_id, ...more });

describe('a streamed list', () => {
  it('sends a frame a page, in order, with the request_id of the list', async () => {
    const client = await serve(streamed(limitOffset({ limit: 3, max: 5 }))).open();
    client.send(list('a'));
    for (const expected of [page(3, 0, 1, 2, 3), page(3, 3, 4, 5, 6), page(3, 6, 7)]) {
      const frame = await client.receive();
      expect(frame).toEqual(expected);
      expect(frame).toMatchObject({ action: 'list', request_id: 'a' });
    }
    client.send(list('b', { limit: 9, offset: 1 }));
    expect(await client.receive()).toEqual(page(5, 1, 2, 3, 4, 5, 6));
    expect(await client.receive()).toEqual(page(5, 6, 7));
    await client.receiveNothing();
  });

  it('of no rows, or behind the last one, is one empty page; of whole pages there is no empty one', async () => {
    const client = await serve(streamed(limitOffset({ limit: 7 }))).open();
    client.send(list(1, { offset: 7 }));
    expect(await client.receive()).toEqual(page(7, 7));
    client.send(list(2));
    expect(await client.receive()).toEqual(page(7, 0, 1, 2, 3, 4, 5, 6, 7));
    await Row.destroy({ where: {} });
    client.send(list(3));
    expect(await client.receive()).toEqual(ok({ count: 0, results: [], limit: 7, offset: 0 }));
    await client.receiveNothing();
  });

  it('without pagination is one frame, and by keys as many as there are pages', async () => {
    const plain = await serve(streamed(undefined)).open();
    expect(await plain.request(list(1))).toEqual(ok(rows(1, 2, 3, 4, 5, 6, 7)));
    await plain.receiveNothing();
    const keyed = await serve(streamed(keyset({ limit: 4 }))).open();
    expect(await keyed.request(list(1))).toEqual(ok({ results: rows(1, 2, 3, 4), limit: 4, next: 4 }));
    expect(await keyed.receive()).toEqual(ok({ results: rows(5, 6, 7), limit: 4, next: null }));
    await keyed.receiveNothing();
  });

  it('counts anew for each page, and shows one more where rows have gone', async () => {
    let gone = false;
    const pagination: Pagination = (model) => {
      const paginate = limitOffset({ limit: 3 })(model);
      return async function* pages(all, args) {
        for await (const one of paginate(all, args)) {
          yield one;
          if (!gone) await Row.destroy({ where: { id: [4, 5, 6, 7] } });
          gone = true;
        }
      };
    };
    const client = await serve(streamed(pagination)).open();
    expect(await client.request(list(1))).toEqual(page(3, 0, 1, 2, 3));
    expect(await client.receive()).toMatchObject({ data: { count: 3, results: [], limit: 3, offset: 3 } });
    await client.receiveNothing();
  });

  it('lets other actions be answered meanwhile, and ends by list_cancel with all others', async () => {
    const { passed, pass } = gate();
    const { open: connect, errors } = serve(streamed(limitOffset({ limit: 3 }), { queryset: () => passed.then(() => ({})) }));
    const client = await connect();
    const other = await connect();
    for (const id of [1, 2]) client.send(list(id));
    other.send(list(3));
    expect(await client.request({ action: 'echo' })).toEqual(ok('echo'));
    expect(await client.request({ action: 'list_cancel', request_id: 'x' })).toEqual({ errors: [], data: null, action: 'list_cancel', response_status: 200, request_id: 'x' }); // prettier-ignore
    expect(await client.request({ action: 'list_cancel', request_id: 'y' })).toMatchObject({ data: null, response_status: 200 });
    pass();
    for (const expected of [page(3, 0, 1, 2, 3), page(3, 3, 4, 5, 6), page(3, 6, 7)])
      expect(await other.receive()).toEqual(expected);
    await client.receiveNothing();
    for (const [index, expected] of [page(3, 0, 1, 2, 3), page(3, 3, 4, 5, 6), page(3, 6, 7)].entries())
      expect(await (index === 0 ? client.request(list(4)) : client.receive())).toEqual(expected);
    expect(errors).toEqual([]);
  });

  it('pauses before each page, and a pause ends by list_cancel, or with the socket', async () => {
    const { open: connect, errors } = serve(streamed(limitOffset({ limit: 7 }), { pauseMs: 60_000 }));
    const client = await connect();
    client.send(list(1));
    expect(await client.request({ action: 'list_cancel' })).toEqual(ok(null));
    await client.receiveNothing();
    client.send(list(2));
    await client.close();
    expect(queries()).toBe(0);
    expect(errors).toEqual([]);
    const quick = await serve(streamed(limitOffset({ limit: 4 }), { pauseMs: 1 })).open();
    expect(await quick.request(list(3))).toEqual(page(4, 0, 1, 2, 3, 4));
    expect(await quick.receive()).toEqual(page(4, 4, 5, 6, 7));
  });

  it('that fails is answered so once, wherever it fails', async () => {
    for (const fails of [1, 2]) {
      let asked = 0;
      const pagination: Pagination = (model) => {
        const paginate = limitOffset({ limit: 3 })(model);
        return async function* pages(all, args) {
          for await (const one of paginate(all, args)) {
            if ((asked += 1) === fails) await Row.sequelize?.query('SELECT nothing FROM nowhere');
            yield one;
          }
        };
      };
      const { open: connect, errors } = serve(streamed(pagination));
      const client = await connect();
      client.send(list('a'));
      if (fails === 2) expect(await client.receive()).toEqual(page(3, 0, 1, 2, 3));
      const frame = await client.receive();
      expect(frame).toEqual(failed);
      expect(frame).toMatchObject({ request_id: 'a' });
      await client.receiveNothing();
      expect(errors).toHaveLength(1);
    }
    const broken = serve(streamed(undefined, { queryset: () => Promise.reject(new Error('broken')) }));
    expect(await (await broken.open()).request(list(1))).toEqual(failed);
    expect(broken.errors).toEqual([new Error('broken')]);
  });
});

describe.each<[string, (consumer: Consumer) => Consumer, (frame: object) => object]>([
  ['on a socket', (consumer) => consumer, (frame) => frame],
  ['on a stream', (consumer) => demultiplexer({ rows: consumer }), (payload) => ({ stream: 'rows', payload })],
])('%s, a streamed list', (_where, wrap, framed) => {
  const PAGES = 240;
  /** Every page is 64 KiB: the sockets of the system hold many, but not all. */
  const start = async (options: ChannelsOptions = {}) => {
    await fill(PAGES, 'x'.repeat(65_536));
    const errors: unknown[] = [];
    const channels = createChannels(undefined, { onError: (error) => errors.push(error), ...options });
    channels.route('/ws', wrap(streamed(keyset({ limit: 1 }), { fields: ['id', 'text'] })));
    const client = await open(await listen(channels), '/ws');
    statements.length = 0;
    return { channels, client, errors };
  };
  /** Waits until no more pages are asked for. */
  const still = async () => {
    for (let before = -1; before !== queries();) {
      before = queries();
      for (let turn = 0; turn < 40; turn += 1) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return queries();
  };

  it('waits for a client that reads slowly, and goes on when it reads again', async () => {
    const { client, errors } = await start();
    client.socket.pause();
    client.send(framed(list(1)));
    await until(() => queries() > 2);
    const asked = await still();
    expect(asked).toBeLessThan(PAGES);
    client.socket.resume();
    for (let index = 0; index < PAGES; index += 1) {
      const frame = await client.receive();
      expect(JSON.stringify(frame).slice(0, 400)).toContain(`"id":${String(index + 1)}`);
    }
    await until(() => queries() === PAGES);
    await client.receiveNothing();
    expect(errors).toEqual([]);
    await client.close();
  });

  it('ends with the socket, and asks for no further page', async () => {
    const { client, channels, errors } = await start();
    client.socket.pause();
    client.send(framed(list(1)));
    await until(() => queries() > 2);
    const asked = await still();
    client.socket.terminate();
    await until(() => channels.size === 0);
    expect(await still()).toBe(asked);
    expect(errors).toEqual([]);
  });
});
