import express from 'express';
import { createChannels, viewAsConsumer } from 'express-channels';

import { createLoginApp } from '../support/login-app.js';
import { listen, open } from '../support/socket-client.js';

const ACTIONS = 1_000;

test.each([
  ['on the handshake', true],
  ['only inside the application that answers', false],
])('with the session middleware %s, 1,000 anonymous actions store at most one session', async (_where, onHandshake) => {
  const { app, middleware, store } = createLoginApp({ saveUninitialized: true });
  const consumer = viewAsConsumer(app, { session: 'GET /session', visit: 'POST /visit' });
  const channels = createChannels(app).route('/ws', consumer);
  if (onHandshake) channels.use(...middleware);
  const port = await listen(channels);
  const client = await open(port, '/ws');
  for (let done = 0; done < ACTIONS; done += 1) client.send({ action: 'session', request_id: done });
  for (let done = 0; done < ACTIONS; done += 1)
    expect(await client.receive()).toMatchObject({ request_id: done, response_status: 200 });
  expect(await store.ids()).toHaveLength(1);

  expect(await client.act('visit')).toMatchObject({ data: 1 });
  expect(await client.act('visit')).toMatchObject({ data: 2 });
  expect(await store.ids()).toHaveLength(1);
  await channels.close();
});

test('an action that drops its session for a blank one leaves nothing behind', async () => {
  const { app, middleware, store } = createLoginApp();
  const router = express.Router().post('/renew', (req, res) => {
    req.session.regenerate(() => res.json(null));
  });
  const channels = createChannels(app)
    .use(...middleware)
    .route('/ws', viewAsConsumer(router, { renew: 'POST /renew' }));
  const client = await open(await listen(channels), '/ws');
  for (let round = 0; round < 5; round += 1) expect(await client.act('renew')).toMatchObject({ response_status: 200 });
  expect(await store.ids()).toHaveLength(0);
  await channels.close();
});
