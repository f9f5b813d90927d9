import { once } from 'node:events';

import express, { type RequestHandler } from 'express';
import { createChannels, expressPermission, permission, viewAsConsumer } from 'express-channels';

import { type CountingStore, createLoginApp, http, logIn } from '../support/login-app.js';
import { listen, open, until } from '../support/socket-client.js';

/** A login application with actions that log in and out, and one that waits until it is let go. */
async function serve() {
  const login = createLoginApp();
  const router = express.Router();
  const ran: string[] = [];
  const waiting = new Map<string, () => void>();
  router.get('/whoami', (req, res) => {
    ran.push('whoami');
    res.json(req.user ?? null);
  });
  router.post('/wait', (req, res) => {
    ran.push('wait');
    req.session.note = 'from an action that outlived its login';
    res.on('close', () => ran.push('close'));
    waiting.set('wait', () => void res.json('too late'));
  });
  router.post('/login/:name', (req, res, next) => {
    req.login(login.users.get(req.params.name) ?? {}, (error: unknown) => {
      if (error) next(error);
      else res.json(req.user);
    });
  });
  router.post('/logout', (req, res, next) => {
    req.logout((error: unknown) => {
      if (error) next(error);
      else res.json('logged out');
    });
  });
  router.post('/destroy', (req, res) => {
    req.session.destroy(() => res.json('destroyed'));
  });
  const consumer = viewAsConsumer(router, {
    whoami: 'GET /whoami',
    wait: 'POST /wait',
    login: 'POST /login/:name',
    logout: 'POST /logout',
    destroy: 'POST /destroy',
  });
  const reported: unknown[] = [];
  const channels = createChannels(login.app, { revalidate: false, onError: (error) => reported.push(error) })
    .use(...login.middleware)
    .route('/ws', consumer);
  return { ...login, channels, ran, waiting, reported, port: await listen(channels) };
}

describe.each(['/logout', '/destroy', '/regenerate'])('POST %s over HTTP', (path) => {
  test('closes the sockets of its session at once with 4401, and nobody else', async () => {
    const { channels, port, ran } = await serve();
    const [cookie, other] = [await logIn(port, 'alice'), await logIn(port, 'alice')];
    const [first, second, elsewhere] = [
      await open(port, '/ws', { headers: { cookie } }),
      await open(port, '/ws', { headers: { cookie } }),
      await open(port, '/ws', { headers: { cookie: other } }),
    ];
    await first.act('whoami');
    await http(port, 'post', path, cookie).expect(204);
    expect(await Promise.all([first.closed, second.closed])).toEqual([4401, 4401]);
    expect(ran).toEqual(['whoami']);
    expect(await elsewhere.act('whoami')).toMatchObject({ data: { name: 'alice' } });
    await channels.close();
  });

  test('ends an action that runs: it is not answered, what follows does not run, the session does not come back', async () => {
    const { channels, port, ran, waiting, store, reported } = await serve();
    const cookie = await logIn(port, 'alice');
    const ids = await store.ids();
    const client = await open(port, '/ws', { headers: { cookie } });
    const frames: unknown[] = [];
    client.socket.on('message', (data) => frames.push(data));
    client.send({ action: 'wait' });
    client.send({ action: 'whoami' });
    await until(() => ran.includes('wait'));
    await http(port, 'post', path, cookie).expect(204);
    expect(await client.closed).toBe(4401);
    expect(ran).toEqual(['wait', 'close']);
    waiting.get('wait')?.();
    await channels.close();
    expect(await store.ids()).not.toContain(ids[0]);
    expect(frames).toEqual([]);
    expect(reported).toEqual([]);
  });
});

test.each(['nothing', 'ENOENT'])(
  'a session that was removed behind our back (the store says %s) is noticed by the next action, which does not run',
  async (says) => {
    const { channels, port, ran, store } = await serve();
    store.absence = says === 'ENOENT' ? Object.assign(new Error('no such session'), { code: 'ENOENT' }) : undefined;
    const cookie = await logIn(port, 'alice');
    const client = await open(port, '/ws', { headers: { cookie } });
    store.clear();
    client.send({ action: 'whoami' });
    expect(await client.closed).toBe(4401);
    expect(ran).toEqual([]);
    await channels.close();
  },
);

test.each(['logout', 'destroy'])('%s in an action: first its reply, then 4401, and nothing after it runs', async (action) => {
  const { channels, port, ran, store } = await serve();
  const cookie = await logIn(port, 'alice');
  const client = await open(port, '/ws', { headers: { cookie } });
  client.send({ action });
  client.send({ action: 'whoami' });
  expect(await client.receive()).toMatchObject({ action, response_status: 200 });
  expect(await client.closed).toBe(4401);
  expect(ran).toEqual([]);
  expect(await store.ids()).toHaveLength(0);
  await channels.close();
});

