import express from 'express';
import session from 'express-session';
import {
  action,
  createChannels,
  defineConsumer,
  demultiplexer,
  expressPermission,
  isAuthenticated,
  NotAuthenticated,
  permission,
  type ConsumerContext,
  viewAsConsumer,
} from 'express-channels';
import { connect, type TestClient } from 'express-channels/testing';

import { gate, serve } from '../support/serve.js';
import { until } from '../support/socket-client.js';

const REFUSED = { errors: ['You do not have permission to perform this action.'], response_status: 403 };

const echo = defineConsumer({ actions: { echo: (_ctx, args) => args } });

function ask(client: TestClient, stream: string, action: string, more: object = {}): Promise<unknown> {
  return client.request({ stream, payload: { action, ...more } }).then((frame) => {
    expect(frame['stream']).toBe(stream);
    return frame['payload'];
  });
}

describe('streams', () => {
  it('answer under their names, with the envelope of a consumer of its own', async () => {
    const client = await serve(demultiplexer({ one: echo, two: echo })).open();
    expect(await client.request({ stream: 'two', payload: { action: 'echo', request_id: 1, x: 2 }, more: 3 })).toEqual({
      stream: 'two',
      payload: { errors: [], data: { x: 2 }, action: 'echo', response_status: 200, request_id: 1 },
    });
  });

  it.each<[string, unknown, string | null, number, object]>([
    ['no stream', { payload: { action: 'a', request_id: 1 } }, null, 400, { action: 'a', request_id: 1 }],
    ['a stream that is no text', { stream: 1, payload: { action: 5 } }, null, 400, { action: null, request_id: null }],
    [
      'an unknown stream',
      { stream: 'nope', payload: { action: 'a', request_id: [2] } },
      'nope',
      404,
      { action: 'a', request_id: [2] },
    ],
    ['a property of every object', { stream: 'constructor', payload: {} }, 'constructor', 404, {}],
    ['no payload', { stream: 'one' }, 'one', 400, { action: null }],
    ['a payload that is a list', { stream: 'one', payload: [] }, 'one', 400, {}],
    ['no JSON', '{', null, 400, { action: null, request_id: null }],
  ])('a frame with %s concerns itself alone', async (_what, frame, stream, status, more) => {
    const client = await serve(demultiplexer({ one: echo })).open();
    expect(await client.request(frame)).toMatchObject({ stream, payload: { data: null, response_status: status, ...more } });
    expect(await ask(client, 'one', 'echo')).toMatchObject({ response_status: 200 });
  });

  it('do not wait for one another, and keep the order of their own frames', async () => {
    const { passed, pass } = gate();
    const slow = defineConsumer({ actions: { slow: () => passed.then(() => 'slow'), next: () => 'next' } });
    const client = await serve(demultiplexer({ slow, echo })).open();
    client.send({ stream: 'slow', payload: { action: 'slow' } });
    client.send({ stream: 'slow', payload: { action: 'next' } });
    expect(await ask(client, 'echo', 'echo')).toMatchObject({ response_status: 200 });
    await client.receiveNothing();
    pass();
    expect([await client.receive(), await client.receive()]).toMatchObject([
      { payload: { data: 'slow' } },
      { payload: { data: 'next' } },
    ]);
  });

  it('hold up the socket when too many frames of one wait', async () => {
    const { passed, pass } = gate();
    const slow = defineConsumer({ actions: { slow: () => passed } });
    const client = await serve(demultiplexer({ slow, echo })).open();
    for (let n = 0; n < 70; n += 1) client.send({ stream: 'slow', payload: { action: 'slow' } });
    client.send({ stream: 'echo', payload: { action: 'echo' } });
    await client.receiveNothing();
    pass();
    for (let n = 0; n < 65; n += 1) expect(await client.receive()).toMatchObject({ stream: 'slow' });
    const rest = [];
    for (let n = 0; n < 6; n += 1) rest.push((await client.receive())['stream']);
    expect(rest.sort()).toEqual(['echo', 'slow', 'slow', 'slow', 'slow', 'slow']);
  });

  it('have groups, replies and states of their own', async () => {
    const chat = defineConsumer({
      state: () => ({ said: 0 }),
      connect: (ctx) => ctx.join('chat'),
      on: { said: (ctx) => { ctx.reply((ctx.state.said += 1), { action: 'said' }); } }, // prettier-ignore
    });
    const { channels, open } = serve(demultiplexer({ one: chat, two: chat }));
    const client = await open();
    await channels.groupSend('chat', { type: 'said' });
    const said = { data: 1, action: 'said' };
    expect([await client.receive(), await client.receive()]).toMatchObject([
      { stream: 'one', payload: said },
      { stream: 'two', payload: said },
    ]);
  });

  it('send bytes as they are', async () => {
    const bytes = defineConsumer({ connect: (ctx) => { ctx.send(Buffer.from('[1]')); } }); // prettier-ignore
    expect(await (await serve(demultiplexer({ bytes })).open()).receive()).toEqual({ value: [1] });
  });

  it('may be routers, and have the parameters of the path in their scope', async () => {
    const router = express.Router().get('/', (req, res) => { res.json({ user: req.user }); }); // prettier-ignore
    const where = defineConsumer({ actions: { where: ({ scope }) => scope.params } });
    const channels = createChannels();
    channels.use((req, _res, next) => {
      Object.assign(req, { user: 'ada' });
      next();
    });
    channels.route('/ws/:team/:id', demultiplexer({ things: viewAsConsumer(router), inner: demultiplexer({ where }) }));
    const client = await connect(channels, '/ws/blue/7');
    expect(await ask(client, 'things', 'list')).toMatchObject({ data: { user: 'ada' } });
    expect(await client.request({ stream: 'inner', payload: { stream: 'where', payload: { action: 'where' } } })).toMatchObject({
      payload: { stream: 'where', payload: { data: { team: 'blue', id: '7' } } },
    });
    await channels.close();
  });
});

