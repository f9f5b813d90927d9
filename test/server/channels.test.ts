import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';

import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import { createChannels, permission, routeActions, viewAsConsumer } from 'express-channels';
import createError from 'http-errors';
import { WebSocket, WebSocketServer } from 'ws';

import { certificate } from '../support/certificate.js';
import { handshakeLines, listen, open, portOf, rawHandshake, refusal, statusOf, until } from '../support/socket-client.js';

const hello = viewAsConsumer(
  express.Router().get('/', (req, res) => void res.json({ hello: req.user ?? null, secure: req.secure })),
  { list: 'GET' },
);

describe('routes', () => {
  test.each([
    ['/ws/users', '/ws/users', {}],
    ['/ws/users', '/ws/users/', {}],
    ['/ws/users', '/WS/Users?a=1', {}],
    ['/ws/:team/:ward', '/ws/north/7%2F8', { team: 'north', ward: '7/8' }],
  ])('%s takes %s', async (path, url, params) => {
    const scopes: unknown[] = [];
    const spy = permission({ connect: ({ scope }) => scopes.push(scope.params) > 0 });
    const channels = createChannels().route(
      path,
      viewAsConsumer(
        express.Router().get('/', () => undefined),
        undefined,
        { permissions: [spy] },
      ),
    );
    const port = await listen(channels);
    expect(await statusOf(port, url)).toBe(101);
    expect(scopes).toEqual([params]);
    await channels.close();
  });

  test('a wildcard is written as in the Express that is there', async () => {
    const scopes: unknown[] = [];
    const spy = permission({ connect: ({ scope }) => scopes.push(scope.params) > 0 });
    const consumer = viewAsConsumer(
      express.Router().get('/', () => undefined),
      undefined,
      { permissions: [spy] },
    );
    const isExpress4 = 'del' in express.application;
    const channels = createChannels()
      .route('/ws/fixed', hello)
      .route(isExpress4 ? '/ws/*' : '/ws/*path', consumer);
    const port = await listen(channels);
    expect(await statusOf(port, '/ws/fixed')).toBe(101);
    expect(await statusOf(port, '/ws/a/b')).toBe(101);
    expect(scopes).toEqual([isExpress4 ? { 0: 'a/b' } : { path: 'a/b' }]);
    await channels.close();
  });

  test.each([
    '/',
    '/ws/user',
    '/ws/users/1',
    '/ws//users',
    '/ws/users%2f',
    '/ws/%zz',
    '/ws/%',
    '/ws/users/../users',
    '//ws/users',
  ])('%s is 404', async (url) => {
    const channels = createChannels().route('/ws/users', hello).route('/ws/things/:id', hello);
    const { head, socket } = await rawHandshake(await listen(channels), handshakeLines(url));
    expect(head).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
    socket.destroy();
    await channels.close();
  });
});

test.each([
  ['another protocol', ['Upgrade: h2c'], ['Upgrade'], 400],
  ['no key', [], ['Sec-WebSocket-Key'], 400],
  ['a bad key', ['Sec-WebSocket-Key: short'], ['Sec-WebSocket-Key'], 400],
  ['no version', [], ['Sec-WebSocket-Version'], 400],
  ['a subprotocol twice', ['Sec-WebSocket-Protocol: a, a'], [], 400],
])('a handshake with %s is refused, and leaves nothing behind', async (_name, more, without, status) => {
  const channels = createChannels().route('/ws', hello);
  const { head, socket } = await rawHandshake(await listen(channels), handshakeLines('/ws', more, without));
  expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  await once(socket.resume(), 'close');
  expect(channels.size).toBe(0);
  await channels.close();
});

