// One of several processes that serve the same users, for revocation.test.ts. Arguments: the folder of their sessions, the address of Redis,
// and `told` if createChannels is told of the store. Prints its port.
import type { Server } from 'node:http';
import { promisify } from 'node:util';

import { createChannels, redisLayer, viewAsConsumer } from 'express-channels';

import { FileStore } from '../support/file-store.js';
import { createLoginAppOn, type TestUser } from '../support/login-app.js';

const [folder = '', url = '', told] = process.argv.slice(2);
const store = new FileStore(folder);
const { app, middleware } = createLoginAppOn(store);

app.post('/logout-everywhere', (req, res, next) => {
  const destroy = promisify((id: string, done: (error?: unknown) => void) => {
    store.destroy(id, done);
  });
  store
    .idsOf((req.user as TestUser).name)
    .then((ids) => Promise.all(ids.map((id) => destroy(id))))
    .then(() => res.sendStatus(204), next);
});

const channels = createChannels(app, {
  layer: redisLayer({ url, onError: () => undefined }),
  ...(told === 'told' && { sessionStore: store }),
  revalidate: false,
  // Redis goes away in some tests: that logouts are not told then is reported.
  onError: () => undefined,
})
  .use(...middleware)
  .route('/ws', viewAsConsumer(app, { session: 'GET /session' }));

const server: Server = channels.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object') console.log(address?.port);
});