describe('the end of a stream', () => {
  it('is its own: it is told 404 from then on, its signal is aborted, and the others go on', async () => {
    const codes: number[] = [];
    const signals: AbortSignal[] = [];
    const closing = defineConsumer({
      connect: (ctx) => ctx.join('all'),
      actions: {
        wait: action(({ signal }) => new Promise((resolve) => { signals.push(signal); signal.onabort = resolve; }), { detached: true }), // prettier-ignore
        close: (ctx) => {
          ctx.close(4002);
          ctx.close(4003);
          return 'late';
        },
      },
      on: { all: (ctx) => { ctx.send('late'); } }, // prettier-ignore
      disconnect: (_ctx, code) => void codes.push(code),
    });
    const { channels, errors, open } = serve(demultiplexer({ closing, echo }));
    const client = await open();
    client.send({ stream: 'closing', payload: { action: 'wait' } });
    client.send({ stream: 'closing', payload: { action: 'close' } });
    expect(await ask(client, 'echo', 'echo')).toMatchObject({ response_status: 200 });
    await channels.groupSend('all', { type: 'all' });
    expect(await ask(client, 'closing', 'wait', { request_id: 3 })).toMatchObject({
      errors: ['The stream "closing" has closed.'],
      response_status: 404,
      request_id: 3,
    });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    await client.close();
    await until(() => channels.size === 0);
    expect([codes, errors]).toEqual([[4002], []]);
  });

  it('may come while it is being opened', async () => {
    const codes: number[] = [];
    const shy = defineConsumer({ connect: (ctx) => { ctx.close(); }, disconnect: (_ctx, code) => void codes.push(code) }); // prettier-ignore
    const client = await serve(demultiplexer({ shy, echo })).open();
    expect(await ask(client, 'shy', 'echo')).toMatchObject({ response_status: 404 });
    expect(await ask(client, 'echo', 'echo')).toMatchObject({ response_status: 200 });
    expect(codes).toEqual([1000]);
  });

  it('wants a code that is one', async () => {
    const closing = defineConsumer({ actions: { close: (ctx) => { ctx.close(5); }, act: () => 'alive' } }); // prettier-ignore
    const client = await serve(demultiplexer({ closing })).open();
    expect(await ask(client, 'closing', 'close')).toMatchObject({ response_status: 500 });
    expect(await ask(client, 'closing', 'act')).toMatchObject({ data: 'alive' });
  });

  it('comes for all with that of the socket, and is waited for when the server closes', async () => {
    const { passed, pass } = gate();
    const left: string[] = [];
    const leaving = (name: string) =>
      defineConsumer({
        actions: { wait: action(() => passed.then(() => 'done'), { detached: true }) },
        disconnect: (_ctx, code) => void left.push(`${name} ${String(code)}`),
      });
    const { channels, open } = serve(demultiplexer({ one: leaving('one'), two: leaving('two') }));
    const client = await open();
    client.send({ stream: 'one', payload: { action: 'wait' } });
    await client.receiveNothing();
    const closed = channels.close();
    pass();
    expect(await client.receive()).toMatchObject({ stream: 'one', payload: { data: 'done' } });
    await closed;
    expect(left).toEqual(['one 1012', 'two 1012']);
  });
});

