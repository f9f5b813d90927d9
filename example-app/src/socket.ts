import type { Express, RequestHandler } from 'express';
import { createChannels, demultiplexer, routeActions, viewAsConsumer } from 'express-channels';
import { roomsConsumer } from './live/rooms.consumer.js';
import { wardsConsumer } from './live/wards.consumer.js';
import { patientsRouter } from './patients.router.js';
import { usersRouter } from './users.router.js';

/** The REST API over WebSockets, and what is live beside it. */
export function mountSocket(app: Express, login: RequestHandler[]) {
  const channels = createChannels(app);
  channels.use(...login);
  channels.route('/ws/user', viewAsConsumer(usersRouter));
  // The router asks for a login itself: over the socket as over HTTP it answers 401 without one.
  const patients = viewAsConsumer(patientsRouter, routeActions(patientsRouter));
  channels.route('/ws/patients', patients);

  // What makes the pages live: changes of the patients of a ward, and the chat. The pages have all on one socket.
  const wards = wardsConsumer();
  channels.route('/ws/wards', wards);
  channels.route('/ws/live', demultiplexer({ patients, wards, rooms: roomsConsumer() }));
  return channels;
}
