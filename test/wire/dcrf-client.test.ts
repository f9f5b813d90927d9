import { EventEmitter, once } from 'node:events';

import type exported from 'dcrf-client';
import { WebSocket } from 'ws';

import { ServerProcess } from './server-process.js';

// A package of CommonJS, whose default export TypeScript takes for a property of it, and Jest for the whole.
const { default: dcrf } = jest.requireActual<typeof exported>('dcrf-client');

// A process takes a second to start, on a busy machine several.
jest.setTimeout(30_000);

type Client = ReturnType<typeof dcrf.connect>;
type Options = Parameters<typeof dcrf.connect>[1];
type Row = Record<string, unknown>;

interface Event {
  readonly payload: { readonly data: Row };
}

let server: ServerProcess;
const clients: Client[] = [];

beforeAll(async () => {
  server = await ServerProcess.start();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await fetch(`http://127.0.0.1:${String(server.port)}/reset`, { method: 'POST' });
});

afterAll(async () => {
  expect(server.faults).toBe('');
  await server.stop();
});

function connect(options?: Options): Client {
  const websocket = { WebSocket, minReconnectionDelay: 5, maxReconnectionDelay: 50 };
  const client = dcrf.connect(`ws://127.0.0.1:${String(server.port)}/ws`, { ...options, websocket });
  clients.push(client);
  return client;
}

/** What a subscription was told. */
class Told {
  readonly events: [action: string, data: Row][] = [];
  readonly #changes = new EventEmitter();

  readonly callback = (data: Row, action: string): void => {
    this.events.push([action, data]);
    this.#changes.emit('change');
  };