describe('connect rules', () => {
  const closed = defineConsumer({ permissions: [permission({ connect: () => false })], actions: { echo: () => 1 } });
  const failing = defineConsumer({ permissions: [permission({ connect: () => Promise.reject(new Error('oops')) })] });
  const loggedIn = defineConsumer({ permissions: [permission({ connect: () => Promise.reject(new NotAuthenticated()) })] });

  it('a stream that refuses answers 403, and the others work', async () => {
    const { errors, open } = serve(demultiplexer({ closed, echo, failing }));
    const client = await open();
    for (const stream of ['closed', 'failing']) expect(await ask(client, stream, 'echo')).toMatchObject(REFUSED);
    expect(await ask(client, 'echo', 'echo')).toMatchObject({ response_status: 200 });
    expect(errors).toEqual([new Error('oops')]);
  });

  it.each([
    ['all refuse', { one: closed, two: closed }, 403],
    ['credentials are missing', { one: loggedIn, two: closed }, 401],
    ['a rule fails', { one: closed, two: failing }, 500],
  ])('the handshake is refused if %s', async (_what, streams, status) => {
    await expect(serve(demultiplexer(streams)).open()).rejects.toMatchObject({ status });
  });

  it('a stream that refuses a login that was revalidated ends, and the others go on', async () => {
    const allowed = new Set(['echo', 'fails']);
    const codes: number[] = [];
    const asked: string[] = [];
    const behind = (name: string, otherwise: () => boolean) =>
      defineConsumer({
        permissions: [permission({ connect: () => { asked.push(name); return allowed.has('echo') || otherwise(); } })], // prettier-ignore
        connect: (ctx: ConsumerContext<undefined>) => ctx.join('all'),
        actions: { echo: () => name },
        on: { all: (ctx) => { ctx.send(name); } }, // prettier-ignore
        disconnect: (_ctx, code) => void codes.push(code),
      });
    const streams = { refuses: behind('refuses', () => false), fails: behind('fails', () => { throw new Error('oops'); }), echo }; // prettier-ignore
    const { channels, open } = serve(demultiplexer(streams), { revalidate: { everyMs: 2 } });
    const client = await open();
    expect(await ask(client, 'refuses', 'echo')).toMatchObject({ data: 'refuses' });
    allowed.clear();
    asked.length = 0;
    // A question comes when the one before has been answered; the first may have been on its way already.
    await until(() => asked.length > 4);
    await channels.groupSend('all', { type: 'all' });
    expect(await client.receive()).toEqual({ stream: 'fails', payload: 'fails' });
    expect(await ask(client, 'refuses', 'echo')).toMatchObject({ response_status: 404 });
    expect(await ask(client, 'echo', 'echo')).toMatchObject({ response_status: 200 });
    expect(codes).toEqual([4403]);
  });
});

describe('the login', () => {
  it('is renewed by a frame beside the streams', async () => {
    const who = defineConsumer({ permissions: [isAuthenticated], actions: { who: ({ scope }) => scope.user } });
    const channels = createChannels(undefined, { reauthenticate: true });
    channels.use((req, _res, next) => {
      Object.assign(req, { user: { id: 1, token: req.headers.authorization } });
      next();
    });
    channels.route('/ws', demultiplexer({ who }));
    const client = await connect(channels, '/ws', { headers: { authorization: 'Bearer a' } });
    expect(await ask(client, 'who', 'who')).toMatchObject({ data: { token: 'Bearer a' } });
    expect(await client.request({ action: 'reauthenticate', token: 'b' })).toMatchObject({ response_status: 200 });
    expect(await ask(client, 'who', 'who')).toMatchObject({ data: { token: 'Bearer b' } });
    await channels.close();
  });

  it('ends for all streams by an action of one, which is answered first, also beside another that runs', async () => {
    const { passed, pass } = gate();
    const router = express.Router();
    router.get('/', (_req, res, next) => { passed.then(() => res.json('late'), next); }); // prettier-ignore
    router.put('/', (req, res, next) => {
      req.session.destroy((error: unknown) => {
        if (error) next(error);
        else res.json('bye');
      });
    });
    const app = express();
    const sessions = session({ secret: 'a secret', resave: false, saveUninitialized: true });
    const channels = createChannels(app);
    channels.use(sessions);
    const passes = expressPermission((_req, _res, next) => { next(); }); // prettier-ignore
    channels.route(
      '/ws',
      demultiplexer({ one: viewAsConsumer(router, undefined, { permissions: [passes] }), two: viewAsConsumer(router) }),
    );
    const client = await connect(channels, '/ws');
    client.send({ stream: 'two', payload: { action: 'list' } });
    expect(await ask(client, 'one', 'create')).toMatchObject({ data: 'bye', response_status: 200 });
    expect(await client.closed).toBe(4401);
    pass();
    await channels.close();
  });
});

describe('misuse is a TypeError that says what was expected', () => {
  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'Expected { stream: consumer } for demultiplexer(), got undefined.'],
    ['a list', [echo], 'Expected { stream: consumer } for demultiplexer(), got '],
    ['no stream', {}, 'Expected at least one stream for demultiplexer().'],
    ['a router', { a: express.Router() }, 'Expected stream "a" to be a consumer, got '],
    ['undefined', { a: undefined }, 'Expected stream "a" to be a consumer, got undefined.'],
  ])('%s', (_what, streams, message) => {
    const misuse = () => demultiplexer(streams as never);
    expect(misuse).toThrow(TypeError);
    expect(misuse).toThrow(message);
  });
});
