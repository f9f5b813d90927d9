import cookieParser from 'cookie-parser';
import cookieSession from 'cookie-session';
import express from 'express';
import type { SessionData } from 'express-session';
import { createChannels, type MappedActions, viewAsConsumer } from 'express-channels';

import {
  cookieOf,
  CountingStore,
  createLoginApp,
  http,
  logIn,
  type LoginAppOptions,
  type TestUser,
} from '../support/login-app.js';
import { listen, open } from '../support/socket-client.js';

const ACTIONS: MappedActions = {
  whoami: 'GET /whoami',
  visit: 'POST /visit',
  peek: 'GET /peek',
  save: 'POST /save',
  fail: 'POST /fail',
};

/** Handlers as they would be written for HTTP. */
function visits() {
  const router = express.Router();
  router.get('/whoami', (req, res) => {
    res.json({ user: req.user ?? null, authenticated: req.isAuthenticated(), visits: req.session.visits ?? 0 });
  });
  router.get('/peek', (req, res) => {
    res.json({ cookies: req.cookies as unknown, id: req.sessionID, expires: req.session.cookie.expires });
  });
  router.post('/visit', (req, res) => {
    req.session.visits = (req.session.visits ?? 0) + 1;
    res.json(req.session.visits);
  });
  router.post('/save', (req, res, next) => {
    req.session.note = 'saved by the handler';
    req.session.save((error: unknown) => {
      if (error) next(error);
      else res.json(req.session.note);
    });
  });
  router.post('/fail', (req) => {
    req.session.note = 'before it failed';
    throw new Error('canary');
  });
  return router;
}

class TouchlessStore extends CountingStore {
  override touch = undefined as never;
}

async function serve(options: LoginAppOptions = {}) {
  const login = createLoginApp(options);
  const reported: unknown[] = [];
  const channels = createChannels(login.app, { onError: (error) => reported.push(error) })
    .use(cookieParser(), ...login.middleware)
    .route('/ws', viewAsConsumer(visits(), ACTIONS));
  return { ...login, channels, reported, port: await listen(channels) };
}

test('a handler finds user, passport, session and cookies as over HTTP', async () => {
  const { channels, port } = await serve();
  const cookie = await logIn(port, 'alice');
  const client = await open(port, '/ws', { headers: { cookie: `theme=dark; ${cookie}` } });
  expect(await client.act('whoami')).toMatchObject({
    data: { user: { id: 1, name: 'alice', role: 'nurse' }, authenticated: true, visits: 0 },
  });
  expect(await client.act('peek')).toMatchObject({ data: { cookies: { theme: 'dark' } } });

  const anonymous = await open(port, '/ws');
  expect(await anonymous.act('whoami')).toMatchObject({ data: { user: null, authenticated: false } });
  await channels.close();
});

test('a change of the session is saved, and HTTP and sockets see those of each other', async () => {
  const { channels, port } = await serve();
  const cookie = await logIn(port, 'alice');
  const client = await open(port, '/ws', { headers: { cookie } });
  const neighbour = await open(port, '/ws', { headers: { cookie } });
  expect(await client.act('visit')).toMatchObject({ data: 1 });
  expect((await http(port, 'post', '/visit', cookie)).body).toBe(2);
  expect(await client.act('whoami')).toMatchObject({ data: { visits: 2 } });
  expect(await neighbour.act('visit')).toMatchObject({ data: 3 });
  expect(await client.act('visit')).toMatchObject({ data: 4 });
  expect((await http(port, 'get', '/session', cookie)).body).toMatchObject({ user: { name: 'alice' }, visits: 4 });
  await channels.close();
});

test('as over HTTP, what a handler did to the session before it failed is saved', async () => {
  const { channels, port, store, reported } = await serve();
  const cookie = await logIn(port, 'alice');
  const client = await open(port, '/ws', { headers: { cookie } });
  expect(await client.act('fail')).toMatchObject({ response_status: 500, errors: ['A server error occurred.'] });
  expect(await storedSession(store)).toMatchObject({ note: 'before it failed' });
  expect(reported).toEqual([new Error('canary')]);
  await channels.close();
});

test.each([true, false])(
  'with saveUninitialized %s, the session of a handshake gets its cookie with it, as with any response',
  async (uninitialized) => {
    const { channels, port, store } = await serve({ saveUninitialized: uninitialized });
    const client = await open(port, '/ws');
    expect(await store.ids()).toHaveLength(uninitialized ? 1 : 0);
    expect(client.headers['set-cookie'] ?? []).toHaveLength(uninitialized ? 1 : 0);
    const cookie = cookieOf(client.headers);

    await client.act('visit');
    expect(await client.act('visit')).toMatchObject({ data: 2 });
    expect(await store.ids()).toHaveLength(1);
    if (uninitialized) expect((await http(port, 'post', '/visit', cookie)).body).toBe(3);
    await channels.close();
  },
);

