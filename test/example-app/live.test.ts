import type { RequestHandler } from 'express';
import { createChannels, type Channels } from 'express-channels';
import { connect } from 'express-channels/testing';
import { Message, Presence, Room } from '../../example-app/src/live/chat.models.js';
import { roomsConsumer } from '../../example-app/src/live/rooms.consumer.js';
import { wardsConsumer } from '../../example-app/src/live/wards.consumer.js';
import { Patient, User } from '../../example-app/src/models.js';
import { onEachDatabase } from './databases.js';

const notAuthenticated = 'Authentication credentials were not provided.';
const forbidden = 'You do not have permission to perform this action.';

/** Who the header says; the login itself is tested over HTTP. */
const logIn: RequestHandler = (request, _response, next) => {
  const username = request.get('x-user') ?? '';
  User.findOne({ where: { username } }).then((user) => {
    if (user !== null) request.user = user;
    next();
  }, next);
};

onEachDatabase((reset) => {
  let channels: Channels;
  beforeAll(() => {
    channels = createChannels();
    channels.use(logIn);
    channels.route('/wards', wardsConsumer());
    channels.route('/rooms', roomsConsumer());
  });
  afterAll(() => channels.close());
  beforeEach(reset);

  const connectAs = (username: string, path: string) => connect(channels, path, { headers: { 'x-user': username } });

  describe('a ward', () => {
    test.each([
      ['nobody', 'North', 401, [notAuthenticated]],
      ['emmy', 'North', 403, [forbidden]],
      ['alan', 'South', 403, [forbidden]],
      ['florence', 'North', 403, [forbidden]],
      ['ada', 'East', 400, [{ ward: [expect.stringContaining('"North"')] }]],
      ['alan', 'North', 200, []],
      ['ada', 'West', 200, []],
    ])('is followed by those whose ward it is: %s, %s', async (username, ward, response_status, errors) => {
      await User.create({ username: 'emmy' });
      const client = await connectAs(username, '/wards');
      expect(await client.request({ action: 'follow', ward })).toMatchObject({ response_status, errors });
      await client.close();
    });

    test('is told as it is, then by its changes; of one who has left it only that', async () => {
      const client = await connectAs('alan', '/wards');
      await client.request({ action: 'follow', request_id: 1, ward: 'North' });
      expect(await client.receive()).toMatchObject({
        action: 'snapshot',
        data: [{ first_name: 'Marie' }, { first_name: 'Rosalind' }, { first_name: 'Pierre' }],
      });

      const pierre = await Patient.findByPk(3, { rejectOnEmpty: true });
      await pierre.update({ note: 'Walks again.' });
      expect(await client.receive()).toMatchObject({ action: 'update', data: { id: 3, note: 'Walks again.' } });
      await pierre.update({ ward: 'South', note: 'Of no concern to North.' });
      expect(await client.receive()).toMatchObject({ action: 'delete', data: { pk: 3 } });
      await client.close();
    });
  });

  describe('a room', () => {
    const key = '7d8f1f1e-6a39-4f43-9f0c-6a5d1c1c7f11';
    const open = { action: 'open_room', name: ' lobby ' };

    test('is for those who are signed in', async () => {
      const client = await connectAs('nobody', '/rooms');
      expect(await client.request(open)).toMatchObject({ response_status: 401, errors: [notAuthenticated] });
      expect(await Room.count()).toBe(0);
      await client.close();
    });

    test('is made by who opens it first', async () => {
      const client = await connectAs('alan', '/rooms');
      expect(await client.request(open)).toMatchObject({ response_status: 201, data: { id: 1, name: 'lobby' } });
      expect(await client.request(open)).toMatchObject({ response_status: 200, data: { id: 1, name: 'lobby' } });
      await client.close();
    });

    test('stores a message once, however often it is sent, and the same key of somebody else as another', async () => {
      const [alan, grace] = [await connectAs('alan', '/rooms'), await connectAs('grace', '/rooms')];
      await alan.request(open);
      const frame = { action: 'create_message', pk: 1, key, message: ' Hello ' };
      expect(await alan.request(frame)).toMatchObject({ response_status: 201, data: { id: 1, text: 'Hello' } });
      expect(await alan.request(frame)).toMatchObject({ response_status: 200, data: { id: 1, user: { username: 'alan' } } });
      expect(await grace.request(frame)).toMatchObject({ response_status: 201, data: { id: 2, user: { username: 'grace' } } });
      expect(await Message.count()).toBe(2);
      await alan.close();
      await grace.close();
    });

    test.each([
      ['no room', { pk: 7 }, 404, ['Not found']],
      ['no text', { message: ' ' }, 400, [{ message: [expect.any(String)] }]],
      ['too long a text', { message: 'x'.repeat(501) }, 400, [{ message: [expect.any(String)] }]],
      ['no key', { key: '' }, 400, [{ key: [expect.any(String)] }]],
    ])('refuses a message with %s', async (_what, mistake, response_status, errors) => {
      const client = await connectAs('alan', '/rooms');
      await client.request(open);
      const frame = { action: 'create_message', pk: 1, key, message: 'Hello', ...mistake };
      expect(await client.request(frame)).toMatchObject({ response_status, errors });
      await client.close();
    });

    test('has a user in it for each window, until that is closed', async () => {
      const watcher = await connectAs('grace', '/rooms');
      await watcher.request(open);
      await watcher.request({ action: 'subscribe_to_presences', request_id: 1 });
      expect(await watcher.receive()).toMatchObject({ action: 'snapshot', data: [] });

      const windows = [await connectAs('alan', '/rooms'), await connectAs('alan', '/rooms')];
      for (const [n, window] of windows.entries()) {
        const presence = { id: n + 1, room: 1, user: { username: 'alan' } };
        await window.request({ action: 'join_room', pk: 1 });
        expect(await watcher.receive()).toMatchObject({ action: 'create', data: presence });
        // As after a loss of events.
        window.send({ action: 'join_room', pk: 1 });
      }
      for (const [n, window] of windows.entries()) {
        await window.close();
        expect(await watcher.receive()).toMatchObject({ action: 'delete', data: { id: n + 1, user: { username: 'alan' } } });
      }
      await watcher.receiveNothing();
      expect(await Presence.count()).toBe(0);
      await watcher.close();
    });
  });
});
