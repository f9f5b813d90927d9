import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { promisify } from 'node:util';

import express, { type RequestHandler } from 'express';
import session from 'express-session';
import {
  and,
  type Channels,
  type ChannelsOptions,
  createChannels,
  dispatch,
  expressPermission,
  isAuthenticated,
  memoryLayer,
  not,
  or,
  permission,
  viewAsConsumer,
} from 'express-channels';
import { Passport } from 'passport';
import { WebSocket, WebSocketServer } from 'ws';

import { gate } from '../support/serve.js';
import { listen, open, portOf, statusOf, until } from '../support/socket-client.js';

const router = express.Router().get('/', (_req, res) => void res.json('done'));
const items = viewAsConsumer(router);
const rule = () => true;
/** As JavaScript would call it. */
const given = (value: unknown) => value as never;

describe('an option that createChannels() would not read, or could not mean, is told at start-up', () => {
  const OPTIONS =
    'Options are: layer, sessionStore, origins, bearerToken, user, sameUser, revalidate, reauthenticate, forwardHeaders, handshakeTimeoutMs, heartbeat, limits, rate, onError.';
  const LIMITS = 'Options are: maxFrameBytes, maxQueuedFrames, maxQueuedEvents, maxQueuedBytes, maxMalformedFrames.';
  test.each<[options: unknown, message: string]>([
    [5, 'Expected the options of createChannels() to be an object, got 5.'],
    [{ origin: [] }, `Unknown option \`origin\` for createChannels(). ${OPTIONS}`],
    [{ permissions: [] }, `Unknown option \`permissions\` for createChannels(): it belongs to viewAsConsumer(). ${OPTIONS}`],
    [{ limits: { maxFrames: 5 } }, `Unknown option \`maxFrames\` for \`limits\`. ${LIMITS}`],
    [{ limits: 5 }, 'Expected `limits` to be an object such as { maxFrameBytes: 65536 }, got 5.'],
    [{ layer: 'redis' }, "Expected `layer` to be a channel layer such as memoryLayer(), got 'redis'."],
    [
      { layer: { send: rule, join: rule, leave: rule } },
      'Expected `layer` to be a channel layer such as memoryLayer(), got one without onGap(), close(), shared.',
    ],
    [
      { layer: { ...memoryLayer(), shared: 'yes', join: true } },
      'Expected `layer` to be a channel layer such as memoryLayer(), got one without join(), shared.',
    ],
    [{ sessionStore: 'redis' }, "Expected `sessionStore` to be a store of express-session, got 'redis'."],
    [{ sessionStore: session }, 'Expected `sessionStore` to be a store of express-session, got [Function: session].'],
    [{ sessionStore: new Map() }, 'Expected `sessionStore` to be a store of express-session, got Map(0) {}.'],
    [{ origins: true }, "Expected `origins` to be a list such as ['https://app.example.com'], or a function, got true."],
    [
      { origins: 'https://a.b' },
      "Expected `origins` to be a list such as ['https://app.example.com'], or a function, got 'https://a.b'.",
    ],
    [{ bearerToken: 'x' }, "Expected `bearerToken` to be an object such as { protocol: 'bearer' }, got 'x'."],
    [{ bearerToken: { header: 'x' } }, 'Unknown option `header` for `bearerToken`. Options are: protocol, query.'],
    [{ revalidate: 5000 }, 'Expected `revalidate` to be an object such as { everyMs: 30000 }, or false, got 5000.'],
    [{ heartbeat: 5000 }, 'Expected `heartbeat` to be an object such as { everyMs: 30000 }, or false, got 5000.'],
    [{ heartbeat: { every: 5 } }, 'Unknown option `every` for `heartbeat`. Options are: everyMs.'],
    [{ reauthenticate: 'yes' }, "Expected `reauthenticate` to be true or false, got 'yes'."],
    [{ forwardHeaders: 'x' }, "Expected `forwardHeaders` to be a list of names such as ['x-tenant'], got 'x'."],
    [{ handshakeTimeoutMs: '5' }, "Expected `handshakeTimeoutMs` to be a positive number of milliseconds below 2^31, got '5'."],
    [{ rate: 5 }, 'Expected `rate` to be an object such as { perSecond: 10 }, got 5.'],
    [{ rate: { burst: 5 } }, 'Expected `rate.perSecond` to be a positive number, got undefined.'],
    [{ rate: { perSecond: 5, max: 9 } }, 'Unknown option `max` for `rate`. Options are: perSecond, burst.'],
    [{ onError: 'x' }, "Expected `onError` to be a function, got 'x'."],
  ])('%j', (options, message) => {
    expect(() => createChannels(undefined, given(options))).toThrow(new TypeError(message));
  });
});