describe.each(['before', 'after'])('another WebSocket library that was attached %s', (when) => {
  test('keeps its upgrades, as ours stay ours', async () => {
    const server = createServer(express().get('/', (_req, res) => void res.send('over HTTP')));
    const others = new WebSocketServer({ noServer: true });
    others.on('connection', (socket) => {
      socket.on('message', (data) => {
        socket.send(`theirs: ${(data as Buffer).toString()}`);
      });
    });
    const attachOthers = () =>
      server.on('upgrade', (req, socket, head) => {
        if (req.url === '/theirs')
          setImmediate(() => others.handleUpgrade(req, socket, head, (client) => others.emit('connection', client, req)));
      });
    const channels = createChannels().route('/ours', hello);
    if (when === 'before') attachOthers();
    channels.attach(server);
    if (when === 'after') attachOthers();
    const port = await portOf(server.listen(0, '127.0.0.1'));

    expect(await (await open(port, '/ours')).act('list')).toMatchObject({ data: { hello: null } });
    const theirs = new WebSocket(`ws://127.0.0.1:${port}/theirs`);
    await once(theirs, 'open');
    theirs.send('hi');
    const [answer] = (await once(theirs, 'message')) as [Buffer];
    expect(answer.toString()).toBe('theirs: hi');

    await channels.close();
    expect(theirs.readyState).toBe(WebSocket.OPEN);
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('over HTTP');
    const again = new WebSocket(`ws://127.0.0.1:${port}/theirs`);
    await once(again, 'open');
    for (const client of [theirs, again]) client.terminate();
    server.close();
    server.closeAllConnections();
  });
});