test('logout in an action closes the other sockets of the session', async () => {
  const { channels, port } = await serve();
  const cookie = await logIn(port, 'alice');
  const [client, other] = [await open(port, '/ws', { headers: { cookie } }), await open(port, '/ws', { headers: { cookie } })];
  expect(await client.act('logout')).toMatchObject({ response_status: 200 });
  expect(await Promise.all([client.closed, other.closed])).toEqual([4401, 4401]);
  await channels.close();
});

test('login in an action: what follows on this socket is logged in, and follows the new session', async () => {
  const { channels, port, store } = await serve();
  const client = await open(port, '/ws');
  expect(await client.act('whoami')).toMatchObject({ data: null });
  expect(await client.act('login', { pk: 'alice' })).toMatchObject({ data: { name: 'alice' } });
  expect(await client.act('whoami')).toMatchObject({ data: { name: 'alice' } });
  const [id = ''] = await store.ids();
  expect(await store.ids()).toEqual([id]);
  store.destroy(id);
  expect(await client.closed).toBe(4401);
  await channels.close();
});

test('login as somebody else in an action ends the socket, which is still that of the first', async () => {
  const { channels, port } = await serve();
  const client = await open(port, '/ws', { headers: { cookie: await logIn(port, 'alice') } });
  expect(await client.act('login', { pk: 'bob' })).toMatchObject({ response_status: 200 });
  expect(await client.closed).toBe(4401);
  await channels.close();
});

test('login over HTTP, which replaces the session, closes the anonymous sockets of the old one', async () => {
  const { channels, port } = await serve();
  const cookie = (await http(port, 'post', '/visit')).headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  const client = await open(port, '/ws', { headers: { cookie } });
  await logIn(port, 'alice', cookie);
  expect(await client.closed).toBe(4401);
  await channels.close();
});

test('an action that has run out of time does not hide a logout of its handler', async () => {
  const { app, middleware } = createLoginApp();
  let finish: (() => void) | undefined;
  const router = express.Router().post('/slow', (req) => {
    finish = () => {
      req.session.destroy(() => undefined);
    };
  });
  const channels = createChannels(app, { revalidate: false, onError: () => undefined })
    .use(...middleware)
    .route('/ws', viewAsConsumer(router, { slow: 'POST /slow' }, { timeoutMs: 5 }));
  const port = await listen(channels);
  const client = await open(port, '/ws', { headers: { cookie: await logIn(port, 'alice') } });
  expect(await client.act('slow')).toMatchObject({ response_status: 504 });
  finish?.();
  expect(await client.closed).toBe(4401);
  await channels.close();
});

test('a permission that logs out and refuses: first 403, then 4401', async () => {
  const { app, middleware } = createLoginApp();
  const ban: RequestHandler = (req, res, next) => {
    if (req.method === 'HEAD') next();
    else req.session.destroy(() => res.sendStatus(403));
  };
  const channels = createChannels(app, { revalidate: false })
    .use(...middleware)
    .route('/ws', viewAsConsumer(app, { session: 'GET /session' }, { permissions: [expressPermission(ban)] }));
  const port = await listen(channels);
  const client = await open(port, '/ws', { headers: { cookie: await logIn(port, 'alice') } });
  expect(await client.act('session')).toMatchObject({ response_status: 403 });
  expect(await client.closed).toBe(4401);
  await channels.close();
});

test('a permission that decides after the login has ended does not bring its session back', async () => {
  const { app, middleware, store } = createLoginApp();
  const held: (() => void)[] = [];
  const slow: RequestHandler = (req, res, next) => {
    if (req.method === 'HEAD') {
      next();
      return;
    }
    req.session.note = 'from a permission that outlived its login';
    held.push(() => res.sendStatus(403));
  };
  const channels = createChannels(app, { revalidate: false })
    .use(...middleware)
    .route('/ws', viewAsConsumer(app, { session: 'GET /session' }, { permissions: [expressPermission(slow)] }));
  const port = await listen(channels);
  const cookie = await logIn(port, 'alice');
  const client = await open(port, '/ws', { headers: { cookie } });
  client.send({ action: 'session' });
  await until(() => held.length > 0);
  await http(port, 'post', '/destroy', cookie).expect(204);
  expect(await client.closed).toBe(4401);
  held[0]?.();
  await channels.close();
  expect(await store.ids()).toEqual([]);
});

test('a logout while the handshake is still being decided is not missed', async () => {
  const { app, middleware, store } = createLoginApp();
  const held: (() => void)[] = [];
  const slow = permission({
    connect: () =>
      new Promise((resolve) => {
        held.push(() => {
          resolve(true);
        });
      }),
  });
  const channels = createChannels(app, { revalidate: false })
    .use(...middleware)
    .route('/ws', viewAsConsumer(app, { session: 'GET /session' }, { permissions: [slow] }));
  const port = await listen(channels);
  const cookie = await logIn(port, 'alice');
  const opening = open(port, '/ws', { headers: { cookie } });
  await until(() => held.length > 0);
  store.clear();
  held[0]?.();
  expect(await (await opening).closed).toBe(4401);
  await channels.close();
});

