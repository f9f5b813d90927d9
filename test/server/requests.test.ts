import compression from 'compression';
import express, { type Express, type RequestHandler } from 'express';
import { createChannels, type MappedActions, permission, viewAsConsumer, type ViewAsConsumerOptions } from 'express-channels';
import createError from 'http-errors';
import methodOverride from 'method-override';

import { seeded } from '../support/random.js';
import type { SocketClient } from '../support/socket-client.js';
import { listen, open } from '../support/socket-client.js';

/** A socket on a whole application, on the actions that are given. */
async function serve(app: Express, actions: MappedActions, options?: ViewAsConsumerOptions) {
  const reported: unknown[] = [];
  const channels = createChannels(app, { onError: (error) => reported.push(error) }).route(
    '/ws',
    viewAsConsumer(app, actions, options),
  );
  return { channels, reported, port: await listen(channels) };
}

describe('method overrides', () => {
  test.each<[string, RequestHandler]>([
    ['the default header', methodOverride()],
    ['another header', methodOverride('X-Verb')],
    ['the query', methodOverride('_method')],
    ['a query key of its own', methodOverride('verb')],
    ['the body', methodOverride((req) => (req as { body?: { _method?: string } }).body?._method ?? 'POST')],
  ])('an application that takes them by %s runs the mapped verb alone', async (_name, override) => {
    const ran: string[] = [];
    const app = express();
    // Applications allow overriding any method by writing it themselves, too.
    app.use(express.json(), override, (req, _res, next) => {
      req.method = req.get('x-verb') ?? req.method;
      next();
    });
    app.all('/', (req, res) => {
      ran.push(req.method);
      res.json(req.method);
    });
    const { channels, port } = await serve(app, { list: 'GET /', create: 'POST /' });
    const client = await open(port, '/ws', {
      headers: { 'x-http-method-override': 'DELETE', 'x-verb': 'DELETE', 'x-method-override': 'DELETE' },
    });
    const tricks = {
      query: { _method: 'DELETE', verb: 'DELETE' },
      data: { _method: 'DELETE' },
      method: 'DELETE',
      headers: { 'x-http-method-override': 'DELETE' },
      'x-http-method-override': 'DELETE',
    };
    expect(await client.act('create', tricks)).toMatchObject({ data: 'POST' });
    expect(await client.act('list', tricks)).toMatchObject({ data: 'GET' });
    expect(ran).toEqual(['POST', 'GET']);
    await channels.close();
  });
});

test('an application that is mounted in another one can not change the method either', async () => {
  const inner = express();
  inner.use((req, _res, next) => {
    req.method = 'DELETE';
    next();
  });
  inner.all('/', (req, res) => {
    res.json([req.method, req.app === inner]);
  });
  const list = 'GET /inner';
  const channels = createChannels()
    .route('/app', viewAsConsumer(express().use('/inner', inner), { list }))
    .route('/router', viewAsConsumer(express.Router().use('/inner', inner), { list }));
  const port = await listen(channels);
  for (const path of ['/app', '/router'])
    expect(await (await open(port, path)).act('list')).toMatchObject({ data: ['GET', true] });
  await channels.close();
});

describe('forged origins of a request', () => {
  const FORGED = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.example' };
  const frame = {
    ...FORGED,
    headers: FORGED,
    host: 'evil.example',
    cookie: 'forged=1',
    authorization: 'Bearer forged',
    url: '/other',
    ip: '203.0.113.7',
    user: { id: 1 },
    remoteAddress: '203.0.113.7',
  };
  const loopbackAlone = (ip: string) => ip === '127.0.0.1';

  test.each([
    ['false', false],
    ['true', true],
    ['1', 1],
    ["'loopback'", 'loopback'],
    ['a function', loopbackAlone],
  ])('with trust proxy %s the handshake is trusted as any request, and frames set nothing', async (_name, trust) => {
    const app = express();
    app.set('trust proxy', trust);
    app.get('/whence', (req, res) => {
      const { ip, ips, protocol, secure, hostname } = req;
      res.json({
        ip,
        ips,
        protocol,
        secure,
        hostname,
        cookie: req.get('cookie') ?? null,
        auth: req.get('authorization') ?? null,
        path: req.path,
      });
    });
    const { channels, port } = await serve(app, { whence: 'GET /whence' });
    for (const headers of [{}, FORGED]) {
      const overHttp = await (
        await fetch(`http://127.0.0.1:${port}/whence`, { headers: { ...headers, connection: 'close' } })
      ).json();
      const client = await open(port, '/ws', { headers });
      expect((await client.act('whence'))['data']).toEqual(overHttp);
      expect((await client.act('whence', frame))['data']).toEqual(overHttp);
      await client.close();
    }
    await channels.close();
  });
});

