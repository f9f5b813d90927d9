import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import {
  allowAny,
  type Consumer,
  createChannels,
  demultiplexer,
  isAuthenticated,
  type MappedActions,
  viewAsConsumer,
} from 'express-channels';
import session from 'express-session';

import { actionConsumer, keyedByType } from './action-consumer.js';
import { chatConsumers } from './chat.js';
import { controlRouter } from './control.js';
import { dcrfClientStreams } from './dcrf-client-streams.js';
import { modelConsumers } from './model-consumers.js';
import { type Models, openModels } from './models.js';
import { observerConsumers } from './observer-consumers.js';
import { guarded, permissionConsumers, refused } from './permission-consumers.js';
import { openSerializers } from './serializers.js';
import { echoRouter, kindsRouter, thingsRouter } from './view-routers.js';

/** A server of the consumers that scenarios talk to. */
export interface WireServer {
  readonly port: number;
  close(): Promise<void>;
}

const THINGS: MappedActions = {
  list: 'GET /',
  create: 'POST /',
  retrieve: 'GET /:pk',
  update: 'PUT /:pk',
  patch: 'PATCH /:pk',
  delete: 'DELETE /:pk',
};

const ECHO: MappedActions = {
  get: 'GET /',
  post: 'POST /',
  put: 'PUT /',
  patch: 'PATCH /',
  delete: 'DELETE /',
  item: 'GET /items/:pk',
  part: 'GET /items/:pk/parts/:part',
};

const WHOLE_APP: MappedActions = {
  list: 'GET /api/things',
  create: 'POST /api/things',
  retrieve: 'GET /api/things/:pk',
  delete: 'DELETE /api/things/:pk',
  echo: 'POST /api/echo',
  kinds: 'GET /api/kinds',
};

const TIMEOUT_MS = 500;
const MAX_FRAME_BYTES = 1024 * 1024;

/**
 * Starts the test server on the loopback interface.
 *
 * @param port - 0 takes a free one
 */
export async function startWireServer(port = 0): Promise<WireServer> {
  const models = openModels();
  await models.sequelize.sync();
  const sessions = session({ secret: 'a secret of the tests', resave: false, saveUninitialized: false });
  const wholeApp = wholeAppOf(models, sessions);

  const host = express();
  host.use(controlRouter(models), wholeApp);
  const channels = createChannels(host, {
    // A malformed frame is answered and costs nothing, however many there are.
    limits: { maxFrameBytes: MAX_FRAME_BYTES, maxMalformedFrames: Infinity },
    // A user stays for the life of the connection, even if the row is deleted.
    revalidate: false,
    onError: ignore,
  });
  channels.use(sessions, logInAs(models));

  const options = { timeoutMs: TIMEOUT_MS };
  channels.route('/ws/view/things', viewAsConsumer(thingsRouter(models), undefined, options));
  channels.route('/ws/view/things-mapped', viewAsConsumer(thingsRouter(models), THINGS, options));
  channels.route('/ws/view/kinds', viewAsConsumer(kindsRouter(), { get: 'GET /', post: 'POST /' }, options));
  channels.route('/ws/view/echo', viewAsConsumer(echoRouter(), ECHO, options));
  channels.route('/ws/view/guarded', viewAsConsumer(echoRouter(), ECHO, { ...options, permissions: [isAuthenticated] }));
  channels.route('/ws/view/whole-app', viewAsConsumer(wholeApp, WHOLE_APP, options));

  const actions = actionConsumer(models);
  const permissions = permissionConsumers();
  channels.route('/ws/actions', actions);
  for (const [name, consumer] of permissions) channels.route(`/ws/perm/${name}`, consumer);
  const serializers = openSerializers();
  const ofModels = new Map([...modelConsumers(serializers), ...observerConsumers(serializers), ...chatConsumers(serializers)]);
  for (const [name, consumer] of ofModels) channels.route(`/ws/${name}`, consumer);
  const stream = (name: string): Consumer => ofModels.get(name) ?? refused;
  const [things, comments] = [stream('things'), stream('comments')];
  channels.route('/ws/keyed-by-type', keyedByType);
  channels.route('/ws', dcrfClientStreams(serializers));
  channels.route('/ws/mux', demultiplexer({ things: stream('thing-observer'), actions, comments }));
  channels.route('/ws/mux-refused-first', demultiplexer({ refused, things }));
  channels.route('/ws/mux-refused-last', demultiplexer({ things, refused }));
  channels.route('/ws/mux-all-refused', demultiplexer({ one: refused, two: refused }));
  channels.route('/ws/mux-perm', demultiplexer({ open: guarded([allowAny]), closed: guarded([isAuthenticated]) }));

  const server = channels.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: portOf(server.address()),
    async close() {
      await channels.close();
      await models.sequelize.close();
    },
  };
}

function wholeAppOf(models: Models, sessions: RequestHandler): Express {
  const app = express();
  app.use(express.json(), sessions, logInBySession(models));
  app.use('/api/things', thingsRouter(models));
  app.use('/api/echo', echoRouter());
  app.use('/api/kinds', kindsRouter());
  app.use((_req, res) => {
    res.status(404).json({ error: 'not found' });
  });
  const failed: ErrorRequestHandler = (error: { expose?: boolean; status?: number; message?: string }, _req, res, next) => {
    if (res.headersSent) next(error);
    else if (error.expose === true && error.status !== undefined) res.status(error.status).json({ error: error.message });
    else res.status(500).json({ error: 'failed' });
  };
  app.use(failed);
  return app;
}

declare module 'express-session' {
  interface SessionData {
    username?: string;
  }
}

/** What a login page would do: `?as=` names the user, and the session remembers who it is. */
function logInAs({ User }: Models): RequestHandler {
  return (req, _res, next) => {
    const username = new URL(req.url, 'http://localhost').searchParams.get('as');
    if (username === null) {
      next();
      return;
    }
    User.findOne({ where: { username } }).then((user) => {
      if (user !== null) {
        req.user = { id: Number(user.get('id')), username };
        req.session.username = username;
      }
      next();
    }, next);
  };
}

/** The login of the application: the user whom the session names, unless somebody is logged in already. */
function logInBySession({ User }: Models): RequestHandler {
  return (req, _res, next) => {
    const { username } = req.session;
    if (req.user !== undefined || username === undefined) {
      next();
      return;
    }
    User.findOne({ where: { username } }).then((user) => {
      if (user !== null) req.user = { id: Number(user.get('id')), username };
      next();
    }, next);
  };
}

function portOf(address: AddressInfo | string | null): number {
  if (typeof address !== 'object' || address === null) throw new Error('The server listens on no port.');
  return address.port;
}

function ignore(): void {
  // The routes fail on purpose.
}
