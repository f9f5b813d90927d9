import { type Action, action, type ConsumerContext, defineConsumer, permission, reply } from 'express-channels';

import { gate, serve } from '../support/serve.js';
import { until } from '../support/socket-client.js';

describe('state', () => {
  it('belongs to one connection, and is made from its scope', async () => {
    const { open } = serve(
      defineConsumer({
        state: ({ query }) => ({ name: String(query['name']), count: 0 }),
        actions: {
          count: ({ state }) => {
            state.count += 1;
            return { ...state };
          },
        },
      }),
    );
    const [one, other] = [await open(), await open()];
    await one.request({ action: 'count' });
    expect(await one.request({ action: 'count' })).toMatchObject({ data: { name: 'undefined', count: 2 } });
    expect(await other.request({ action: 'count' })).toMatchObject({ data: { count: 1 } });
  });

  it('is the same for hooks, actions and group messages', async () => {
    const states = new Set<object>();
    const note = async ({ state }: { state: object }): Promise<void> => Promise.resolve(void states.add(state));
    const { channels, open } = serve(
      defineConsumer({
        state: () => ({}),
        connect: (ctx) => note(ctx).then(() => ctx.join('all')),
        actions: { note, later: action(note, { detached: true }) },
        on: { note: (ctx) => note(ctx).then(() => { ctx.reply('noted'); }) }, // prettier-ignore
        disconnect: (ctx) => note(ctx).then(left.pass),
      }),
    );
    const left = gate();
    const client = await open();
    await client.request({ action: 'note' });
    await client.request({ action: 'later' });
    await channels.groupSend('all', { type: 'note' });
    expect(await client.receive()).toMatchObject({ data: 'noted' });
    await client.close();
    await left.passed;
    expect(states.size).toBe(1);
  });

  it('that cannot be made is told as an error, and the socket stays', async () => {
    let broken = true;
    const { errors, open } = serve(
      defineConsumer({
        state: () => {
          if (broken) throw new Error('no state');
          return {};
        },
        actions: { act: () => 'done' },
      }),
    );
    const client = await open();
    expect(await client.request({ action: 'act' })).toMatchObject({ errors: ['A server error occurred.'], response_status: 500 });
    expect(errors).toEqual([new Error('no state')]);
    broken = false;
    expect(await client.request({ action: 'act' })).toMatchObject({ data: 'done', response_status: 200 });
  });
});

describe('connect and disconnect', () => {
  it('connect runs before the first frame, and holds it up', async () => {
    const order: string[] = [];
    const opened = gate();
    const { open } = serve(
      defineConsumer({
        connect: async () => {
          order.push('connect');
          await opened.passed;
          order.push('connected');
        },
        actions: { act: () => void order.push('act') },
      }),
    );
    const client = await open();
    client.send({ action: 'act' });
    await client.receiveNothing();
    opened.pass();
    await client.receive();
    expect(order).toEqual(['connect', 'connected', 'act']);
  });

  it('connect may send, join and close', async () => {
    const { open } = serve(
      defineConsumer({
        connect: (ctx) => {
          ctx.send({ hello: ctx.scope.path });
          ctx.close(4123);
        },
      }),
    );
    const client = await open();
    expect(await client.receive()).toEqual({ hello: '/ws' });
    expect(await client.closed).toBe(4123);
  });

  it.each([
    ['the client closes', 3456],
    ['an action closes', 4567],
    ['the server restarts', 1012],
  ])('disconnect hears of the code when %s', async (_who, code) => {
    const codes: number[] = [];
    const { channels, open } = serve(
      defineConsumer({
        actions: { close: (ctx) => { ctx.close(4567); } }, // prettier-ignore
        disconnect: (_ctx, closedWith) => void codes.push(closedWith),
      }),
    );
    const client = await open();
    if (code === 3456) await client.close(code);
    else if (code === 4567) client.send({ action: 'close' });
    else await channels.close();
    await until(() => codes.length > 0);
    expect(await client.closed).toBe(code);
    expect(codes).toEqual([code]);
  });

  it('an error in one of them is reported, and nothing else happens', async () => {
    const { errors, open } = serve(
      defineConsumer({
        connect: () => Promise.reject(new Error('at connect')),
        disconnect: () => {
          throw new Error('at disconnect');
        },
        actions: { act: () => 'done' },
      }),
    );
    const client = await open();
    expect(await client.request({ action: 'act' })).toMatchObject({ data: 'done' });
    await client.close();
    await until(() => errors.length === 2);
    expect(errors).toEqual([new Error('at connect'), new Error('at disconnect')]);
  });

  it('a disconnect that hangs does not hold up the end of the server for ever', async () => {
    const { channels, open } = serve(defineConsumer({ disconnect: () => new Promise(() => undefined) }));
    await open();
    await channels.close({ timeoutMs: 1 });
    expect(channels.size).toBe(0);
  });
});