describe('a poisoned handshake', () => {
  test.each([
    ['Content-Length: 5'],
    ['Content-Length: 0'],
    ['Transfer-Encoding: chunked'],
    ['Expect: 100-continue'],
    ['If-None-Match: *'],
    ['If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT'],
    ['If-Match: "nothing"'],
    ['Range: bytes=0-1'],
    ['Accept-Encoding: gzip, br'],
    ['Accept: text/html'],
    ['Content-Type: application/x-www-form-urlencoded'],
    ['Content-Encoding: gzip'],
    ['X-HTTP-Method-Override: DELETE'],
    ['TE: trailers'],
    ['Upgrade-Insecure-Requests: 1'],
  ])('%s does not change 20 actions', async (line) => {
    const app = express();
    app.use(compression({ threshold: 0 }), express.json(), methodOverride());
    app.get('/text', (_req, res) => {
      res.format({
        html: () => void res.send('<p>html</p>'),
        json: () => void res.set('Last-Modified', 'Thu, 01 Jan 2026 00:00:00 GMT').json('x'.repeat(2_000)),
      });
    });
    app.post('/echo', (req, res) => void res.status(201).json(req.body as unknown));
    app.get('/file', (_req, res) => res.sendFile(__filename));
    const { channels, port } = await serve(
      app,
      { text: 'GET /text', echo: 'POST /echo', file: 'GET /file' },
      { exposeHeaders: ['content-encoding'] },
    );
    const client = await open(port, '/ws', { line });
    const file = await client.act('file');
    expect(file['response_status']).toBe(200);
    for (let round = 0; round < 10; round += 1) {
      expect(await client.act('text')).toEqual({
        errors: [],
        data: 'x'.repeat(2_000),
        action: 'text',
        response_status: 200,
        request_id: null,
      });
      expect(await client.act('echo', { data: { round } })).toMatchObject({ data: { round }, response_status: 201 });
    }
    await channels.close();
  });
});

test('__proto__ and its kin are keys like any other', async () => {
  const before = Reflect.ownKeys(Object.prototype);
  const app = express();
  app.get('/things/:id', (req, res) => void res.json({ params: req.params, query: req.query }));
  app.post(
    '/things',
    express.json(),
    (req, res) => void res.json({ polluted: 'polluted' in {}, keys: Object.keys(req.body as object) }),
  );
  const { channels, port } = await serve(app, { retrieve: 'GET /things/:id', create: 'POST /things' });
  const client = await open(port, '/ws');
  for (const key of ['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString', 'valueOf', '__defineGetter__']) {
    const nested = `{"${key}": {"polluted": 1}}`;
    const reply = (frame: string) => client.request(frame);
    expect(await reply(`{"action": "${key}", "request_id": ${nested}}`)).toMatchObject({ response_status: 405, action: key });
    expect(await reply(`{"${key}": {"action": "create"}}`)).toMatchObject({ response_status: 405, action: null });
    expect(await reply(`{"action": "retrieve", "parameters": ${nested}}`)).toMatchObject({ response_status: 400 });
    expect(await reply(`{"action": "retrieve", "parameters": {"${key}": "1"}}`)).toMatchObject({ response_status: 400 });
    expect(await reply(`{"action": "retrieve", "pk": "${key}"}`)).toMatchObject({ data: { params: { id: key } } });
    expect(await reply(`{"action": "retrieve", "pk": 1, "query": {"${key}": "polluted"}}`)).toMatchObject({
      response_status: 200,
    });
    expect(await reply(`{"action": "retrieve", "pk": 1, "query": {"${key}[polluted]": "1"}}`)).toMatchObject({
      response_status: 200,
    });
    expect(await reply(`{"action": "create", "data": ${nested}}`)).toMatchObject({ data: { polluted: false, keys: [key] } });
  }
  const echoed = await client.request('{"action": "create", "data": {}, "request_id": {"__proto__": 1}}');
  expect(JSON.stringify(echoed['request_id'])).toBe('{"__proto__":1}');
  expect(Reflect.ownKeys(Object.prototype)).toEqual(before);
  await channels.close();
});