describe('misuse is told at start-up', () => {
  const server = createServer();
  test.each<[string, () => unknown, string]>([
    [
      'options for the app',
      () => createChannels({ origins: [] } as never),
      'Expected an Express application for createChannels(), got { origins: [] }: options are the second argument.',
    ],
    ['a path without a slash', () => createChannels().route('ws', hello), 'Expected a path such as "/ws/users" for route()'],
    [
      'a router for a consumer',
      () => createChannels().route('/ws', express.Router() as never),
      'Expected a consumer for /ws, for instance viewAsConsumer(router), got [Function: router].',
    ],
    ['no consumer', () => createChannels().route('/ws', undefined as never), 'Expected a consumer for /ws'],
    ['no middleware', () => createChannels().use(undefined as never), 'Expected middleware functions for use()'],
    ['a port for a server', () => createChannels().attach(8000 as never), 'Expected an HTTP server for attach()'],
    [
      'attaching twice',
      () => createChannels().attach(server).attach(server),
      'These channels are attached to this server already: call attach() once, and not for the server of listen().',
    ],
    [
      'a limit of 0',
      () => createChannels(undefined, { limits: { maxFrameBytes: 0 } }),
      'Expected `maxFrameBytes` to be a positive number, got 0.',
    ],
    [
      'a limit of NaN',
      () => createChannels(undefined, { limits: { maxQueuedFrames: NaN } }),
      'Expected `maxQueuedFrames` to be a positive number, got NaN.',
    ],
    [
      'a text for a limit',
      () => createChannels(undefined, { limits: { maxQueuedBytes: '1kb' as never } }),
      'Expected `maxQueuedBytes` to be a positive number',
    ],
    [
      'a negative rate',
      () => createChannels(undefined, { rate: { perSecond: -1 } }),
      'Expected `rate.perSecond` to be a positive number, got -1.',
    ],
    [
      'an endless interval',
      () => createChannels(undefined, { heartbeat: { everyMs: Infinity } }),
      'Expected `heartbeat.everyMs` to be a positive number of milliseconds below 2^31, got Infinity.',
    ],
    [
      'an interval too long',
      () => createChannels(undefined, { revalidate: { everyMs: 2 ** 31 } }),
      'Expected `revalidate.everyMs` to be a positive number of milliseconds below 2^31, got 2147483648.',
    ],
    [
      'forwarding a header that changes requests',
      () => createChannels(undefined, { forwardHeaders: ['X-HTTP-Method-Override'] }),
      "got 'X-HTTP-Method-Override'",
    ],
  ])('%s', (_name, misuse, message) => {
    let thrown: unknown;
    try {
      misuse();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(TypeError);
    expect((thrown as TypeError).message).toContain(message);
  });

  test('an option that is undefined is its default', async () => {
    const channels = createChannels(undefined, { limits: { maxFrameBytes: undefined } as never }).route('/ws', hello);
    const client = await open(await listen(channels), '/ws');
    client.send({ action: 'list', padding: 'x'.repeat(65_536) });
    expect(await client.closed).toBe(1009);
    await channels.close();
  });

  test('listening twice', async () => {
    const channels = createChannels().route('/ws', hello);
    await listen(channels);
    expect(() => channels.listen(0)).toThrow(
      new TypeError('These channels listen already: call listen() once, and attach() for further servers.'),
    );
    await channels.close();
  });
});

test('a port that is taken is an error of the server, and the channels can be closed', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  const channels = createChannels();
  const [error] = (await once(channels.listen(await portOf(taken), '127.0.0.1'), 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('EADDRINUSE');
  await channels.close();
  taken.close();
});

test('over TLS the scope is encrypted, and requests are secure', async () => {
  const scopes: unknown[] = [];
  const spy = permission(({ scope }) => scopes.push(scope.encrypted) > 0);
  const router = express.Router().get('/', (req, res) => void res.json([req.secure, req.protocol]));
  const channels = createChannels().route('/ws', viewAsConsumer(router, { list: 'GET' }, { permissions: [spy] }));
  const server = createTlsServer(certificate()).listen(0, '127.0.0.1');
  channels.attach(server);
  const client = await open(await portOf(server), '/ws', { tls: true });
  expect(await client.act('list')).toMatchObject({ data: [true, 'https'] });
  expect(scopes).toEqual([true]);
  await channels.close();
  server.close();
});

describe('the middleware of handshakes', () => {
  async function handshake(...middleware: readonly (RequestHandler | ErrorRequestHandler)[]) {
    const reported: unknown[] = [];
    const channels = createChannels(undefined, { onError: (error) => reported.push(error) })
      .use(...(middleware as RequestHandler[]))
      .route('/ws', hello);
    const port = await listen(channels);
    const answer = await refusal(port, '/ws').catch((error: unknown) => String(error));
    expect(channels.size).toBe(0);
    await channels.close();
    return typeof answer === 'string' ? answer : { ...answer, reported };
  }

  test('runs once per socket, in order, with what Express has', async () => {
    const ran: string[] = [];
    const step =
      (name: string): RequestHandler =>
      (req, res, next) => {
        ran.push(
          `${name} ${req.method} ${req.path} ${JSON.stringify(req.query)} ${req.originalUrl} ${req.baseUrl} ${typeof res.json} ${typeof res.locals}`,
        );
        next();
      };
    const channels = createChannels()
      .use(step('first'), [step('second')] as never)
      .use(express.Router().use(step('third')))
      .route('/ws', hello);
    const client = await open(await listen(channels), '/ws?a=1');
    for (let round = 0; round < 3; round += 1) await client.act('list');
    expect(ran).toEqual(['first', 'second', 'third'].map((name) => `${name} GET /ws {"a":"1"} /ws?a=1  function object`));
    await channels.close();
  });

  test.each<[string, RequestHandler, number, Record<string, unknown>, string]>([
    [
      '401',
      (_req, res) => void res.set('WWW-Authenticate', 'Basic').status(401).json({ no: true }),
      401,
      { 'www-authenticate': 'Basic' },
      '{"no":true}',
    ],
    ['a redirect', (_req, res) => res.redirect('/login'), 302, { location: '/login' }, 'Found. Redirecting to /login'],
    ['200', (_req, res) => void res.send('hello'), 200, { 'content-length': '5' }, 'hello'],
    ['204', (_req, res) => void res.sendStatus(204), 204, {}, ''],
    ['in pieces', (_req, res) => void (res.status(403).write('a'), res.end('b')), 403, { 'content-length': '2' }, 'ab'],
    [
      'cookies',
      (_req, res) => void res.cookie('a', '1').cookie('b', '2').sendStatus(429),
      429,
      { 'set-cookie': ['a=1; Path=/', 'b=2; Path=/'] },
      'Too Many Requests',
    ],
  ])('that answers %s refuses with just that', async (_name, middleware, status, headers, body) => {
    const never = jest.fn();
    const answer = await handshake(middleware, never);
    expect(answer).toMatchObject({ status, headers: { connection: 'close', ...headers }, body, reported: [] });
    expect(never).not.toHaveBeenCalled();
  });

  test.each<[string, RequestHandler, number, string, boolean]>([
    ['throws', () => { throw new Error('canary'); }, 500, '{"errors":["A server error occurred."]}', true], // prettier-ignore
    ['rejects', () => Promise.reject(new Error('canary')), 500, '{"errors":["A server error occurred."]}', true],
    ['calls next(error)', (_req, _res, next) => { next(new Error('canary')); }, 500, '{"errors":["A server error occurred."]}', true], // prettier-ignore
    ['calls next() with a 403 to be told', (_req, _res, next) => { next(createError(403, 'not you')); }, 403, '{"errors":["not you"]}', false], // prettier-ignore
    ['has begun to answer, then fails', (_req, res, next) => { res.write('part'); next(new Error('canary')); }, 500, 'Internal Server Error', true], // prettier-ignore
    ['destroys the request', (req) => void req.destroy(), 500, 'Internal Server Error', true],
  ])('that %s refuses', async (_name, middleware, status, body, reported) => {
    const answer = await handshake(middleware);
    expect(answer).toMatchObject({ status, body });
    expect(answer).toHaveProperty('reported.length', reported ? 1 : 0);
  });

  test('an error goes to the next error handler, which may answer or let it through', async () => {
    const fail: RequestHandler = (_req, _res, next) => { next(new Error('canary')); }; // prettier-ignore
    const answer: ErrorRequestHandler = (error, _req, res, _next) => void res.status(418).send((error as Error).message);
    const forgive: ErrorRequestHandler = (_error, _req, _res, next) => {
      next();
    };
    const skipped = jest.fn();
    expect(await handshake(fail, skipped, answer)).toMatchObject({ status: 418, body: 'canary', reported: [] });
    expect(skipped).not.toHaveBeenCalled();
    expect(await handshake(fail, forgive, answer)).toContain('let in');
  });

  test('an error after next() is reported, and the socket is let in', async () => {
    const reported: unknown[] = [];
    const late: RequestHandler = async (_req, _res, next) => {
      next();
      await Promise.reject(new Error('late'));
    };
    const channels = createChannels(undefined, { onError: (error) => reported.push(error) })
      .use(late)
      .route('/ws', hello);
    const client = await open(await listen(channels), '/ws');
    expect(await client.act('list')).toMatchObject({ response_status: 200 });
    expect(reported).toEqual([new Error('late')]);
    await channels.close();
  });

  test('that never decides is refused with 504 in time', async () => {
    const reported: unknown[] = [];
    const channels = createChannels(undefined, { handshakeTimeoutMs: 20, onError: (error) => reported.push(error) })
      .use(() => undefined)
      .route('/ws', hello);
    expect((await refusal(await listen(channels), '/ws')).status).toBe(504);
    expect(reported).toMatchObject([{ name: 'ActionTimeout' }]);
    await channels.close();
  });

  test.each(['end', 'resetAndDestroy'] as const)(
    "learns that the client has gone (%s), which is nobody's error",
    async (leave) => {
      const reported: unknown[] = [];
      const seen: string[] = [];
      const channels = createChannels(undefined, { onError: (error) => reported.push(error) })
        .use((req) => {
          seen.push('asked');
          req.on('close', () => seen.push('close'));
        })
        .route('/ws', hello);
      const port = await listen(channels);
      const socket = connect(port, '127.0.0.1');
      socket.write(`${handshakeLines('/ws').join('\r\n')}\r\n\r\n`);
      await until(() => seen.includes('asked'));
      socket[leave]();
      await until(() => seen.includes('close'));
      expect(reported).toEqual([]);
      expect(channels.size).toBe(0);
      await channels.close();
    },
  );
});

describe('close()', () => {
  function serve() {
    const app = express();
    const release: (() => void)[] = [];
    const ran: string[] = [];
    app.get('/http', (_req, res) => void res.send('over HTTP'));
    app.get('/wait', (_req, res) => {
      ran.push('wait');
      res.on('close', () => ran.push('close'));
      release.push(() => void res.json('done'));
    });
    app.get('/next', (_req, res) => {
      ran.push('next');
      res.json('next');
    });
    return {
      channels: createChannels(app).route('/ws', viewAsConsumer(app, { wait: 'GET /wait', next: 'GET /next' })),
      app,
      release,
      ran,
    };
  }

  test('lets running actions finish and answers them, then closes with 1012 and its own server', async () => {
    const { channels, release, ran } = serve();
    const port = await listen(channels);
    const [busy, idle] = [await open(port, '/ws'), await open(port, '/ws')];
    busy.send({ action: 'wait' });
    await until(() => ran.includes('wait'));
    const closing = channels.close();
    expect(channels.close()).toBe(closing);
    busy.send({ action: 'next' });
    expect(idle.closedWith).toBeUndefined();
    await expect(statusOf(port, '/ws')).rejects.toThrow('ECONNREFUSED');
    release[0]?.();
    expect(await busy.receive()).toMatchObject({ data: 'done' });
    expect(await Promise.all([busy.closed, idle.closed])).toEqual([1012, 1012]);
    await closing;
    expect(ran).toEqual(['wait', 'close']);
    expect(channels.size).toBe(0);
    await expect(fetch(`http://127.0.0.1:${port}/http`)).rejects.toThrow();
  });

  test('breaks off what takes too long', async () => {
    const { channels, ran } = serve();
    const client = await open(await listen(channels), '/ws');
    client.send({ action: 'wait' });
    await until(() => ran.includes('wait'));
    await channels.close({ timeoutMs: 20 });
    expect(await client.closed).toBe(1012);
    expect(ran).toEqual(['wait', 'close']);
  });

  test('leaves an attached server serving HTTP; meanwhile new handshakes get 503, also those that wait for their middleware', async () => {
    const { channels, app, release, ran } = serve();
    const asked: (() => void)[] = [];
    channels.use((req, _res, next) => {
      if (req.url === '/ws?slow') asked.push(next);
      else next();
    });
    const server = createServer(app);
    channels.attach(server);
    const port = await portOf(server.listen(0, '127.0.0.1'));
    const client = await open(port, '/ws');
    client.send({ action: 'wait' });
    await until(() => ran.includes('wait'));
    const undecided = refusal(port, '/ws?slow');
    await until(() => asked.length === 1);
    const closing = channels.close();
    expect((await undecided).status).toBe(503);
    asked[0]?.();
    expect(await statusOf(port, '/ws')).toBe(503);
    release[0]?.();
    await closing;
    expect(await client.closed).toBe(1012);
    expect(channels.size).toBe(0);
    expect(await (await fetch(`http://127.0.0.1:${port}/http`)).text()).toBe('over HTTP');
    expect(server.listenerCount('upgrade')).toBe(0);
    server.close();
    server.closeAllConnections();
  });

  test('cuts clients that do not answer', async () => {
    const { channels } = serve();
    const client = await open(await listen(channels), '/ws');
    client.socket.pause();
    await channels.close();
    expect(channels.size).toBe(0);
    client.socket.terminate();
  });
});

test('without an error handler, errors are logged', async () => {
  const logged = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  const app = express().get('/', (_req, _res, next) => {
    next(new Error('canary'));
  });
  const channels = createChannels(app).route('/ws', viewAsConsumer(app, routeActions(app)));
  const client = await open(await listen(channels), '/ws');
  expect(await client.act('list')).toMatchObject({ response_status: 500 });
  expect(logged.mock.calls).toEqual([['The action %s of %s has failed:', "'list'", '/ws', new Error('canary')]]);
  logged.mockRestore();
  await channels.close();
});

test('an error handler that fails takes nothing with it', async () => {
  const logged = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  const app = express().get('/', () => {
    throw new Error('first');
  });
  const channels = createChannels(app, {
    onError: () => {
      throw new Error('second');
    },
  }).route('/ws', viewAsConsumer(app, routeActions(app)));
  const client = await open(await listen(channels), '/ws');
  expect(await client.act('list')).toMatchObject({ response_status: 500 });
  expect(await client.act('list')).toMatchObject({ response_status: 500 });
  expect(logged).toHaveBeenCalledWith(new Error('second'));
  logged.mockRestore();
  await channels.close();
});
