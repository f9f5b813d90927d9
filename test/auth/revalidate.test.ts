import express, { type RequestHandler } from 'express';
import { type ChannelsOptions, createChannels, permission, viewAsConsumer } from 'express-channels';
import jwt from 'jsonwebtoken';
import { Passport } from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';

import { createLoginApp, logIn, type TestUser } from '../support/login-app.js';
import { listen, open, type SocketClient, statusOf, until } from '../support/socket-client.js';

const SOON = { revalidate: { everyMs: 20 } };

describe('a login by session', () => {
  async function serve(options: ChannelsOptions = SOON) {
    const login = createLoginApp();
    const state = { middlewareRuns: 0, connectAllowed: true, away: undefined as 'throws' | 429 | 503 | undefined };
    const reported: unknown[] = [];
    const roles: unknown[] = [];
    const trouble: RequestHandler = (_req, res, next) => {
      state.middlewareRuns += 1;
      if (state.away === undefined) next();
      else if (state.away === 'throws') next(new Error('canary: the database is away'));
      else res.sendStatus(state.away);
    };
    const rules = permission({
      connect: () => state.connectAllowed,
      action: ({ scope }) => {
        roles.push((scope.user as TestUser).role);
        return true;
      },
    });
    const router = express.Router().get('/', (req, res) => void res.json(req.user ?? null));
    const channels = createChannels(login.app, { ...options, onError: (error) => reported.push(error) })
      .use(...login.middleware, trouble)
      .route('/ws', viewAsConsumer(router, { whoami: 'GET' }, { permissions: [rules] }));
    const port = await listen(channels);
    const client = await open(port, '/ws', { headers: { cookie: await logIn(port, 'alice') } });
    return { ...login, channels, client, port, reported, roles, state };
  }

  test('of a user who is deleted ends with 4401', async () => {
    const { channels, client, users } = await serve();
    users.delete('alice');
    expect(await client.closed).toBe(4401);
    await channels.close();
  });

  test('whose session was removed behind our back ends with 4401, without an action', async () => {
    const { channels, client, store } = await serve();
    store.clear();
    expect(await client.closed).toBe(4401);
    await channels.close();
  });

  test('whose session is given to another user ends with 4401', async () => {
    const { channels, client, users } = await serve();
    users.set('alice', { id: 99, name: 'alice', role: 'nurse' });
    expect(await client.closed).toBe(4401);
    await channels.close();
  });

  test('of a user with another role goes on with that, in rules and handlers', async () => {
    const { channels, client, users, state, roles } = await serve();
    expect(await client.act('whoami')).toMatchObject({ data: { role: 'nurse' } });
    users.set('alice', { id: 1, name: 'alice', role: 'matron' });
    const runs = state.middlewareRuns;
    await until(() => state.middlewareRuns >= runs + 2);
    expect(await client.act('whoami')).toMatchObject({ data: { id: 1, role: 'matron' } });
    expect(roles).toEqual(['nurse', 'matron']);
    await channels.close();
  });

  test('that the connect rules would no longer let in ends with 4403', async () => {
    const { channels, client, state } = await serve();
    state.connectAllowed = false;
    expect(await client.closed).toBe(4403);
    await channels.close();
  });

  test.each(['throws', 429, 503] as const)(
    'stays while it can not be asked for (%s), is told, and is asked for again',
    async (away) => {
      const { channels, client, state, users, reported } = await serve();
      state.away = away;
      await until(() => reported.length >= 2);
      expect(await client.act('whoami')).toMatchObject({ data: { name: 'alice' } });
      users.delete('alice');
      state.away = undefined;
      expect(await client.closed).toBe(4401);
      await channels.close();
    },
  );

  test('is not asked for with `revalidate: false`, and once the socket has gone', async () => {
    const never = await serve({ revalidate: false });
    const soon = await serve();
    await soon.client.close();
    await until(() => soon.channels.size === 0);
    const runs = [never.state.middlewareRuns, soon.state.middlewareRuns];
    const another = await open(soon.port, '/ws', { headers: { cookie: await logIn(soon.port, 'bob') } });
    await until(() => soon.state.middlewareRuns >= (runs[1] ?? 0) + 3);
    expect(never.state.middlewareRuns).toBe(runs[0]);
    expect(await another.act('whoami')).toMatchObject({ data: { name: 'bob' } });
    await Promise.all([never.channels.close(), soon.channels.close()]);
  });
});

