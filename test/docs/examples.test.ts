import { EventEmitter, once } from 'node:events';
import { readdirSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import express, { type Express, type RequestHandler, type Router } from 'express';
import session from 'express-session';
import {
  type Channels,
  type Consumer,
  createChannels,
  defineConsumer,
  dispatch,
  expressPermission,
  memoryLayer,
  type Permission,
  type RedisLayer,
  redisLayer,
  viewAsConsumer,
} from 'express-channels';
import { connect } from 'express-channels/testing';
import { Redis } from 'ioredis';
import jwt from 'jsonwebtoken';
import passport from 'passport';
import { DataTypes, Sequelize } from 'sequelize';
import { WebSocket } from 'ws';

import * as sqlite from '../../example-app/src/sqlite.js';
import { RedisServer, redisMissing } from '../support/redis.js';
import { describeRequiring } from '../support/requirement.js';
import { until } from '../support/socket-client.js';
import { type CodeBlock, codeBlocks, runBlock } from './markdown.js';

/** Pages whose blocks tests of their own execute. */
const EXECUTED_ELSEWHERE = [
  'COMING-FROM-DCRF.md',
  'COMING-FROM-EXPRESS-WS.md',
  'COMING-FROM-FEATHERS.md',
  'COMING-FROM-SAILS.md',
  'GUIDE.md',
  'MODELS.md',
  'OBSERVERS.md',
  'PROTOCOL.md',
  'TROUBLESHOOTING.md',
];
const pages = [
  'README.md',
  ...readdirSync(join(__dirname, '../../docs'))
    .filter((name) => name.endsWith('.md') && !EXECUTED_ELSEWHERE.includes(name))
    .map((name) => `docs/${name}`),
];
/** Blocks that a test has executed; shell commands are what the checks of a clean checkout run. */
const executed = new Set<CodeBlock>();
const open: Channels[] = [];

const blocks = new Map(pages.map((page) => [page, codeBlocks(page).filter(({ language }) => language !== 'sh')]));

function block(page: string, index: number): CodeBlock {
  const found = blocks.get(page)?.[index];
  if (found === undefined) throw new Error(`${page} has no block ${String(index)}.`);
  executed.add(found);
  return found;
}

function keep(channels: unknown): Channels {
  const found = channels as Channels;
  open.push(found);
  return found;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((channels) => channels.close()));
});

const requireLogin: RequestHandler = (req, res, next) => {
  if (req.isAuthenticated()) next();
  else res.sendStatus(401);
};

/** A REST router as Express people write it, and with the create of the default mapping. */
function plainRouter(): Router {
  const answer =
    (status: number, body: string): RequestHandler =>
    (_req, res) => {
      res.status(status).json(body);
    };
  const router = express.Router();
  router.get('/', answer(200, 'all'));
  router.get('/:id', answer(200, 'one'));
  router.post('/', answer(201, 'made'));
  router.put('/', answer(201, 'made'));
  router.patch('/:id', answer(200, 'changed'));
  return router;
}

const requireAdmin: RequestHandler = (req, res, next) => {
  if (Reflect.get(req.user ?? {}, 'admin') === true) next();
  else res.sendStatus(403);
};

/** The status of one action of somebody, whose login is a header; rejects with that of the handshake if it is refused. */
async function statusOf(channels: Channels, path: string, frame: object, user?: string): Promise<unknown> {
  const client = await connect(channels, path, user === undefined ? {} : { headers: { 'x-user': user } });
  return (await client.request(frame))['response_status'];
}

/** Both remedies of a guard that stands before a mount let in an admin, and nobody else. */
async function expectGuarded(example: CodeBlock): Promise<void> {
  const app = express();
  const channels = keep(createChannels(app));
  channels.use(asUser);
  const globals = { app, channels, admin: plainRouter(), requireAdmin, expressPermission, viewAsConsumer };
  await runBlock(example, globals, []);
  expect(await statusOf(channels, '/ws/admin', { action: 'list' }, 'root')).toBe(200);
  expect(await statusOf(channels, '/ws/admin', { action: 'list' }, 'ada')).toBe(403);
  expect(await statusOf(channels, '/ws/admin-router', { action: 'list' }, 'root')).toBe(200);
  await expect(statusOf(channels, '/ws/admin-router', { action: 'list' }, 'ada')).rejects.toMatchObject({ status: 403 });
}

