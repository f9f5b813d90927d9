import type { Express, RequestHandler } from 'express';
import { createChannels, routeActions, viewAsConsumer } from 'express-channels';
import { patientsRouter } from './patients.router.js';
import { usersRouter } from './users.router.js';

/** Everything that the REST API needed to be answered over WebSockets too. */
export function mountSocket(app: Express, login: RequestHandler[]) {
  const channels = createChannels(app);
  channels.use(...login);
  channels.route('/ws/user', viewAsConsumer(usersRouter));
  // The router asks for a login itself: over the socket as over HTTP it answers 401 without one.
  channels.route('/ws/patients', viewAsConsumer(patientsRouter, routeActions(patientsRouter)));
  return channels;
}