test('an answer that a login in an action has overtaken does not end the socket', async () => {
  const { app, middleware, users } = createLoginApp();
  const held: (() => void)[] = [];
  let hold = false;
  const slow: RequestHandler = (_req, _res, next) => {
    if (hold) held.push(next);
    else next();
  };
  const router = express.Router();
  router.get('/', (req, res) => void res.json(req.user ?? null));
  router.post('/login', (req, res, next) => {
    req.login(users.get('alice') ?? {}, (error: unknown) => (error ? next(error) : void res.json(null)));
  });
  const channels = createChannels(app, SOON)
    .use(...middleware, slow)
    .route('/ws', viewAsConsumer(router, { whoami: 'GET', login: 'POST /login' }));
  const client = await open(await listen(channels), '/ws');
  hold = true;
  await until(() => held.length > 0);
  expect(await client.act('login')).toMatchObject({ response_status: 200 });
  hold = false;
  held[0]?.();
  expect(await client.act('whoami')).toMatchObject({ data: { name: 'alice' } });
  await client.receiveNothing();
  expect(client.closedWith).toBeUndefined();
  await channels.close();
});

describe('a login by token', () => {
  const SECRET = 'a secret of at least some length';
  const tokenOf = (sub: string, expiresInMs = 60_000) => jwt.sign({ sub, exp: (Date.now() + expiresInMs) / 1_000 }, SECRET);

  async function serve(options: ChannelsOptions) {
    const passport = new Passport();
    const strategy = { secretOrKey: SECRET, jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken() };
    passport.use(
      new Strategy(strategy, (payload: { sub: string; exp: number }, done) => done(null, { id: payload.sub, exp: payload.exp })),
    );
    const router = express.Router().get('/', (req, res) => {
      res.json({ user: req.user, authorization: req.get('authorization') });
    });
    const channels = createChannels(undefined, options)
      .use(passport.authenticate('jwt', { session: false }) as RequestHandler)
      .route('/ws', viewAsConsumer(router, { whoami: 'GET' }));
    return { channels, port: await listen(channels) };
  }

  const openWith = (port: number, token: string): Promise<SocketClient> =>
    open(port, '/ws', { headers: { authorization: `Bearer ${token}` } });

  test('that expires ends with 4401', async () => {
    const { channels, port } = await serve(SOON);
    const client = await openWith(port, tokenOf('alice', 300));
    expect(await client.act('whoami')).toMatchObject({ data: { user: { id: 'alice' } } });
    expect(await client.closed).toBe(4401);
    await channels.close();
  });

  test('is renewed in place by `reauthenticate`, and outlives the first token', async () => {
    const { channels, port } = await serve({ ...SOON, reauthenticate: true });
    const first = tokenOf('alice', 1_000);
    const client = await openWith(port, first);
    const token = tokenOf('alice');
    expect(await client.act('reauthenticate', { token, request_id: 5 })).toEqual({
      errors: [],
      data: null,
      action: 'reauthenticate',
      response_status: 200,
      request_id: 5,
    });
    expect(await client.act('whoami')).toMatchObject({ data: { user: { id: 'alice' }, authorization: `Bearer ${token}` } });
    await until(async () => (await statusOf(port, '/ws', { headers: { authorization: `Bearer ${first}` } })) === 401);
    expect(await client.act('whoami')).toMatchObject({ data: { user: { id: 'alice' } } });
    await channels.close();
  });

  test('a bad token is refused with 401, another user with 403, and the socket goes on as it was', async () => {
    const { channels, port } = await serve({ ...SOON, reauthenticate: true });
    const token = tokenOf('alice');
    const client = await openWith(port, token);
    const tries: [unknown, number][] = [
      ['nonsense', 401],
      [tokenOf('alice', -60_000), 401],
      [tokenOf('bob'), 403],
      [undefined, 400],
      [7, 400],
      ['', 400],
      ['with a blank', 400],
      ['with\r\nX-Forged: a header', 400],
    ];
    for (const [bad, status] of tries) {
      expect([bad, (await client.act('reauthenticate', { token: bad }))['response_status']]).toEqual([bad, status]);
    }
    expect(await client.act('whoami')).toMatchObject({ data: { user: { id: 'alice' }, authorization: `Bearer ${token}` } });
    await channels.close();
  });

  test.each(['id', '_id', 'uuid', 'username', 'email', 'a name that nobody knows'])('users are told apart by %s', async (key) => {
    const users: RequestHandler = (req, _res, next) => {
      const [, name] = (req.get('authorization') ?? '').split(' ');
      Object.assign(req, { user: { role: 'nurse', [key]: name } });
      next();
    };
    const router = express.Router().get('/', (req, res) => void res.json(req.user));
    const channels = createChannels(undefined, { reauthenticate: true })
      .use(users)
      .route('/ws', viewAsConsumer(router, { whoami: 'GET' }));
    const client = await openWith(await listen(channels), 'alice');
    expect(await client.act('reauthenticate', { token: 'bob' })).toMatchObject({ response_status: 403 });
    expect(await client.act('reauthenticate', { token: 'alice' })).toMatchObject({ response_status: 200 });
    expect(await client.act('whoami')).toMatchObject({ data: { [key]: 'alice' } });
    await channels.close();
  });

  test('is not renewed by default: there is no such action', async () => {
    const { channels, port } = await serve({});
    const client = await openWith(port, tokenOf('alice'));
    expect(await client.act('reauthenticate', { token: tokenOf('alice') })).toMatchObject({ response_status: 405 });
    await channels.close();
  });
});