/** A login by a header, which stands in for the reader's own. */
const asUser: RequestHandler = (req, _res, next) => {
  const name = req.get('x-user');
  if (name !== undefined) Object.assign(req, { user: { id: 7, username: name, admin: name === 'root', role: name } });
  next();
};

describe('README.md', () => {
  test('the twenty lines answer the client', async () => {
    const { server, channels } = await runBlock(
      {
        ...block('README.md', 0),
        code: block('README.md', 0).code.replace('channels.listen', 'const server = channels.listen'),
      },
      {},
      ['server', 'channels'],
    );
    keep(channels);
    await once(server as Server, 'listening');
    const { port } = (server as Server).address() as AddressInfo;
    const client = block('README.md', 1);
    const expected = /^\/\/ (\{.*\})$/m.exec(client.code)?.[1];
    const logged = await new Promise((resolve) => {
      const console = { log: resolve };
      void runBlock(
        { ...client, code: client.code.replace('localhost:8000', `127.0.0.1:${String(port)}`) },
        { WebSocket, console },
        [],
      );
    });
    expect(logged).toBe(expected);
    const http = await fetch(`http://127.0.0.1:${String(port)}/users`);
    expect(await http.json()).toEqual([{ id: 1, username: 'ada' }]);
  });

  test('a committed change reaches who follows', async () => {
    const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
    const User = sequelize.define('User', { name: DataTypes.STRING }, { timestamps: false });
    const Post = sequelize.define('Post', { title: DataTypes.STRING }, { timestamps: false });
    const { channels } = await runBlock(block('README.md', 2), { app: express(), Post, User }, ['channels']);
    await sequelize.sync();
    await User.create({ name: 'Ada' });
    const client = await connect(keep(channels), '/ws/posts');
    const lines = block('README.md', 3).code.trimEnd().split('\n');
    for (const line of lines) {
      const frame = line.slice(2);
      if (line.startsWith('> ')) client.send(frame);
      else if (line.startsWith('< ')) expect(await client.receive()).toEqual(JSON.parse(frame));
      else await runBlock({ ...block('README.md', 3), code: frame }, { Post }, []);
    }
    await client.close();
    await sequelize.close();
  });

  test('the permissions let in whom they say', async () => {
    const app = express();
    const sessions = [session({ secret: 'a secret', resave: false, saveUninitialized: false }), asUser];
    const values = await runBlock(
      block('README.md', 5),
      { app, sessions, passport, users: plainRouter(), notes: plainRouter(), requireLogin },
      ['channels'],
    );
    const channels = keep(values['channels']);
    expect(await statusOf(channels, '/ws/users', { action: 'list' })).toBe(403);
    expect(await statusOf(channels, '/ws/users', { action: 'list' }, 'ada')).toBe(200);
    expect(await statusOf(channels, '/ws/users', { action: 'list', pk: 7 }, 'ada')).toBe(400);
    expect(await statusOf(channels, '/ws/users', { action: 'retrieve', pk: 7 }, 'ada')).toBe(200);
    expect(await statusOf(channels, '/ws/users', { action: 'create' }, 'ada')).toBe(403);
    expect(await statusOf(channels, '/ws/users', { action: 'create' }, 'root')).toBe(201);
    await expect(statusOf(channels, '/ws/notes', { action: 'list' })).rejects.toMatchObject({ status: 401 });
    expect(await statusOf(channels, '/ws/notes', { action: 'list' }, 'ada')).toBe(200);
    expect(await statusOf(channels, '/ws/notes', { action: 'list', pk: 7 }, 'ada')).toBe(200);
  });

  test('a guard that stands before a mount is kept by both remedies', async () => {
    await expectGuarded(block('README.md', 4));
  });

  test('a client for tests needs no port', async () => {
    const channels = keep(createChannels());
    channels.route('/ws/users', viewAsConsumer(plainRouter()));
    expect(await runBlock(block('README.md', 6), { channels, cookie: 'sid=1' }, ['data'])).toEqual({ data: 'all' });
    expect(channels.size).toBe(0);
  });
});

