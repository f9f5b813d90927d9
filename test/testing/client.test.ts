import express from 'express';
import { createChannels, defineConsumer, isAuthenticated, permission, viewAsConsumer } from 'express-channels';
import { connect, HandshakeRefused } from 'express-channels/testing';

function build() {
  const router = express.Router();
  router.get('/', (req, res) => {
    res.json({ cookie: req.get('cookie') ?? null, ip: req.ip });
  });
  const channels = createChannels();
  channels.route('/ws/things', viewAsConsumer(router, { list: 'GET /' }));
  channels.route(
    '/ws/closed',
    viewAsConsumer(router, { list: 'GET /' }, { permissions: [permission({ connect: () => false })] }),
  );
  return channels;
}

test('connects by the real handshake, without a port', async () => {
  const channels = build();
  const client = await connect(channels, '/ws/things', { headers: { cookie: 'a=b' } });
  const reply = await client.request({ action: 'list', request_id: 1 });
  expect(reply).toEqual({
    errors: [],
    data: { cookie: 'a=b', ip: '127.0.0.1' },
    action: 'list',
    response_status: 200,
    request_id: 1,
  });
  await client.close();
  expect(channels.size).toBe(0);
  await channels.close();
});

test('keeps frames that nobody has asked for yet, in order', async () => {
  const channels = build();
  const client = await connect(channels, '/ws/things');
  for (const id of [1, 2, 3]) client.send({ action: 'list', request_id: id });
  await client.request({ action: 'list', request_id: 4 });
  const ids = [];
  for (let left = 3; left > 0; left -= 1) ids.push((await client.receive())['request_id']);
  expect(ids).toEqual([2, 3, 4]);
  await client.receiveNothing();
  client.send('{');
  await expect(client.receiveNothing()).rejects.toThrow('Expected no frame');
  await channels.close();
  expect(await client.closed).toBe(1012);
});

test('a frame that does not come is an error, in time', async () => {
  const channels = build();
  const client = await connect(channels, '/ws/things', { timeoutMs: 20 });
  await expect(client.receive()).rejects.toThrow('No frame within 20 ms.');
  await channels.close();
});

test('tells with which status a handshake was refused', async () => {
  const channels = build();
  await expect(connect(channels, '/ws/closed')).rejects.toMatchObject({ name: 'HandshakeRefused', status: 403 });
  await expect(connect(channels, '/ws/nowhere')).rejects.toBeInstanceOf(HandshakeRefused);
  await channels.close();
});

test('replies larger than what a stream holds at once arrive whole, and in order', async () => {
  const router = express.Router().get('/:letter', (req, res) => void res.json(req.params.letter.repeat(200_000)));
  const channels = createChannels().route('/ws', viewAsConsumer(router, { list: 'GET /:letter' }));
  const client = await connect(channels, '/ws');
  for (const letter of 'abc') client.send({ action: 'list', parameters: { letter } });
  for (const letter of 'abc') {
    const { data } = await client.receive();
    expect(data).toBe(letter.repeat(200_000));
  }
  await channels.close();
});

describe('a consumer alone', () => {
  const Room = defineConsumer({
    permissions: [isAuthenticated],
    actions: {
      who: ({ scope: { user, params, query } }) => ({ user, params, query }),
    },
  });

  test('is connected to as whoever the scope says', async () => {
    const scope = { user: { id: 7 }, params: { room: 'tea & cake/1' }, query: { q: 'é' } };
    const client = await connect(Room, { scope });
    expect(await client.request({ action: 'who' })).toMatchObject({ data: scope, response_status: 200 });
    await client.close();
  });

  test('takes anonymous sockets, as its permissions have it', async () => {
    const client = await connect(Room);
    expect(await client.request({ action: 'who' })).toMatchObject({ response_status: 403 });
    await client.close();
  });
});
