import { createServer } from 'node:https';

import express from 'express';
import { type AllowedOrigins, createChannels, viewAsConsumer } from 'express-channels';

import { certificate } from '../support/certificate.js';
import { createLoginApp, logIn } from '../support/login-app.js';
import { handshakeLines, listen, open, portOf, rawHandshake, statusOf } from '../support/socket-client.js';

const things = viewAsConsumer(
  express.Router().get('/', (req, res) => void res.json(req.user ?? null)),
  { list: 'GET' },
);

/** Status of a handshake with this `Origin`, to a server that is known as `host`. */
async function handshake(port: number, origin: string | undefined, host = 'example.com'): Promise<number> {
  return statusOf(port, '/ws', { headers: { host, ...(origin !== undefined && { origin }) } });
}

describe('without a list, only pages of the same host and port open sockets', () => {
  const channels = createChannels().route('/ws', things);
  let port: number;
  beforeAll(async () => (port = await listen(channels)));
  afterAll(() => channels.close());

  test.each([
    [undefined, 'example.com'],
    ['http://example.com', 'example.com'],
    ['https://example.com', 'example.com'],
    ['http://example.com', 'example.com:80'],
    ['https://example.com', 'example.com:443'],
    ['http://example.com:8080', 'example.com:8080'],
    ['http://example.com', 'EXAMPLE.com'],
    ['http://[::1]:8000', '[::1]:8000'],
  ])('%s at %s is let in', async (origin, host) => {
    expect(await handshake(port, origin, host)).toBe(101);
  });

  test.each([
    ['null', 'example.com'],
    ['', 'example.com'],
    ['http://example.com:8080', 'example.com'],
    ['http://example.com', 'example.com:8080'],
    ['https://example.com', 'example.com:80'],
    ['http://evil-example.com', 'example.com'],
    ['http://example.com.evil', 'example.com'],
    ['http://example.com.', 'example.com'],
    ['http://sub.example.com', 'example.com'],
    ['http://example.co', 'example.com'],
    ['http://EXAMPLE.com', 'example.com'],
    ['http://example.com:80', 'example.com'],
    ['http://example.com/', 'example.com'],
    ['http://example.com/path', 'example.com'],
    ['http://example.com@evil.com', 'example.com'],
    ['http://evil.com@example.com', 'example.com'],
    ['http://evil.com#@example.com', 'example.com'],
    ['http://evil.com\\@example.com', 'example.com'],
    ['http://evil.com, http://example.com', 'example.com'],
    ['ftp://example.com', 'example.com'],
    ['file://', 'example.com'],
    ['chrome-extension://example.com', 'example.com'],
    ['example.com', 'example.com'],
    ['//example.com', 'example.com'],
    ['*', 'example.com'],
    ['http://', 'example.com'],
    ['%', 'example.com'],
  ])('%s at %s is refused', async (origin, host) => {
    expect(await handshake(port, origin, host)).toBe(403);
  });

  test('a handshake that names no host, or none that can be, has no origin of its own', async () => {
    for (const host of [[], ['Host:'], ['Host: %']]) {
      const lines = handshakeLines('/ws', [...host, 'Origin: http://example.com'], ['Host']);
      const { head, socket } = await rawHandshake(port, lines);
      socket.destroy();
      // Without any Host, Node itself refuses.
      expect(head).toMatch(/^HTTP\/1\.1 40[03] /);
    }
  });
});

test('over TLS a page that came without it is refused', async () => {
  const channels = createChannels().route('/ws', things);
  const server = createServer(certificate()).listen(0, '127.0.0.1');
  channels.attach(server);
  const port = await portOf(server);
  const handshakeOf = (origin: string) => statusOf(port, '/ws', { tls: true, headers: { host: 'example.com', origin } });
  expect(await handshakeOf('https://example.com')).toBe(101);
  expect(await handshakeOf('http://example.com')).toBe(403);
  await channels.close();
  server.close();
});

test.each<[string, AllowedOrigins]>([
  ['a list', ['https://app.example.com', 'http://localhost:3000']],
  ['a function', (origin) => origin === 'https://app.example.com' || origin === 'http://localhost:3000'],
])('%s lets in exactly the origins that it names', async (_kind, origins) => {
  const channels = createChannels(undefined, { origins }).route('/ws', things);
  const port = await listen(channels);
  const named = ['https://app.example.com', 'http://localhost:3000'];
  const others = [
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://app.example.com.evil',
    'http://localhost',
    'null',
  ];
  for (const origin of named) expect([origin, await handshake(port, origin)]).toEqual([origin, 101]);
  for (const origin of others) expect([origin, await handshake(port, origin)]).toEqual([origin, 403]);
  await channels.close();
});

test('a list adds to the same origin, a function has the last word, and only its `true` lets in', async () => {
  const listed = createChannels(undefined, { origins: ['https://app.example.com'] }).route('/ws', things);
  expect(await handshake(await listen(listed), 'http://example.com')).toBe(101);
  await listed.close();

  const answers: unknown[] = [false, undefined, 'yes', Promise.resolve(true), Promise.resolve(false)];
  for (const answer of answers) {
    const asked = createChannels(undefined, { origins: () => answer as boolean }).route('/ws', things);
    expect(await handshake(await listen(asked), 'http://example.com')).toBe(403);
    await asked.close();
  }
});

test('a function that fails lets nobody in, and is reported', async () => {
  const reported: unknown[] = [];
  const origins = () => {
    throw new Error('canary');
  };
  const channels = createChannels(undefined, { origins, onError: (error) => reported.push(error) }).route('/ws', things);
  expect(await handshake(await listen(channels), 'http://example.com')).toBe(500);
  expect(reported).toEqual([new Error('canary')]);
  await channels.close();
});

test('no session is read for a handshake of another site, although it carries the cookie of a user', async () => {
  const { app, middleware, store } = createLoginApp();
  const channels = createChannels(app)
    .use(...middleware)
    .route('/ws', things);
  const port = await listen(channels);
  const cookie = await logIn(port, 'alice');
  const before = store.reads;
  expect(await statusOf(port, '/ws', { headers: { cookie, origin: 'https://evil.example' } })).toBe(403);
  expect(store.reads).toBe(before);

  const own = await open(port, '/ws', { headers: { cookie, origin: `http://127.0.0.1:${port}` } });
  expect(await own.act('list')).toMatchObject({ data: { name: 'alice' } });
  await channels.close();
});

test.each([
  ['app.example.com'],
  ['https://app.example.com/'],
  ['https://APP.example.com'],
  ['https://app.example.com:443'],
  ['*'],
  ['null'],
])('%s in `origins` is told to be no origin', (origin) => {
  expect(() => createChannels(undefined, { origins: [origin] })).toThrow(
    new TypeError(
      `Expected \`origins\` to hold origins such as "https://app.example.com" (scheme, host and port, no path), got '${origin}'.`,
    ),
  );
});