describe('docs/SERVER.md', () => {
  test('a server has options, other libraries beside it, and an end', async () => {
    const logged: unknown[] = [];
    const logger = { error: (entry: unknown) => logged.push(entry) };
    const process = new EventEmitter();
    const app = express();
    const users = plainRouter().delete('/', () => {
      throw new Error('a secret');
    });
    const example = block('docs/SERVER.md', 0);
    const code = example.code.replace('viewAsConsumer(users)', "viewAsConsumer(users, { list: 'GET', clear: 'DELETE /' })");
    const values = await runBlock({ ...example, code }, { app, users, logger, process }, ['channels', 'server']);
    const channels = keep(values['channels']);
    const server = values['server'] as Server;
    await runBlock(block('docs/SERVER.md', 1), { server }, []);
    await once(server, 'listening');
    const url = `ws://127.0.0.1:${String((server.address() as AddressInfo).port)}`;

    const echo = new WebSocket(`${url}/echo`);
    await once(echo, 'open');
    echo.send('hello');
    expect(String((await once(echo, 'message'))[0])).toBe('hello');
    echo.close();
    await expect(once(new WebSocket(`${url}/nobody`), 'open')).rejects.toThrow();

    const client = new WebSocket(`${url}/ws/users`);
    await once(client, 'open');
    client.send(JSON.stringify({ action: 'clear' }));
    const [reply] = (await once(client, 'message')) as [Buffer];
    expect(JSON.parse(String(reply))).toMatchObject({ errors: ['A server error occurred.'] });
    expect(logged).toEqual([
      { error: expect.objectContaining({ message: 'a secret' }) as unknown, action: 'clear', user: undefined },
    ]);
    expect(channels.size).toBe(1);

    const ended = Promise.all([once(client, 'close'), once(server, 'close')]);
    process.emit('SIGTERM');
    expect((await ended)[0][0]).toBe(1012);
    await channels.close();
    expect(channels.size).toBe(0);
  });
});