describe('a call that can not be meant says what to call', () => {
  const WRAP = 'got [Function: rule]: wrap a function by permission(), a middleware by expressPermission().';
  const table: [name: string, call: () => unknown, message: string][] = [
    [
      'an application for a server',
      () => createChannels().attach(given(express())),
      'Expected an HTTP server for attach(), got an Express application. ' +
        'Use channels.listen(8000), or channels.attach(app.listen(8000)).',
    ],
    [
      'a router for the application',
      () => createChannels(given(router)),
      'Expected an Express application for createChannels(), got a Router: give the application that it is mounted in.',
    ],
    [
      'a path for the middleware',
      () => createChannels().use(given('/ws'), rule),
      "Expected middleware functions for use(), got '/ws'. It runs for all routes: leave the path out.",
    ],
    [
      'passport for its middleware',
      () => createChannels().use(given(new Passport())),
      'Expected middleware functions for use(), got [Authenticator].',
    ],
    [
      'a long text',
      () => createChannels().use(given('x'.repeat(1_000))),
      `Expected middleware functions for use(), got '${'x'.repeat(119)}…. It runs for all routes: leave the path out.`,
    ],
    ['no middleware', () => expressPermission(given(undefined)), 'Expected a middleware for expressPermission(), got undefined.'],
    ['a function in and()', () => and(given(rule)), `Expected a permission in and(), ${WRAP}`],
    ['a function in or()', () => or(given(rule)), `Expected a permission in or(), ${WRAP}`],
    ['nothing in not()', () => not(given(undefined)), 'Expected a permission in not(), got undefined.'],
    [
      'a typing error in permission()',
      () => permission(given({ actions: rule })),
      'Unknown option `actions` for permission(). Options are: connect, action.',
    ],
  ];
  test.each(table)('%s', (_name, call, message) => {
    expect(call).toThrow(new TypeError(message));
  });

  test('a path that Express can not read', () => {
    const call = () => createChannels().route('/ws/(', items);
    expect(call).toThrow(TypeError);
    expect(call).toThrow("Expected a path that Express can read for route(), got '/ws/(': ");
  });

  test('listening again after the end', async () => {
    const channels = createChannels();
    await channels.close();
    expect(() => channels.listen(0)).toThrow(new TypeError('These channels are closed: make new ones to listen again.'));
  });

  test.each([
    [{ a: 1 }, '{ a: 1 }'],
    [null, 'null'],
    [5, '5'],
  ])('%j for the body of a request', async (body, got) => {
    const message = `Expected \`body\` to be text, bytes or a stream (JSON.stringify it), got ${got}.`;
    await expect(dispatch(router, { method: 'POST', url: '/', body: given(body) })).rejects.toThrow(new TypeError(message));
  });
});

/** Channels at `/ws/items`, and what they reported. */
function reporting(options: ChannelsOptions = {}) {
  const reports: unknown[] = [];
  const channels = createChannels(undefined, { onError: (error) => reports.push(error), ...options });
  return { channels: channels.route('/ws/items', items), reports };
}

test('a middleware that hangs is told apart from every other timeout', async () => {
  const { channels, reports } = reporting({ handshakeTimeoutMs: 20 });
  channels.use(() => undefined);
  expect(await statusOf(await listen(channels), '/ws/items')).toBe(504);
  expect(reports).toMatchObject([
    { message: "The handshake's middleware has neither called next() nor answered within 20 ms (handshakeTimeoutMs)." },
  ]);
});

test('a connect rule that hangs is no fault of the middleware', async () => {
  const { channels, reports } = reporting({ handshakeTimeoutMs: 20 });
  const rules = permission({ connect: () => new Promise<boolean>(() => undefined) });
  channels.route('/ws/ruled', viewAsConsumer(router, undefined, { permissions: [rules] }));
  expect(await statusOf(await listen(channels), '/ws/ruled')).toBe(504);
  expect(reports).toMatchObject([{ message: 'No answer within 20 ms.' }]);
});

test('where onError fails itself, both errors are printed', async () => {
  const printed: unknown[] = [];
  const print = jest.spyOn(console, 'error').mockImplementation((error: unknown) => void printed.push(error));
  const [first, second] = [new Error('first'), new Error('second')];
  const { channels } = reporting({
    onError: () => {
      throw second;
    },
  });
  channels.use((_req, _res, next) => {
    next(first);
  });
  expect(await statusOf(await listen(channels), '/ws/items')).toBe(500);
  expect(printed).toEqual([first, second]);
  print.mockRestore();
});

