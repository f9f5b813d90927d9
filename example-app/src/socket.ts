import type { Express, RequestHandler } from 'express';
import { createChannels, demultiplexer, routeActions, viewAsConsumer } from 'express-channels';
import { roomsConsumer } from './live/rooms.consumer.js';
import { wardsConsumer } from './live/wards.consumer.js';
import { patientsRouter } from './patients.router.js';
import { usersRouter } from './users.router.js';

/** Everything that the REST API needed to be answered over WebSockets too. */
export function mountSocket(app: Express, login: RequestHandler[]) {
  const channels = createChannels(app);
  channels.use(...login);
  channels.route('/ws/user', viewAsConsumer(usersRouter));
  // The router asks for a login itself: over the socket as over HTTP it answers 401 without one.
  const patients = viewAsConsumer(patientsRouter, routeActions(patientsRouter));
  channels.route('/ws/patients', patients);

  // The pages: the same patients, what changes on the wards, and the chat, all on one socket.
  channels.route('/ws/live', demultiplexer({ patients, wards: wardsConsumer(), rooms: roomsConsumer() }));
  return channels;
}