describe('docs/LOGIN.md', () => {
  beforeAll(() => {
    passport.serializeUser((user, done) => {
      done(null, user);
    });
    passport.deserializeUser((user: Express.User, done) => {
      done(null, user);
    });
  });

  test('a session is shared by HTTP and the socket', async () => {
    const values = await runBlock(block('docs/LOGIN.md', 0), {}, ['app', 'channels', 'me']);
    const channels = keep(values['channels']);
    const app = values['app'] as Express;
    app.post('/login', (req, res, next) => {
      req.login({ id: 1, username: 'ada' }, (error) => {
        if (error) next(error);
        else res.end();
      });
    });
    app.use('/me', values['me'] as Router);
    const { headers } = await dispatch(app, { method: 'POST', url: '/login' });
    const cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    const client = await connect(channels, '/ws/me', { headers: { cookie } });
    expect(await client.request({ action: 'list' })).toMatchObject({ data: { username: 'ada' }, response_status: 200 });
    expect(await client.request({ action: 'create' })).toMatchObject({ data: { visits: 1 }, response_status: 201 });
    const http = await dispatch(app, { url: '/me', headers: { cookie } });
    expect(JSON.parse(http.body.toString())).toEqual({ username: 'ada', visits: 1 });
    const anonymous = await connect(channels, '/ws/me');
    expect(await anonymous.request({ action: 'list' })).toMatchObject({ response_status: 403 });
  });

  test('a store is watched from the beginning, also before the first socket', async () => {
    const store = new session.MemoryStore();
    const { destroy } = store;
    const given = { app: express(), createChannels, store, layer: { ...memoryLayer(), shared: true } };
    const { channels } = await runBlock(block('docs/LOGIN.md', 1), given, ['channels']);
    keep(channels);
    expect(store.destroy).not.toBe(destroy);
  });

  test('a bearer token comes by header, subprotocol or query, and is renewed', async () => {
    const me = express.Router().get('/', (req, res) => {
      res.json(req.user);
    });
    const app = express();
    const values = await runBlock(block('docs/LOGIN.md', 2), { app, me, passport, createChannels, viewAsConsumer }, ['channels']);
    const channels = keep(values['channels']);
    const token = (sub: string): string => jwt.sign({ sub }, 'keep this secret', { expiresIn: 60 });
    for (const options of [{ headers: { authorization: `Bearer ${token('1')}` } }, { protocols: ['bearer', token('1')] }]) {
      const client = await connect(channels, '/ws/me', options);
      expect(await client.request({ action: 'list' })).toMatchObject({ data: { id: '1' } });
    }
    const client = await connect(channels, `/ws/me?access_token=${token('1')}`);
    expect(await client.request({ action: 'list' })).toMatchObject({ data: { id: '1' } });
    const renewal: object = JSON.parse(block('docs/LOGIN.md', 3).code) as object;
    expect(await client.request(renewal)).toMatchObject({ response_status: 400 });
    expect(await client.request({ ...renewal, token: 'abc' })).toMatchObject({ response_status: 401 });
    expect(await client.request({ ...renewal, token: token('2') })).toMatchObject({ response_status: 403 });
    expect(await client.request({ ...renewal, token: token('1') })).toMatchObject({
      response_status: 200,
      action: 'reauthenticate',
    });
    await expect(connect(channels, '/ws/me')).rejects.toMatchObject({ status: 401 });
  });

  test('options and permissions are what they are said to be', async () => {
    const app = express();
    for (const index of [4, 5, 6, 8]) {
      const { channels } = await runBlock(block('docs/LOGIN.md', index), { app, createChannels }, ['channels']);
      keep(channels);
    }
    const requireRole =
      (role: string): RequestHandler =>
      (req, res, next) => {
        if (Reflect.get(req.user ?? {}, 'role') === role) next();
        else res.sendStatus(403);
      };
    const names = ['isNurse', 'membersOnly', 'asOverHttp', 'rule'];
    const rules = await runBlock(block('docs/LOGIN.md', 7), { requireRole, router: plainRouter() }, [...names, 'users']);
    const channels = keep(createChannels(app));
    channels.use(asUser);
    for (const name of names) {
      channels.route(
        `/${name}`,
        viewAsConsumer(plainRouter(), { list: 'GET', create: 'PUT' }, { permissions: [rules[name] as Permission] }),
      );
    }
    channels.route('/users', rules['users'] as Consumer);
    const status = (name: string, user: string | undefined, frame: object) => statusOf(channels, `/${name}`, frame, user);
    expect(await status('isNurse', 'nurse', { action: 'list' })).toBe(200);
    expect(await status('isNurse', 'guard', { action: 'list' })).toBe(403);
    expect(await status('users', 'ada', { action: 'list' })).toBe(200);
    expect(await status('users', 'ada', { action: 'list', pk: 8 })).toBe(400);
    expect(await status('users', 'ada', { action: 'retrieve', pk: 7 })).toBe(200);
    expect(await status('users', 'ada', { action: 'update', pk: 8 })).toBe(403);
    expect(await status('users', 'ada', { action: 'update', parameters: { id: 8 } })).toBe(403);
    expect(await status('users', undefined, { action: 'retrieve', parameters: { id: 8 } })).toBe(403);
    await expect(status('membersOnly', undefined, { action: 'list' })).rejects.toMatchObject({ status: 401 });
    expect(await status('membersOnly', 'ada', { action: 'list' })).toBe(200);
    expect(await status('asOverHttp', 'nurse', { action: 'create' })).toBe(201);
    await expect(status('asOverHttp', 'guard', { action: 'create' })).rejects.toMatchObject({ status: 403 });
    expect(await status('rule', 'guard', { action: 'create' })).toBe(403);
    expect(await status('rule', 'nurse', { action: 'create' })).toBe(201);
  });
});