test('a handshake of a session that is there gets no cookie, unless it is rolling', async () => {
  for (const rolling of [false, true]) {
    const { channels, port } = await serve({ rolling, cookie: { maxAge: 60_000 } });
    const cookie = await logIn(port, 'alice');
    const client = await open(port, '/ws', { headers: { cookie } });
    expect(client.headers['set-cookie'] ?? []).toHaveLength(rolling ? 1 : 0);
    await channels.close();
  }
});

test.each([
  ['with', true],
  ['without', false],
])('an action extends the life of its session, in a store %s `touch`', async (_with, touch) => {
  const { channels, port, store } = await serve({
    cookie: { maxAge: 60_000 },
    store: touch ? new CountingStore() : new TouchlessStore(),
  });
  const cookie = await logIn(port, 'alice');
  const client = await open(port, '/ws', { headers: { cookie } });
  const before = await expiry(store);
  await client.act('visit');
  if (touch) await client.act('whoami');
  expect(await expiry(store)).toBeGreaterThan(before);
  expect(await client.act('whoami')).toMatchObject({ data: { visits: 1 } });
  await channels.close();
});

test.each(['get', 'set'] as const)('a store whose %s fails costs the action a 500, not the socket', async (failing) => {
  const { channels, port, store, reported } = await serve();
  const cookie = await logIn(port, 'alice');
  const client = await open(port, '/ws', { headers: { cookie } });
  store.failing = failing;
  expect(await client.act('visit')).toEqual({
    errors: ['A server error occurred.'],
    data: null,
    action: 'visit',
    response_status: 500,
    request_id: null,
  });
  expect(reported).toEqual([new Error('canary: the store is away')]);
  store.failing = undefined;
  expect(await client.act('visit')).toMatchObject({ data: 1 });
  await channels.close();
});

test('a store that fails during the handshake refuses it with 500, and the next one is let in', async () => {
  const { channels, port, store, reported } = await serve();
  const cookie = await logIn(port, 'alice');
  store.failing = 'get';
  await expect(open(port, '/ws', { headers: { cookie } })).rejects.toThrow(
    'refused with 500: {"errors":["A server error occurred."]}',
  );
  expect(reported).toEqual([new Error('canary: the store is away')]);
  store.failing = undefined;
  expect(await (await open(port, '/ws', { headers: { cookie } })).act('whoami')).toMatchObject({
    data: { user: { name: 'alice' } },
  });
  await channels.close();
});

test('a session that lives in a cookie is there as the handshake brought it', async () => {
  const app = express();
  const keep = cookieSession({ secret: 'test' });
  app.use(keep);
  app.post('/visit', (req, res) => {
    Object.assign(req, { session: { visits: 7 } });
    res.json(null);
  });
  const channels = createChannels(app)
    .use(keep)
    .route('/ws', viewAsConsumer(visits(), { visit: 'POST /visit' }));
  const port = await listen(channels);
  const cookies = (await http(port, 'post', '/visit')).headers['set-cookie'] as unknown as string[];
  const client = await open(port, '/ws', { headers: { cookie: cookies.map((line) => line.split(';')[0]).join('; ') } });
  expect(await client.act('visit')).toMatchObject({ data: 8 });
  await channels.close();
});

test('what any other middleware put on the request is there in every action', async () => {
  const app = express();
  const tenant = Symbol('tenant');
  const router = express.Router().get('/', (req, res) => {
    res.json({
      tenant: Reflect.get(req, tenant) as unknown,
      locale: Reflect.get(req, 'locale') as unknown,
      ip: req.ip,
      user: (req.user as TestUser).name,
    });
  });
  const channels = createChannels(app)
    .use((req, _res, next) => {
      Object.assign(req, { [tenant]: 'north', user: { name: 'carol' } });
      Object.defineProperty(req, 'locale', { get: () => 'de', enumerable: true });
      // Express has a getter for it on its prototype.
      Object.defineProperty(req, 'ip', { value: '203.0.113.7' });
      next();
    })
    .route('/ws', viewAsConsumer(router, { list: 'GET' }));
  const client = await open(await listen(channels), '/ws');
  for (let round = 0; round < 2; round += 1) {
    expect(await client.act('list')).toMatchObject({ data: { tenant: 'north', locale: 'de', ip: '203.0.113.7', user: 'carol' } });
  }
  await channels.close();
});

async function storedSession(store: CountingStore): Promise<unknown> {
  const [id = ''] = await store.ids();
  return new Promise((resolve) => {
    store.get(id, (_error, data) => {
      resolve(data);
    });
  });
}

async function expiry(store: CountingStore): Promise<number> {
  const data = (await storedSession(store)) as SessionData;
  return new Date(data.cookie.expires ?? 0).getTime();
}