describe('what an action answers', () => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;

  it.each<[string, unknown, object]>([
    ['nothing', undefined, { data: null, response_status: 204 }],
    ['null', null, { data: null, response_status: 200 }],
    ['plain data', { a: [1] }, { data: { a: [1] }, response_status: 200 }],
    ['a reply', reply('made', 201), { data: 'made', response_status: 201 }],
    ['a function', () => 1, { data: null, response_status: 200 }],
  ])('%s', async (_what, result, expected) => {
    const { open } = serve(defineConsumer({ actions: { act: () => result } }));
    const client = await open();
    expect(await client.request({ action: 'act', request_id: [1] })).toEqual({
      errors: [],
      action: 'act',
      request_id: [1],
      ...expected,
    });
  });

  it.each([
    ['a BigInt', () => ({ n: 1n })],
    ['a cycle', () => cycle],
    ['a toJSON that throws', () => ({ toJSON: () => cycle['no'] ?? JSON.parse('{') as unknown })], // prettier-ignore
    ['a reply with a BigInt', () => reply(1n)],
    ['a status that is none', () => reply(null, 1.5)],
    ['a frame of its own that JSON does not know', (ctx: ConsumerContext<undefined>) => { ctx.send(1n); }], // prettier-ignore
    ['an envelope with a status that is none', (ctx: ConsumerContext<undefined>) => { ctx.reply(1, { status: NaN }); }], // prettier-ignore
    ['a close code that is none', (ctx: ConsumerContext<undefined>) => { ctx.close(1006); }], // prettier-ignore
  ])('%s is a 500 that is reported, and the socket stays', async (_what, act) => {
    const { errors, open } = serve(defineConsumer({ actions: { act, alive: () => true } }));
    const client = await open();
    expect(await client.request({ action: 'act', request_id: 1 })).toEqual({
      errors: ['A server error occurred.'],
      data: null,
      action: 'act',
      response_status: 500,
      request_id: 1,
    });
    expect(errors).toHaveLength(1);
    expect(await client.request({ action: 'alive' })).toMatchObject({ data: true });
  });

  it('ctx knows the action, the request_id and the scope; replies take them over unless they are named', async () => {
    const { open } = serve(
      defineConsumer({
        actions: {
          act: (ctx) => {
            ctx.reply([ctx.action, ctx.requestId, ctx.scope.user]);
            ctx.reply(0, { status: 207, errors: ['w'], action: null, requestId: 'other' });
          },
        },
      }),
    );
    const client = await open({ headers: { 'x-user': 'ada' } });
    expect(await client.request({ action: 'act', request_id: 5 })).toMatchObject({
      data: ['act', 5, { id: 1, username: 'ada' }],
      action: 'act',
      request_id: 5,
    });
    expect(await client.receive()).toEqual({ errors: ['w'], data: 0, action: null, response_status: 207, request_id: 'other' });
    expect(await client.receive()).toMatchObject({ response_status: 204 });
  });

  it('nothing is sent after a close, neither by the action nor for the frames behind it', async () => {
    const acted: string[] = [];
    const { open } = serve(
      defineConsumer({
        actions: {
          close: (ctx) => {
            ctx.close();
            ctx.send({ late: true });
            ctx.close(4000);
            return 'late';
          },
          act: () => void acted.push('act'),
        },
      }),
    );
    const client = await open({ timeoutMs: 20 });
    client.send({ action: 'close' });
    client.send({ action: 'act' });
    expect(await client.closed).toBe(1000);
    await expect(client.receive()).rejects.toThrow('No frame');
    expect(acted).toEqual([]);
  });

  it('an error reaches onError with its scope and action', async () => {
    const details: unknown[] = [];
    const consumer = defineConsumer({ actions: { act: () => Promise.reject(new Error('oops')) } });
    const client = await serve(consumer, { onError: (_error, about) => details.push(about) }).open();
    await client.request({ action: 'act' });
    expect(details).toEqual([{ action: 'act', scope: expect.objectContaining({ path: '/ws' }) as unknown }]);
  });
});