describe('docs/ROUTERS.md', () => {
  let channels: Channels;
  let app: Express;

  beforeEach(async () => {
    const values = await runBlock(block('docs/ROUTERS.md', 0), {}, ['channels', 'app']);
    channels = keep(values['channels']);
    app = values['app'] as Express;
  });

  test('routers, applications and handlers answer', async () => {
    const ask = async (path: string, frame: object): Promise<object> => (await connect(channels, path)).request(frame);
    expect(await ask('/ws/posts', { action: 'publish', pk: 1 })).toMatchObject({ response_status: 204, data: null });
    expect(await ask('/ws/posts', { action: 'publish', pk: 1, parameters: { id: 1 } })).toMatchObject({ response_status: 400 });
    expect(await ask('/ws/some', { action: 'list', pk: 3 })).toMatchObject({ data: { id: 3 } });
    expect(await ask('/ws/some', { action: 'add', data: { title: 'x' } })).toMatchObject({
      response_status: 201,
      data: { id: 2, title: 'x' },
    });
    expect(await ask('/ws/app', { action: 'read', pk: 3 })).toMatchObject({ data: { id: 3 } });
    expect(await ask('/ws/time', { action: 'now' })).toMatchObject({ data: { now: new Date().getFullYear() } });
  });

  test('a guard that stands before a mount is kept by both remedies', async () => {
    await expectGuarded(block('docs/ROUTERS.md', 1));
  });

  test('a request in process is answered', async () => {
    const values = await runBlock(block('docs/ROUTERS.md', 2), { app }, ['status', 'headers', 'body']);
    expect(values).toMatchObject({ status: 201, headers: { 'content-type': 'application/json; charset=utf-8' } });
    expect(String(values['body'])).toBe('{"id":2,"title":"Hello"}');
  });
});

describe('docs/CONSUMERS.md', () => {
  const PAGE = 'docs/CONSUMERS.md';

  test('the consumers, their options and their streams do what they say', async () => {
    const names = ['app', 'channels', 'Chat', 'action', 'defineConsumer', 'isAuthenticated', 'NotFound', 'reply', 'z'];
    const chat = await runBlock(block(PAGE, 0), {}, names);
    const channels = keep(chat['channels']).use(asUser);
    const app = chat['app'] as Express;

    const { entered, announced } = await runBlock(block(PAGE, 4), { channels }, ['entered', 'announced']);
    expect(entered).toMatchObject({ data: [], response_status: 200 });
    expect(announced).toMatchObject({ data: 'Tea is ready.', action: 'announced', request_id: null });
    const { refused } = await runBlock(block(PAGE, 5), { Chat: chat['Chat'], connect }, ['refused']);
    expect(refused).toMatchObject({ errors: ['There is no room attic.'], response_status: 404 });

    const client = await connect(channels, '/ws/chat', { headers: { 'x-user': 'ada' } });
    expect(await client.request({ action: 'enter', room: 'attic' })).toMatchObject({ errors: ['There is no room attic.'] });
    await client.request({ action: 'enter', room: 'lobby' });
    expect(await client.request({ action: 'say', text: ' ' })).toMatchObject({ errors: [{ text: [expect.any(String)] }] });
    expect(await client.request({ action: 'say', text: 'hi' })).toMatchObject({ data: { length: 1 }, response_status: 201 });
    const headers = { 'content-type': 'application/json' };
    const post = { method: 'POST', url: '/announcements/lobby', headers, body: '{"text":"Tea"}' };
    expect((await dispatch(app, post)).status).toBe(204);
    expect(await client.receive()).toMatchObject({ data: 'Tea' });

    const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
    const Account = sequelize.define('Account', { name: DataTypes.STRING });
    await sequelize.sync();
    const { Reports } = await runBlock(block(PAGE, 1), { ...chat, sequelize, Account }, ['Reports']);
    await runBlock(block(PAGE, 2), { channels, Chat: chat['Chat'], Reports }, []);
    const anonymous = await connect(channels, '/ws/teams/blue');
    for (const line of block(PAGE, 3).code.trim().split('\n')) {
      if (line.startsWith('> ')) anonymous.send(line.slice(2));
      else expect(await anonymous.receive()).toEqual(JSON.parse(line.slice(2)));
    }
    const team = await connect(channels, '/ws/teams/blue', { headers: { 'x-user': 'ada' } });
    team.send({ stream: 'reports', payload: { action: 'build', year: '2024' } });
    for (const data of [1, 2, 3].map((month) => ({ year: 2024, month }))) {
      expect(await team.receive()).toMatchObject({ payload: { data, response_status: 206 } });
    }
    expect(await team.receive()).toMatchObject({ payload: { data: 'done', response_status: 200 } });
    const transfer = (name: string) => team.request({ stream: 'reports', payload: { action: 'transfer', name } });
    expect(await transfer('nobody')).toMatchObject({ payload: { response_status: 404 } });
    expect(await Account.count()).toBe(0);
    expect(await transfer('ada')).toMatchObject({ payload: { response_status: 201 } });
    await sequelize.close();
  });
});

