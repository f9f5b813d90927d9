import express, { type RequestHandler } from 'express';
import { type ChannelsOptions, createChannels, viewAsConsumer } from 'express-channels';
import jwt from 'jsonwebtoken';
import { Passport } from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';

import { handshakeLines, listen, open, rawHandshake, refusal } from '../support/socket-client.js';

const SECRET = 'a secret of at least some length';
const tokenOf = (sub: string, expiresIn = 60) => jwt.sign({ sub }, SECRET, { expiresIn });

/** Channels behind a passport-jwt that reads the Authorization header alone, as an API over HTTP would. */
async function serve(options: ChannelsOptions = {}) {
  const passport = new Passport();
  const strategy = { secretOrKey: SECRET, jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken() };
  passport.use(new Strategy(strategy, (payload: { sub: string }, done) => done(null, { id: payload.sub })));
  const router = express.Router().get('/', (req, res) => {
    res.json({ user: req.user, authorization: req.get('authorization') });
  });
  const channels = createChannels(undefined, options)
    .use(passport.authenticate('jwt', { session: false }) as RequestHandler)
    .route('/ws', viewAsConsumer(router, { list: 'GET' }));
  return { channels, port: await listen(channels) };
}

test('a token in the Authorization header logs the socket in, and its actions', async () => {
  const { channels, port } = await serve();
  const authorization = `Bearer ${tokenOf('alice')}`;
  const client = await open(port, '/ws', { headers: { authorization } });
  expect(await client.act('list')).toMatchObject({ data: { user: { id: 'alice' }, authorization } });
  await channels.close();
});

test.each([
  ['none', {}],
  ['a wrong one', { authorization: 'Bearer nonsense' }],
  ['an expired one', { authorization: `Bearer ${tokenOf('alice', -1)}` }],
  ['one of another secret', { authorization: `Bearer ${jwt.sign({ sub: 'alice' }, 'another')}` }],
])('with %s the handshake is refused with the 401 of passport, and just that', async (_name, headers) => {
  const { channels, port } = await serve();
  expect(await refusal(port, '/ws', { headers })).toMatchObject({ status: 401, body: 'Unauthorized' });
  expect(channels.size).toBe(0);
  await channels.close();
});

test('a refusal keeps its WWW-Authenticate header', async () => {
  const channels = createChannels()
    .use((_req, res) => void res.writeHead(401, { 'WWW-Authenticate': 'Bearer realm="wards"' }).end())
    .route('/ws', viewAsConsumer(express.Router().get('/', () => undefined)));
  const { status, headers } = await refusal(await listen(channels), '/ws');
  expect([status, headers['www-authenticate']]).toEqual([401, 'Bearer realm="wards"']);
  await channels.close();
});

describe('in Sec-WebSocket-Protocol, for browsers', () => {
  const options = { bearerToken: { protocol: 'bearer' } };

  test.each([
    ['the name and the token', (token: string) => ['bearer', token]],
    ['another subprotocol before them', (token: string) => ['json', 'bearer', token]],
    ['another subprotocol after them', (token: string) => ['bearer', token, 'json']],
  ])('%s: the server agrees to the name, and never shows the token', async (_name, protocols) => {
    const { channels, port } = await serve(options);
    const token = tokenOf('alice');
    const client = await open(port, '/ws', { protocols: protocols(token) });
    expect(client.socket.protocol).toBe('bearer');
    expect(JSON.stringify(client.headers)).not.toContain(token);
    expect(await client.act('list')).toMatchObject({ data: { user: { id: 'alice' }, authorization: `Bearer ${token}` } });
    await channels.close();
  });

  test.each([
    ['the token before the name', (token: string) => [token, 'bearer']],
    ['the token alone', (token: string) => [token]],
    ['the name alone', () => ['bearer']],
    ['another name', (token: string) => ['Bearer', token]],
  ])('%s is no login, and the refusal does not show the token', async (_name, protocols) => {
    const { channels, port } = await serve(options);
    const token = tokenOf('alice');
    const refused = await refusal(port, '/ws', { protocols: protocols(token) });
    expect(refused.status).toBe(401);
    expect(JSON.stringify(refused)).not.toContain(token);
    await channels.close();
  });

  test('whatever the order, a token is not echoed to a socket that is let in without it', async () => {
    const channels = createChannels(undefined, options).route('/ws', viewAsConsumer(express.Router().get('/', () => undefined)));
    const port = await listen(channels);
    const token = tokenOf('alice');
    const { head, socket } = await rawHandshake(port, handshakeLines('/ws', [`Sec-WebSocket-Protocol: ${token}, bearer`]));
    expect(head).toMatch(/^HTTP\/1\.1 101 /);
    expect(head).toMatch(/^sec-websocket-protocol: bearer$/im);
    expect(head).not.toContain(token);
    socket.destroy();
    await channels.close();
  });
});

test('in the query, if that was asked for', async () => {
  const { channels, port } = await serve({ bearerToken: { query: 'access_token' } });
  const client = await open(port, `/ws?access_token=${tokenOf('alice')}`);
  expect(await client.act('list')).toMatchObject({ data: { user: { id: 'alice' } } });
  for (const query of ['', '?access_token=', '?access_token=a%0d%0ab', '?token=x']) {
    expect((await refusal(port, `/ws${query}`)).status).toBe(401);
  }
  await channels.close();
});

test('by default only the header counts', async () => {
  const { channels, port } = await serve();
  const token = tokenOf('alice');
  expect((await refusal(port, `/ws?access_token=${token}`, { protocols: ['bearer', token] })).status).toBe(401);
  await channels.close();
});

test('where a header and another token come together, the header counts', async () => {
  const { channels, port } = await serve({ bearerToken: { protocol: 'bearer', query: 'access_token' } });
  const headers = { authorization: `Bearer ${tokenOf('alice')}` };
  const path = `/ws?access_token=${tokenOf('carol')}`;
  const client = await open(port, path, { headers, protocols: ['bearer', tokenOf('bob')] });
  expect(await client.act('list')).toMatchObject({ data: { user: { id: 'alice' } } });
  const bob = await open(port, path, { protocols: ['bearer', tokenOf('bob')] });
  expect(await bob.act('list')).toMatchObject({ data: { user: { id: 'bob' } } });
  expect(
    (await refusal(port, path, { headers: { authorization: 'Basic x' }, protocols: ['bearer', tokenOf('bob')] })).status,
  ).toBe(401);
  await channels.close();
});

test('a client that offers other subprotocols gets the first of them, and one that offers none gets none', async () => {
  const channels = createChannels(undefined, { bearerToken: { protocol: 'bearer' } }).route(
    '/ws',
    viewAsConsumer(express.Router().get('/', () => undefined)),
  );
  const port = await listen(channels);
  expect((await open(port, '/ws', { protocols: ['json', 'text'] })).socket.protocol).toBe('json');
  expect((await open(port, '/ws')).socket.protocol).toBe('');
  await channels.close();
});