test('users may be mere texts: the same one stays, another one ends the socket with 4401', async () => {
  let user = 'alice';
  let runs = 0;
  const channels = createChannels(undefined, SOON)
    .use((req, _res, next) => {
      runs += 1;
      Object.assign(req, { user });
      next();
    })
    .route(
      '/ws',
      viewAsConsumer(
        express.Router().get('/', (req, res) => void res.json(req.user)),
        { whoami: 'GET' },
      ),
    );
  const client = await open(await listen(channels), '/ws');
  await until(() => runs >= 3);
  expect(await client.act('whoami')).toMatchObject({ data: 'alice' });
  user = 'bob';
  expect(await client.closed).toBe(4401);
  await channels.close();
});

describe('middleware of a handshake', () => {
  const router = express.Router().get('/', (_req, res) => void res.json('here'));

  test('that calls next() twice lets the socket in once', async () => {
    const admitted: unknown[] = [];
    const channels = createChannels()
      .use((_req, _res, next) => {
        next();
        next();
      })
      .route(
        '/ws',
        viewAsConsumer(router, { read: 'GET' }, { permissions: [permission({ connect: () => admitted.push(1) > 0 })] }),
      );
    const client = await open(await listen(channels), '/ws');
    expect(await client.act('read')).toMatchObject({ data: 'here' });
    expect([admitted.length, channels.size]).toEqual([1, 1]);
    await channels.close();
  });

  test('passes, but a connect rule fails after the time is up: the client is refused once, the failure is reported', async () => {
    const reported: unknown[] = [];
    let fail = (_reason: Error): void => undefined;
    const rule = permission({ connect: () => new Promise<boolean>((_resolve, reject) => (fail = reject)) });
    const channels = createChannels(undefined, { handshakeTimeoutMs: 20, onError: (error) => reported.push(error) }).route(
      '/ws',
      viewAsConsumer(router, { read: 'GET' }, { permissions: [rule] }),
    );
    expect(await statusOf(await listen(channels), '/ws')).toBe(504);
    const late = new Error('canary: the database is away');
    fail(late);
    await until(() => reported.includes(late));
    await channels.close();
  });
});