test.each([
  [
    { action: 5, request_id: 1 },
    { response_status: 400, request_id: 1 },
  ],
  [{ action: null }, { response_status: 400, request_id: null }],
  [{}, { response_status: 405, request_id: null }],
  [
    { action: 'toString', request_id: 0 },
    { response_status: 405, request_id: 0 },
  ],
  ['[]', { response_status: 400, request_id: null }],
])('the frame %j is refused, and the socket stays', async (frame, expected) => {
  const client = await serve(defineConsumer({ actions: { act: () => 'alive' } })).open();
  expect(await client.request(frame)).toMatchObject({ data: null, ...expected });
  expect(await client.request({ action: 'act' })).toMatchObject({ data: 'alive' });
});

test('a consumer without actions answers all the same', async () => {
  const client = await serve(defineConsumer({})).open();
  expect(await client.request({ action: 'act' })).toMatchObject({ errors: ['Method "act" not allowed.'], response_status: 405 });
});

describe('misuse is a TypeError that says what was expected', () => {
  const given = (value: unknown) => value as never;

  it.each<[string, () => unknown, string]>([
    [
      'no definition',
      () => defineConsumer(given(undefined)),
      'Expected a definition such as { actions } for defineConsumer(), got undefined',
    ],
    [
      'an action that is none',
      () => defineConsumer({ actions: { act: given(5) } }),
      'Expected `actions.act` to be a function, got 5',
    ],
    [
      'an action that is undefined',
      () => defineConsumer({ actions: { act: given(undefined) } }),
      'Expected `actions.act` to be a function, got undefined',
    ],
    [
      'options without action()',
      () => defineConsumer({ actions: { act: given({ detached: true }) } }),
      'Expected `actions.act` to be a function, got { detached: true }',
    ],
    ['a handler of messages', () => defineConsumer({ on: { said: given('x') } }), "Expected `on.said` to be a function, got 'x'"],
    ['a state', () => defineConsumer(given({ state: {} })), 'Expected `state` to be a function, got {}'],
    ['connect', () => defineConsumer({ connect: given(1) }), 'Expected `connect` to be a function, got 1'],
    ['disconnect', () => defineConsumer({ disconnect: given(null) }), 'Expected `disconnect` to be a function, got null'],
    [
      'permissions',
      () => defineConsumer({ permissions: given([() => true]) }),
      'Expected a permission in `permissions`, got [Function: anonymous]: wrap',
    ],
    [
      'a permission without a list',
      () => defineConsumer({ permissions: given(permission(() => true)) }),
      'Expected `permissions` to be a list, such as [isAuthenticated], got {',
    ],
    ['the handler of an action', () => action(given('x')), "Expected the handler of action() to be a function, got 'x'"],
    [
      'the permissions of an action',
      () => action(() => 1, { permissions: given([1]) }),
      'Expected a permission in `permissions`, got 1.',
    ],
    [
      'a schema',
      () => action(() => 1, { schema: given({ parse: 1 }) }),
      'Expected `schema` to follow Standard Schema (zod, valibot, arktype, …), got { parse: 1 }',
    ],
    [
      'a transaction',
      () => action(() => 1, { transaction: given(true) }),
      'Expected `transaction` to be a Sequelize instance, got true',
    ],
    ['a status', () => reply(1, 99), 'Expected a status, got 99'],
    ['a status that is a text', () => reply(1, given('200')), "Expected a status, got '200'"],
  ])('%s', (_what, misuse, message) => {
    // prettier-ignore
    expect(misuse).toThrow(TypeError);
    expect(misuse).toThrow(message);
  });
});

test('an action that is shared by consumers keeps its options', async () => {
  const shared: Action = action(() => 'shared', { permissions: [permission(({ args }) => args['key'] === 1)] });
  for (const consumer of [
    defineConsumer({ actions: { one: shared } }),
    defineConsumer({ state: () => 1, actions: { one: shared } }),
  ]) {
    const client = await serve(consumer).open();
    expect(await client.request({ action: 'one' })).toMatchObject({ response_status: 403 });
    expect(await client.request({ action: 'one', key: 1 })).toMatchObject({ data: 'shared' });
  }
});