test('1,000 interleaved actions of 50 users: everybody gets what is theirs, and nothing is shared', async () => {
  const random = seeded('interleaved users');
  const app = express();
  app.use(express.json());
  app.post('/mine', async (req, res) => {
    const { note } = req.body as { note: string };
    res.locals['note'] = note;
    Object.assign(req, { note });
    for (let turns = random.integer(0, 8); turns > 0; turns -= 1) await new Promise((resolve) => setImmediate(resolve));
    const left = Reflect.get(req, 'left') as unknown;
    Object.assign(req, { left: note });
    res.cookie('last', note).json({
      user: req.user,
      note: Reflect.get(req, 'note') as unknown,
      local: res.locals['note'] as unknown,
      left: left ?? null,
    });
  });
  const channels = createChannels(app)
    .use((req, _res, next) => {
      Object.assign(req, { user: Object.freeze({ name: req.headers['x-user'] }) });
      next();
    })
    .route('/ws', viewAsConsumer(app, { mine: 'POST /mine' }));
  const port = await listen(channels);
  const play = async (user: number): Promise<void> => {
    const name = `user ${user}`;
    const client = await open(port, '/ws', { headers: { 'x-user': name } });
    for (let round = 0; round < 20; round += 1)
      client.send({ action: 'mine', request_id: round, data: { note: `${name}, ${round}` } });
    for (let round = 0; round < 20; round += 1) {
      const note = `${name}, ${round}`;
      const data = { user: { name }, note, local: note, left: null };
      expect(await client.receive()).toEqual({ errors: [], data, action: 'mine', response_status: 200, request_id: round });
    }
  };
  await Promise.all(Array.from({ length: 50 }, (_, user) => play(user)));
  await channels.close();
});

test('the scope can not be written to', async () => {
  const scopes: object[] = [];
  const spy = permission(({ scope }) => scopes.push(scope, scope.params, scope.query, scope.headers) > 0);
  const channels = createChannels().route(
    '/ws/:ward',
    viewAsConsumer(
      express.Router().get('/', (_req, res) => void res.json(1)),
      { list: 'GET' },
      { permissions: [spy] },
    ),
  );
  const client = await open(await listen(channels), '/ws/7?a=1&a=2&b=3');
  await client.act('list');
  expect(scopes).toMatchObject([
    { path: '/ws/7', user: undefined, encrypted: false },
    { ward: '7' },
    { a: ['1', '2'], b: '3' },
    {},
  ]);
  expect(scopes.map((scope) => Object.isFrozen(scope))).toEqual([true, true, true, true]);
  await channels.close();
});

test.each<[string, RequestHandler]>([
  ['req.socket.destroy()', (req) => void req.socket.destroy()],
  ['req.destroy()', (req) => void req.destroy()],
  ['res.destroy()', (_req, res) => void res.destroy()],
  ['res.socket.end()', (_req, res) => void res.socket?.end()],
  ['res.socket.destroy(error)', (_req, res) => void res.socket?.destroy(new Error('canary'))],
  ['res.write(), then res.socket.destroy()', (_req, res) => void (res.write('half'), res.socket?.destroy())],
])('a handler that calls %s ends its own exchange: one reply, and the socket goes on', async (_name, handler) => {
  const app = express();
  app.get('/break', handler);
  app.get('/', (_req, res) => void res.json('fine'));
  const { channels, port } = await serve(app, { break: 'GET /break', list: 'GET /' });
  const client = await open(port, '/ws');
  expect(await client.act('break')).toEqual({
    errors: ['A server error occurred.'],
    data: null,
    action: 'break',
    response_status: 500,
    request_id: null,
  });
  expect(await client.act('list')).toMatchObject({ data: 'fine' });
  await client.receiveNothing();
  await channels.close();
});