test('a refused origin is told once, with the option that lets it in, and of strangers no more than eight', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const asked = createChannels(undefined, { origins: () => false }).route('/ws/items', items);
  const refuse = async (port: number, origin: string) => statusOf(port, '/ws/items', { headers: { origin } });
  expect(await refuse(await listen(asked), 'http://localhost:4000')).toBe(403);
  const port = await listen(reporting().channels);
  expect(await refuse(port, 'no origin')).toBe(403);
  expect(warned.mock.calls).toEqual([]);
  for (let time = 0; time < 2; time += 1)
    for (const origin of ['null', 'http://localhost:3000']) expect(await refuse(port, origin)).toBe(403);
  expect(warned.mock.calls).toEqual([
    [
      'A page without an origin was refused a socket: a file that was opened in the browser, or a sandboxed frame. ' +
        "Serve it over HTTP, for instance by app.use(express.static('public')).",
      { code: 'EXPRESS_CHANNELS_ORIGIN' },
    ],
    [
      'A page of http://localhost:3000 was refused a socket. ' +
        "To let its pages in: createChannels(app, { origins: ['http://localhost:3000'] }).",
      { code: 'EXPRESS_CHANNELS_ORIGIN' },
    ],
  ]);
  for (let one = 0; one < 20; one += 1) await refuse(port, `https://${one}.example`);
  expect(warned).toHaveBeenCalledTimes(8);
  warned.mockRestore();
});

test('a path that nobody has is told once, without its query and no more than eight of them', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const none = await listen(createChannels());
  const port = await listen(reporting().channels);
  for (const path of ['/ws/item?token=secret', '/ws/item', '/ws/items']) await statusOf(port, path);
  await statusOf(none, '/ws/items');
  expect(warned.mock.calls).toEqual([
    [
      "A socket for '/ws/item' was refused, because route() was given no such path. There are: /ws/items.",
      { code: 'EXPRESS_CHANNELS_PATH' },
    ],
    [
      "A socket for '/ws/items' was refused, because route() was given no such path. There are none yet: call channels.route().",
      { code: 'EXPRESS_CHANNELS_PATH' },
    ],
  ]);
  for (let one = 0; one < 20; one += 1) await statusOf(port, `/${one}`);
  expect(warned).toHaveBeenCalledTimes(9);
  warned.mockRestore();
});

test('isAuthenticated tells of a missing login where no middleware runs, and not of users who are nobody', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const guarded = viewAsConsumer(router, undefined, { permissions: [isAuthenticated] });
  const refuse = async (channels: Channels) => {
    const client = await open(await listen(channels.route('/ws/guarded', guarded)), '/ws/guarded');
    expect(await client.act('list')).toMatchObject({ response_status: 403 });
    await client.close();
  };
  const anonymous: RequestHandler = (_req, _res, next) => {
    next();
  };
  await refuse(createChannels().use(anonymous));
  expect(warned.mock.calls).toEqual([]);
  for (let time = 0; time < 2; time += 1) await refuse(createChannels());
  expect(warned.mock.calls).toEqual([
    [expect.stringMatching('^isAuthenticated has refused an action at /ws/guarded'), { code: 'EXPRESS_CHANNELS_LOGIN' }],
  ]);
  warned.mockRestore();
});

describe("another 'upgrade' listener that takes our handshakes is reported", () => {
  const message =
    "Another 'upgrade' listener of this server has taken a handshake of /ws/items. A ws server made with { server } does that to " +
    'every path: make it with { noServer: true }.';
  type Attach = (server: ReturnType<typeof createServer>) => unknown;
  const destroy: Attach = (server) => server.on('upgrade', (_req: IncomingMessage, socket: Duplex) => socket.destroy());
  const others: [name: string, attach: Attach][] = [
    ['a ws server of one path', (server) => new WebSocketServer({ server, path: '/theirs' })],
    ['a ws server of all paths', (server) => new WebSocketServer({ server })],
    ['a listener that destroys', destroy],
  ];
  describe.each(['before', 'after'])('if attached %s', (when) => {
    test.each(others)('%s', async (_name, attach) => {
      const { channels, reports } = reporting();
      const server = createServer();
      if (when === 'before') attach(server);
      channels.attach(server);
      if (when === 'after') attach(server);
      const port = await portOf(server.listen(0, '127.0.0.1'));
      const outcome = open(port, '/ws/items?token=secret').then(
        (client) => client.socket.terminate(),
        () => undefined,
      );
      await until(() => reports.length > 0);
      await outcome;
      expect(reports).toEqual([new Error(message)]);
      await channels.close();
      server.close();
    });
  });

  test('but not a client that goes', async () => {
    const { channels, reports } = reporting();
    const asked = gate();
    channels.use(asked.pass);
    const server = createServer().on('upgrade', () => undefined);
    channels.attach(server);
    const client = new WebSocket(`ws://127.0.0.1:${await portOf(server.listen(0, '127.0.0.1'))}/ws/items`);
    client.on('error', () => undefined);
    const connections = () => promisify(server.getConnections.bind(server))();
    await asked.passed;
    client.terminate();
    await until(async () => (await connections()) === 0);
    expect(reports).toEqual([]);
    await channels.close();
    server.close();
  });
});
