import cookieSession from 'cookie-session';
import express, { type RequestHandler } from 'express';
import { createChannels, viewAsConsumer } from 'express-channels';

import { listen, open } from '../support/socket-client.js';

const user: RequestHandler = (req, _res, next) => {
  Object.assign(req, { user: { id: 1 } });
  next();
};

/** In which ways a handler logs out where no store has a session that could end. */
const logouts: readonly [name: string, logout: RequestHandler][] = [
  ['without the user', (req, res) => { delete req.user; res.json('out'); }], // prettier-ignore
  ['with null for the user, as passport', (req, res) => { Object.assign(req, { user: null }); res.json('out'); }], // prettier-ignore
  ['without the session and the user', (req, res) => { Object.assign(req, { session: null, user: undefined }); res.json('out'); }], // prettier-ignore
  ['and answers later', (req, res) => void setImmediate(() => { Object.assign(req, { user: undefined }); res.json('out'); })], // prettier-ignore
];

describe.each([
  ['a session in a cookie', cookieSession({ name: 'state', keys: ['a', 'b'] })],
  ['no session', ((_req, _res, next) => next()) as RequestHandler],
])('with %s', (_kind, session) => {
  async function serve(logout: RequestHandler) {
    const router = express.Router();
    router.post('/logout', logout).get('/', (req, res) => void res.json(req.user ?? null));
    const channels = createChannels()
      .use(session, user)
      .route('/ws', viewAsConsumer(router, { logout: 'POST /logout', list: 'GET /' }));
    return { channels, client: await open(await listen(channels), '/ws') };
  }

  test.each(logouts)('an action that ends %s has logged out: its reply, then 4401', async (_name, logout) => {
    const { channels, client } = await serve(logout);
    expect(await client.act('logout')).toMatchObject({ data: 'out', response_status: 200 });
    expect(await client.closed).toBe(4401);
    await channels.close();
  });

  test('an action that keeps its user keeps its socket', async () => {
    const { channels, client } = await serve((_req, res) => void res.json('in'));
    expect(await client.act('logout')).toMatchObject({ data: 'in' });
    expect(await client.act('list')).toMatchObject({ data: { id: 1 } });
    await channels.close();
  });
});

test('an anonymous socket has nobody to log out', async () => {
  const router = express.Router().post('/logout', (_req, res) => void res.json('out'));
  router.get('/', (_req, res) => void res.json('still here'));
  const channels = createChannels().route('/ws', viewAsConsumer(router, { logout: 'POST /logout', list: 'GET /' }));
  const client = await open(await listen(channels), '/ws');
  await client.act('logout');
  expect(await client.act('list')).toMatchObject({ data: 'still here' });
  await channels.close();
});