describe('docs/LAYERS.md', () => {
  const PAGE = 'docs/LAYERS.md';
  // Where there is no Redis they are announced as skipped.
  const byUrl = block(PAGE, 0);
  const byClient = block(PAGE, 1);
  const frames = block(PAGE, 2);
  const acl = block(PAGE, 3);

  describeRequiring(redisMissing, 'over Redis', () => {
    let server: RedisServer;
    let admin: Redis;
    const layers: RedisLayer[] = [];

    beforeAll(async () => {
      server = await RedisServer.start();
      admin = new Redis(server.url);
    });

    afterEach(async () => {
      await Promise.all(layers.splice(0).map((layer) => layer.close()));
    });

    afterAll(async () => {
      await admin.quit();
      await server.stop();
    });

    test('a message reaches the sockets of another process', async () => {
      const process = { env: { REDIS_URL: server.url } };
      const Room = defineConsumer({
        connect: (ctx) => ctx.join('room'),
        on: { announced: (ctx, { text }) => ctx.reply(text) },
        actions: { enter: () => 'entered' },
      });
      const started = async (): Promise<Channels> => {
        const { channels } = await runBlock(byUrl, { app: express(), process }, ['channels']);
        return keep(channels).route('/ws/room', Room);
      };
      const [here, there] = [await started(), await started()];
      const client = await connect(there, '/ws/room');
      await client.request({ action: 'enter' });
      await here.groupSend('room', { type: 'announced', text: 'Tea' });
      expect(await client.receive()).toMatchObject({ data: 'Tea' });
    });

    test('the user that a layer needs may do all that it does, and what it sends looks as it is shown', async () => {
      await admin.call('acl', ...acl.code.trim().split(' ').slice(1));
      const url = server.url.replace('//', '//shop:password@');
      const logged: unknown[] = [];
      const logger = { error: (entry: unknown) => logged.push(entry), warn: (entry: unknown) => logged.push(entry) };
      const values = await runBlock(byClient, { process: { env: { REDIS_URL: url } }, logger, redisLayer }, ['layer']);
      const layer = values['layer'] as RedisLayer;
      const other = redisLayer({ client: new Redis(url, { lazyConnect: true }), prefix: 'shop' });
      layers.push(layer, other);
      const seen: string[] = [];
      admin.on('smessage', (channel, text) => seen.push(`${channel} ${text}`));
      for (const [channel] of frames.code.matchAll(/^shop:\S+/gm)) await admin.ssubscribe(channel);
      const [line = '', text = ''] = frames.code
        .trim()
        .split('\n')
        .slice(-2)
        .map((part) => part.trim());
      const got: string[] = [];
      await other.join('room-1', (message) => got.push(message));
      await layer.send('room-1', text);
      await until(() => got.length > 0 && seen.some((one) => one.includes('"message"')));
      expect(got).toEqual([text]);
      const shown = seen.find((one) => one.includes('"message"'))?.replace(/"from":"[^"]*"/, '"from":"0b1c8dde-…"');
      expect(shown).toBe(`${line.replace(/ +/, ' ')}\n${text}`);
      expect(logged).toEqual([]);
    });
  });
});

test('every block of every page is executed by a test', () => {
  const left = [...blocks.values()].flat().filter((one) => !executed.has(one));
  expect(left.map(({ page, code }) => `${page}: ${code.split('\n', 1)[0] ?? ''}`)).toEqual([]);
});
