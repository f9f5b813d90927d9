import { createChannels, defineConsumer, reply } from 'express-channels';

import { listen, open } from '../support/socket-client.js';

const consumer = defineConsumer({ actions: { echo: (_ctx, args) => reply(args) } });

async function serve(limits: object) {
  const errors: unknown[] = [];
  const channels = createChannels(undefined, { limits, onError: (error) => errors.push(error) }).route('/ws', consumer);
  const port = await listen(channels);
  return { errors, client: await open(port, '/ws'), neighbour: await open(port, '/ws') };
}

/** Frames of which nothing can be made. */
const JUNK = ['', 'x', '[]', '{', Buffer.from('{}'), '['.repeat(5_000), '{"a":NaN}'];

test('a socket is closed with 4400 after as many malformed frames in a row as are allowed, each of them answered', async () => {
  const { client, neighbour, errors } = await serve({ maxMalformedFrames: JUNK.length });
  const refused = { response_status: 400, action: null, request_id: null, data: null };
  for (let round = 0; round < 20; round += 1) {
    for (const frame of JUNK.slice(1)) {
      client.socket.send(frame);
      expect(await client.receive()).toMatchObject(refused);
    }
    expect(await client.act('echo', { round })).toMatchObject({ data: { round } });
  }
  for (const frame of JUNK) {
    client.socket.send(frame);
    expect(await client.receive()).toMatchObject(refused);
  }
  expect(await client.closed).toBe(4400);
  expect(await neighbour.act('echo', { a: 1 })).toMatchObject({ data: { a: 1 } });
  expect(errors).toEqual([]);
});

test.each<[number, string, readonly (string | Buffer)[]]>([
  [1009, 'a frame of one byte too many', ['x'.repeat(65_537)]],
  [1009, 'fragments that are too big together', ['x'.repeat(30_000), 'x'.repeat(30_000), 'x'.repeat(30_000)]],
  [1007, 'a text that is no UTF-8', [Buffer.from([0x7b, 0xff, 0xfe, 0x7d])]],
])('a socket is closed with %d for %s, and nobody hears of an error', async (code, _why, parts) => {
  const { client, neighbour, errors } = await serve({});
  for (const [index, part] of parts.entries()) client.socket.send(part, { binary: false, fin: index === parts.length - 1 });
  expect(await client.closed).toBe(code);
  expect(await neighbour.act('echo', { text: 'x'.repeat(65_000) })).toMatchObject({ response_status: 200 });
  expect(errors).toEqual([]);
});
