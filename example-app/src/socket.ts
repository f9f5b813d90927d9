import type { Express, RequestHandler } from 'express';
import { createChannels, routeActions, viewAsConsumer } from 'express-channels';
import { patientsRouter } from './patients.router.js';
import { usersRouter } from './users.router.js';

/** Everything that the REST API needed to be answered over WebSockets too. */
export function mountSocket(app: Express, login: RequestHandler[]) {
  const channels = createChannels(app);
  channels.use(...login);
  channels.route('/ws/user', viewAsConsumer(usersRouter));
  channels.route('/ws/patients', viewAsConsumer(patientsRouter, routeActions(patientsRouter)));
  return channels;
}
