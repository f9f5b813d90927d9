import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';

import cookieParser from 'cookie-parser';
import express, { type Express, type Router } from 'express';
import { type Channels, createChannels, viewAsConsumer } from 'express-channels';
import session from 'express-session';
import helmet from 'helmet';
import passport from 'passport';

const app: Express = express();
const router: Router = express.Router();

// An application, or none, with and without options.
const channels: Channels = createChannels(app);
createChannels();
createChannels(undefined, { revalidate: false });
createChannels(app, {
  origins: ['https://example.com'],
  bearerToken: {},
  revalidate: { everyMs: 1_000 },
  reauthenticate: true,
  forwardHeaders: ['x-tenant'],
  heartbeat: false,
  limits: { maxFrameBytes: 1_024 },
  rate: { perSecond: 10, burst: 20 },
  onError(error: unknown, { scope, action }) {
    console.error(error, scope?.user?.role, action);
  },
});
// @ts-expect-error a router is no application
createChannels(router);
// @ts-expect-error options are the second argument
createChannels({ revalidate: false });
// @ts-expect-error an option that there is not
createChannels(app, { revalidat: false });
// @ts-expect-error an interval says what it is in
createChannels(app, { revalidate: 1_000 });

// The middleware of an application, as it is.
channels
  .use(session({ secret: 's', resave: false, saveUninitialized: false }), passport.initialize(), passport.session())
  .use([cookieParser(), helmet()])
  .use(passport.authenticate('jwt', { session: false }))
  .use((req, _res, next) => {
    const cookie: string | undefined = req.headers.cookie;
    next(cookie === undefined ? new Error('no cookie') : undefined);
  })
  .use((req: express.Request, res: express.Response, next: express.NextFunction) => {
    if (req.user?.role === 'nurse') next();
    else res.status(403).json({ error: 'no' });
  })
  .route('/ws/users/:team', viewAsConsumer(router));
// @ts-expect-error a consumer, not its router
channels.route('/ws/users', router);
// @ts-expect-error middleware is a function
channels.use('session');

// Every way to listen.
channels.listen();
channels.listen(8_000);
channels.listen(8_000, () => undefined);
channels.listen(8_000, '127.0.0.1');
channels.listen(8_000, '127.0.0.1', () => undefined);
channels.listen({ port: 8_000, host: '::1' });
channels.listen({ path: '/run/app.sock' }, () => undefined);
channels.listen(0).once('listening', () => undefined);
// @ts-expect-error a port is a number
channels.listen('8000');

channels.attach(createServer(app)).attach(createTlsServer(app));
const open: number = channels.size;
const closed: Promise<void> = channels.close({ timeoutMs: 1_000 });
void closed.then(() => open);