describe('what only the server may know', () => {
  const CANARY = 'canary SELECT password FROM users';
  const secret = () => Object.assign(new Error(CANARY), { sql: CANARY, status: 503, detail: CANARY });

  const thrownText = (): unknown => CANARY;

  async function frames(
    handler: RequestHandler,
  ): Promise<{ client: SocketClient; text: () => string; reported: unknown[]; close: () => Promise<void> }> {
    const app = express();
    app.get('/', handler);
    const { channels, port, reported } = await serve(app, { list: 'GET /', next: 'GET /' });
    const client = await open(port, '/ws');
    let text = '';
    client.socket.on('message', (data) => (text += (data as Buffer).toString()));
    return { client, text: () => text, reported, close: () => channels.close() };
  }

  test.each<[string, RequestHandler, status: number]>([
    ['throws', () => { throw secret(); }, 503], // prettier-ignore
    ['passes to next()', (_req, _res, next) => { next(secret()); }, 503], // prettier-ignore
    ['rejects with', async (_req, _res, next) => { await Promise.reject(secret()).catch(next); }, 503], // prettier-ignore
    ['throws with a part of the answer out already', (_req, res) => { res.write('part'); throw secret(); }, 500], // prettier-ignore
    ['destroys its socket with', (_req, res) => void res.socket?.destroy(secret()), 500],
  ])('an error that a handler %s stays here, and is reported', async (_name, handler, status) => {
    const { client, text, reported, close } = await frames(handler);
    expect(await client.act('list')).toMatchObject({ data: null, response_status: status });
    expect(text()).not.toMatch(/canary|SELECT|node_modules|\.ts:/);
    expect(reported).toEqual([expect.objectContaining({ message: CANARY })]);
    await close();
  });

  test('a text that is thrown stays here, and is reported as the cause', async () => {
    const { client, text, reported, close } = await frames(() => {
      throw thrownText();
    });
    expect(await client.act('list')).toMatchObject({ response_status: 500 });
    expect(text()).not.toContain('canary');
    expect(reported).toEqual([expect.objectContaining({ cause: CANARY })]);
    await close();
  });

  test('an error after the answer changes nothing for the client, and is reported', async () => {
    const { client, text, reported, close } = await frames((_req, res, next) => {
      res.json('fine');
      next(secret());
    });
    expect(await client.act('list')).toMatchObject({ data: 'fine', response_status: 200 });
    await client.receiveNothing();
    expect(text()).not.toContain('canary');
    expect(reported).toEqual([expect.objectContaining({ message: CANARY })]);
    await close();
  });

  test('the message of an error that says expose is told, and nothing else of it', async () => {
    const { client, text, reported, close } = await frames((_req, _res, next) => {
      next(Object.assign(createError(409, 'Somebody was faster.'), { sql: CANARY }));
    });
    expect(await client.act('list')).toMatchObject({ errors: ['Somebody was faster.'], response_status: 409 });
    expect(text()).not.toContain('canary');
    expect(reported).toEqual([]);
    await close();
  });

  test('an error handler of the application decides what its errors say, as over HTTP', async () => {
    const app = express();
    app.get('/', (_req, _res, next) => {
      next(secret());
    });
    app.use(((_error, _req, res, _next) => void res.status(418).json({ oops: true })) as express.ErrorRequestHandler);
    const { channels, port } = await serve(app, { list: 'GET /' });
    expect(await (await open(port, '/ws')).act('list')).toMatchObject({
      errors: [{ oops: true }],
      data: { oops: true },
      response_status: 418,
    });
    await channels.close();
  });
});