  /** Waits until there are so many. */
  async atLeast(count: number): Promise<void> {
    while (this.events.length < count) await once(this.#changes, 'change');
  }
}

describe.each([
  { stream: 'things', pkField: 'pk' },
  { stream: 'things_with_id', pkField: 'id' },
])('dcrf-client on $stream, with $pkField', ({ stream, pkField }) => {
  const row = (pk: number, name: string, counter = 0): Row => ({ [pkField]: pk, name, counter });

  test('lists, creates, retrieves, updates, patches and deletes rows', async () => {
    const client = connect({ pkField });
    expect(await client.list(stream)).toEqual([]);
    expect(await client.create(stream, { name: 'one' })).toEqual(row(1, 'one'));
    expect(await client.create(stream, { name: 'two', counter: 2 })).toEqual(row(2, 'two', 2));
    expect(await client.retrieve(stream, 2)).toEqual(row(2, 'two', 2));
    expect(await client.update(stream, 2, { name: 'deux' })).toEqual(row(2, 'deux', 2));
    expect(await client.patch(stream, 1, { counter: 7 })).toEqual(row(1, 'one', 7));
    expect(await client.list(stream)).toEqual([row(1, 'one', 7), row(2, 'deux', 2)]);
    expect(await client.delete(stream, 1)).toBeNull();
    expect(await client.list(stream)).toEqual([row(2, 'deux', 2)]);
  });

  test('rejects what is refused with the whole reply', async () => {
    const client = connect({ pkField });
    await expect(client.retrieve(stream, 99)).rejects.toMatchObject({ errors: ['Not found'], response_status: 404 });
    await expect(client.create(stream, {})).rejects.toMatchObject({
      errors: [{ name: [expect.any(String)] }],
      response_status: 400,
    });
    await expect(client.subscribe(stream, 99, jest.fn())).rejects.toMatchObject({
      action: 'subscribe_instance',
      response_status: 404,
    });
  });

  test('tells of changes of the rows that it has subscribed to, each by its own callback', async () => {
    const [client, other] = [connect({ pkField }), connect({ pkField })];
    for (const name of ['one', 'two', 'three']) await client.create(stream, { name });
    const [one, two] = [new Told(), new Told()];
    await client.subscribe(stream, 1, one.callback);
    await client.subscribe(stream, 2, two.callback);
    await other.patch(stream, 3, { name: 'trois' });
    await client.patch(stream, 2, { name: 'deux' });
    await other.patch(stream, 1, { name: 'un' });
    await other.delete(stream, 1);
    await Promise.all([one.atLeast(2), two.atLeast(1)]);
    expect(two.events).toEqual([['update', row(2, 'deux')]]);
    expect(one.events).toEqual([
      ['update', row(1, 'un')],
      ['delete', { [pkField]: 1 }],
    ]);
  });

  test('is told nothing more of a subscription that it has cancelled', async () => {
    const client = connect({ pkField });
    await client.create(stream, { name: 'one' });
    const [gone, kept] = [new Told(), new Told()];
    const subscription = client.subscribe(stream, 1, gone.callback);
    await subscription;
    await client.subscribe(stream, 1, kept.callback);
    expect(subscription.cancel()).toBe(true);
    await client.patch(stream, 1, { name: 'un' });
    await kept.atLeast(1);
    expect(gone.events).toEqual([]);
  });

  test('is answered whenever it unsubscribes', async () => {
    const client = connect({ pkField });
    await client.create(stream, { name: 'one' });
    const told = new Told();
    await client.subscribe(stream, 1, told.callback, 'mine');
    const kept = new Told();
    await client.subscribe(stream, 1, kept.callback);
    for (const pk of [1, 1, 99]) {
      expect(await client.request(stream, { action: 'unsubscribe_instance', pk }, 'mine')).toBeNull();
      expect(await client.request(stream, { action: 'unsubscribe_many' }, 'mine')).toBeNull();
    }
    await client.patch(stream, 1, { name: 'un' });
    await kept.atLeast(1);
    expect(told.events).toEqual([]);
  });

  test('subscribes again when the server has closed its socket', async () => {
    const [client, other] = [connect({ pkField }), connect({ pkField })];
    await client.create(stream, { name: 'one' });
    const told = new Told();
    await client.subscribe(stream, 1, told.callback, 'mine');
    const resubscribed = new Promise((resolve) =>
      client.dispatcher.listen({ payload: { action: 'subscribe_instance' } }, resolve),
    );
    client.transport.send('x'.repeat(MAX_FRAME_BYTES + 1));
    expect(await resubscribed).toMatchObject({ stream, payload: { response_status: 201, request_id: 'mine' } });
    await other.patch(stream, 1, { name: 'un' });
    await other.delete(stream, 1);
    await told.atLeast(2);
    expect(told.events).toEqual([
      ['update', row(1, 'un')],
      ['delete', { [pkField]: 1 }],
    ]);
  });

  describe('by an action of its own', () => {
    /** Subscribes as newer clients do with `subscribeAction` and `includeCreateEvents`. */
    const subscribe = async (
      client: Client,
      args: object,
      actions: readonly string[],
      told: Told,
    ): Promise<() => Promise<unknown>> => {
      const requestId = `many-${String(++count)}`;
      const listeners = actions.map((action) =>
        client.dispatcher.listen<object, Event>({ stream, payload: { action, request_id: requestId } }, ({ payload }) => {
          told.callback(payload.data, action);
        }),
      );
      expect(await client.request(stream, { action: 'subscribe_many', ...args }, requestId)).toBeNull();
      return async () => {
        for (const listener of listeners) client.dispatcher.cancel(listener);
        const answer: unknown = await client.request(stream, { action: 'unsubscribe_many', ...args }, requestId);
        return answer;
      };
    };
    let count = 0;

    test('is told of all rows, created ones if it listens for them', async () => {
      const client = connect({ pkField });
      const [all, changed] = [new Told(), new Told()];
      await subscribe(client, {}, ['create', 'update', 'delete'], all);
      await subscribe(client, {}, ['update', 'delete'], changed);
      await client.create(stream, { name: 'one' });
      await client.update(stream, 1, { name: 'un' });
      await client.delete(stream, 1);
      await Promise.all([all.atLeast(3), changed.atLeast(2)]);
      expect(changed.events).toEqual([
        ['update', row(1, 'un')],
        ['delete', row(1, 'un')],
      ]);
      expect(all.events).toEqual([['create', row(1, 'one')], ...changed.events]);
    });

    test('is told of the rows that it names', async () => {
      const client = connect({ pkField });
      for (const name of ['one', 'two', 'three']) await client.create(stream, { name });
      const told = new Told();
      await subscribe(client, { things: [1, 3] }, ['update'], told);
      for (const pk of [3, 2, 1]) await client.patch(stream, pk, { counter: pk });
      await told.atLeast(2);
      expect(told.events).toEqual([
        ['update', row(3, 'three', 3)],
        ['update', row(1, 'one', 1)],
      ]);
    });

    test('is told nothing more once it has unsubscribed', async () => {
      const client = connect({ pkField });
      const [gone, kept] = [new Told(), new Told()];
      const cancel = await subscribe(client, {}, ['create'], gone);
      await subscribe(client, {}, ['create'], kept);
      expect(await cancel()).toBeNull();
      expect(await cancel()).toBeNull();
      await client.create(stream, { name: 'one' });
      await kept.atLeast(1);
      expect(gone.events).toEqual([]);
    });

    test('subscribes by it again when the server has closed its socket', async () => {
      const buildSubscribePayload = (pk: number, request_id: string) => ({ action: 'subscribe_many', request_id, things: [pk] });
      const [client, other] = [connect({ pkField, buildSubscribePayload }), connect({ pkField })];
      await client.create(stream, { name: 'one' });
      const told = new Told();
      await client.subscribe(stream, 1, told.callback);
      const resubscribed = new Promise((resolve) => client.dispatcher.listen({ payload: { action: 'subscribe_many' } }, resolve));
      client.transport.send('x'.repeat(MAX_FRAME_BYTES + 1));
      expect(await resubscribed).toMatchObject({ stream, payload: { response_status: 201 } });
      await other.patch(stream, 1, { name: 'un' });
      await told.atLeast(1);
      expect(told.events).toEqual([['update', row(1, 'un')]]);
    });
  });
});

const MAX_FRAME_BYTES = 1024 * 1024;