test('the store is as it was once the channels are closed, or the last socket is', async () => {
  const { channels, port, store } = await serve();
  const own = () => Object.getOwnPropertyDescriptor(store, 'destroy');
  const before = own();
  const { destroy } = store;
  const cookie = await logIn(port, 'alice');
  const clients = [await open(port, '/ws', { headers: { cookie } }), await open(port, '/ws')];
  expect(own()).not.toEqual(before);
  await Promise.all(clients.map((client) => client.close()));
  await until(() => channels.size === 0);
  expect(own()).toEqual(before);

  await open(port, '/ws', { headers: { cookie } });
  await channels.close();
  expect(own()).toEqual(before);
  expect(store.destroy).toBe(destroy);
});

test('somebody else who wraps the store in the meantime keeps working, and is called once for each logout', async () => {
  const { channels, port, store } = await serve();
  const calls: string[] = [];
  const first = await open(port, '/ws', { headers: { cookie: await logIn(port, 'alice') } });
  wrapDestroy(store, calls);
  const wrapped = store.destroy;
  await first.close();
  await until(() => channels.size === 0);
  for (let round = 0; round < 3; round += 1) {
    const cookie = await logIn(port, 'bob');
    const client = await open(port, '/ws', { headers: { cookie } });
    expect(store.destroy).toBe(wrapped);
    calls.length = 0;
    await http(port, 'post', '/logout', cookie);
    expect(await client.closed).toBe(4401);
    expect(calls).toHaveLength(1);
    await until(() => channels.size === 0);
  }
  await channels.close();
});

function wrapDestroy(store: CountingStore, calls: string[]): void {
  const destroy = store.destroy.bind(store);
  store.destroy = (id, done) => {
    calls.push(id);
    destroy(id, done);
  };
}

test('a client that leaves in the middle of a login does not keep its session watched', async () => {
  const { channels, port, store, ran, waiting } = await serve();
  const { destroy } = store;
  const client = await open(port, '/ws', { headers: { cookie: await logIn(port, 'alice') } });
  client.send({ action: 'wait' });
  await until(() => ran.includes('wait'));
  client.socket.terminate();
  await once(client.socket, 'close');
  await until(() => channels.size === 0);
  waiting.get('wait')?.();
  await until(() => ran.includes('close'));
  expect(store.destroy).toBe(destroy);
  await channels.close();
});

test('a store with a `destroy` of its own has that again when the last socket has gone', async () => {
  const { channels, port, store } = await serve();
  const calls: string[] = [];
  wrapDestroy(store, calls);
  const own = store.destroy;
  const client = await open(port, '/ws', { headers: { cookie: await logIn(port, 'alice') } });
  expect(store.destroy).not.toBe(own);
  await client.close();
  await until(() => channels.size === 0);
  expect(store.destroy).toBe(own);
  await channels.close();
});

test('a logout that the store could not carry out leaves the sockets of the session open', async () => {
  const { channels, port, store } = await serve();
  const cookie = await logIn(port, 'alice');
  store.destroy = (_id, done) => done?.(new Error('canary: the store is away'));
  const client = await open(port, '/ws', { headers: { cookie } });
  const [id = ''] = await store.ids();
  await new Promise((resolve) => {
    store.destroy(id, resolve);
  });
  expect(await client.act('whoami')).toMatchObject({ data: { name: 'alice' } });
  await channels.close();
});

test('a session that ends while a rule still thinks: the action does not run', async () => {
  const login = createLoginApp();
  const ran: string[] = [];
  const rule = withGate();
  const router = express.Router().get('/', (_req, res) => {
    ran.push('handler');
    res.json('too late');
  });
  const permissions = [permission({ action: rule.ask })];
  const channels = createChannels(login.app, { revalidate: false })
    .use(...login.middleware)
    .route('/ws', viewAsConsumer(router, { read: 'GET /' }, { permissions }));
  const port = await listen(channels);
  const cookie = await logIn(port, 'alice');
  const client = await open(port, '/ws', { headers: { cookie } });
  client.send({ action: 'read' });
  await until(() => rule.asked);
  await http(port, 'post', '/logout', cookie).expect(204);
  rule.open();
  expect(await client.closed).toBe(4401);
  expect(ran).toEqual([]);
  await channels.close();
});

/** A rule that says yes when it is let go. */
function withGate() {
  const gate = { asked: false, open: (): void => undefined, ask: () => answer() };
  const answer = (): Promise<boolean> => {
    gate.asked = true;
    return new Promise((resolve) => {
      gate.open = () => {
        resolve(true);
      };
    });
  };
  return gate;
}
