import { once } from 'node:events';
import type { Socket } from 'node:net';

import express from 'express';
import { type ChannelsOptions, createChannels, ValidationError, viewAsConsumer } from 'express-channels';

import { handshakeLines, listen, open, rawHandshake, until } from '../support/socket-client.js';

const MALFORMED = { data: null, action: null, response_status: 400, request_id: null };

/** Handlers that answer at once, in pieces of time, when they are let go, or with much. */
async function serve(options: ChannelsOptions = {}) {
  const ran: unknown[] = [];
  const waiting: (() => void)[] = [];
  const router = express.Router();
  router.post('/echo', (req, res) => {
    ran.push(req.body);
    res.json(req.body);
  });
  router.post('/later', (req, res) => {
    ran.push(req.body);
    setImmediate(() => setImmediate(() => res.json(req.body)));
  });
  router.post('/wait', (req, res) => {
    ran.push(req.body);
    waiting.push(() => void res.json(req.body));
  });
  router.get('/big', (_req, res) => {
    ran.push('big');
    res.json('x'.repeat(1_000_000));
  });
  const consumer = viewAsConsumer(
    router,
    { echo: 'POST /echo', later: 'POST /later', wait: 'POST /wait', big: 'GET /big' },
    { maxResponseBytes: 64_000_000 },
  );
  const channels = createChannels(undefined, { heartbeat: false, ...options }).route('/ws', consumer);
  return { channels, ran, waiting, port: await listen(channels) };
}

test('the frames of a socket are answered one at a time, in order, and do not hold up those of another', async () => {
  const { channels, port, ran, waiting } = await serve();
  const [first, second] = [await open(port, '/ws'), await open(port, '/ws')];
  first.send({ action: 'wait', data: 0 });
  for (let id = 1; id <= 20; id += 1) first.send({ action: id % 3 === 0 ? 'later' : 'echo', data: id, request_id: id });
  expect(await second.act('echo', { data: 'other' })).toMatchObject({ data: 'other' });
  await until(() => waiting.length === 1);
  await first.receiveNothing();
  expect(ran.filter((data) => typeof data === 'number')).toEqual([0]);
  waiting[0]?.();
  for (let id = 0; id <= 20; id += 1) expect(await first.receive()).toMatchObject({ data: id });
  await channels.close();
});

describe('a malformed frame is answered with one 400, and the socket goes on', () => {
  const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  test.each<[string, string | Buffer]>([
    ['an empty one', ''],
    ['blanks', ' \n'],
    ['no JSON', '{action: 1}'],
    ['half of it', '{"action": "echo"'],
    ['two in one', '{"action": "echo"}{"action": "echo"}'],
    ['a byte order mark', '\ufeff{"action": "echo"}'],
    ['NaN', '{"action": "echo", "data": NaN}'],
    ['Infinity', '{"action": "echo", "data": -Infinity}'],
    ['a list', '[{"action": "echo"}]'],
    ['null', 'null'],
    ['a number', '7'],
    ['a text', '"echo"'],
    ['a deep one', `{"action": "echo", "data": ${deep(1_000)}}`],
    ['a bomb', deep(32_000)],
    ['a bomb of objects', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`],
    ['a binary one', Buffer.from('{"action": "echo"}')],
    ['a binary one that is empty', Buffer.alloc(0)],
  ])('%s', async (_name, frame) => {
    const { channels, port, ran } = await serve();
    const client = await open(port, '/ws');
    client.socket.send(frame);
    const { errors, ...rest } = await client.receive();
    expect(rest).toEqual(MALFORMED);
    expect(errors).toEqual([expect.stringMatching(/^Malformed request/)]);
    expect(ran).toEqual([]);
    expect(await client.act('echo', { data: 1 })).toMatchObject({ data: 1, response_status: 200 });
    await channels.close();
  });

  test('an action that is no text is a mistake of that frame, which has its request_id', async () => {
    const { channels, port } = await serve();
    const client = await open(port, '/ws');
    for (const action of [5, null, ['echo'], { echo: 1 }, true]) {
      expect(await client.request({ action, request_id: 7 })).toMatchObject({
        action: null,
        response_status: 400,
        request_id: 7,
      });
    }
    await channels.close();
  });

  test('what only looks deep is fine', async () => {
    const { channels, port } = await serve();
    const client = await open(port, '/ws');
    const data = { text: '['.repeat(5_000) + '\\"' + '{'.repeat(5_000), list: JSON.parse(deep(100)) as unknown };
    expect(await client.act('echo', { data })).toMatchObject({ data });
    await channels.close();
  });

  test('too many in a row close the socket with 4400; a good one in between starts the count anew', async () => {
    const { channels, port } = await serve({ limits: { maxMalformedFrames: 3 } });
    const client = await open(port, '/ws');
    for (let round = 0; round < 3; round += 1) {
      for (const frame of ['{', '}']) expect(await client.request(frame)).toMatchObject(MALFORMED);
      expect(await client.act('echo', { data: round })).toMatchObject({ data: round });
    }
    for (const frame of ['{', '{', '{']) client.send(frame);
    expect(await client.closed).toBe(4400);
    await channels.close();
  });
});

test('an error whose detail JSON does not know is answered all the same', async () => {
  const circular: unknown[] = [];
  circular.push(circular);
  const details = [{ amount: [1n] }, circular] as const;
  const app = express().get('/:index', (req) => {
    throw new ValidationError(details[Number(req.params.index)]);
  });
  const channels = createChannels(app, { onError: () => undefined }).route(
    '/ws',
    viewAsConsumer(app, { retrieve: 'GET /:index' }),
  );
  const client = await open(await listen(channels), '/ws');
  for (const pk of [0, 1])
    expect(await client.act('retrieve', { pk })).toMatchObject({ errors: ['A server error occurred.'], response_status: 500 });
  expect(await client.act('nope')).toMatchObject({ response_status: 405 });
  await channels.close();
});

describe('limits', () => {
  test('a frame of 64 KiB is taken, a larger one closes with 1009', async () => {
    const { channels, port } = await serve();
    const client = await open(port, '/ws');
    const frame = (bytes: number): string => {
      const empty = JSON.stringify({ action: 'echo', data: '' });
      return JSON.stringify({ action: 'echo', data: 'x'.repeat(bytes - empty.length) });
    };
    expect(await client.request(frame(65_536))).toMatchObject({ response_status: 200 });
    client.send(frame(65_537));
    expect(await client.closed).toBe(1009);
    await channels.close();
  });

  test('a frame sent in fragments counts as a whole', async () => {
    const { channels, port } = await serve({ limits: { maxFrameBytes: 1_000 } });
    const client = await open(port, '/ws');
    for (let piece = 0; piece < 4; piece += 1) client.socket.send('x'.repeat(300), { fin: false });
    expect(await client.closed).toBe(1009);
    await channels.close();
  });

  test('text that is no UTF-8 closes with 1007', async () => {
    const { channels, port } = await serve();
    const client = await open(port, '/ws');
    client.socket.send(Buffer.from([0xff, 0xfe]), { binary: false });
    expect(await client.closed).toBe(1007);
    await channels.close();
  });

  test('no compression is agreed to', async () => {
    const { channels, port } = await serve();
    const client = await open(port, '/ws', { perMessageDeflate: true });
    expect(client.socket.extensions).toBe('');
    expect(client.headers['sec-websocket-extensions']).toBeUndefined();
    await channels.close();
  });

  test('more frames than the rate allows close with 4429', async () => {
    const { channels, port, ran } = await serve({ rate: { perSecond: 1, burst: 10 } });
    const client = await open(port, '/ws');
    for (let frame = 0; frame < 10; frame += 1) await client.act('echo', { data: frame });
    client.send({ action: 'echo', data: 'one too many' });
    expect(await client.closed).toBe(4429);
    expect(ran).toHaveLength(10);
    await channels.close();
  });

  test('a rate fills up again with time', async () => {
    const { channels, port } = await serve({ rate: { perSecond: 500, burst: 5 } });
    const client = await open(port, '/ws');
    for (let round = 0; round < 10; round += 1) {
      for (let frame = 0; frame < 5; frame += 1) expect(await client.act('echo', { data: frame })).toMatchObject({ data: frame });
      const full = performance.now() + (5 / 500) * 1_000;
      await until(() => performance.now() > full);
    }
    await channels.close();
  });

  test('a flood to a slow handler is read only as fast as it is answered, and answered in full', async () => {
    const FRAMES = 10_000;
    const maxQueuedFrames = 16;
    const { channels, port, waiting } = await serve({ limits: { maxQueuedFrames } });
    const client = await open(port, '/ws');
    const padding = 'x'.repeat(1_000);
    const serverSockets = sniffServerSockets();
    for (let id = 0; id < FRAMES; id += 1) client.send({ action: id === 0 ? 'wait' : 'nope', request_id: id, padding });
    await until(() => waiting.length === 1 && serverSockets.some((socket) => socket.isPaused()));
    // What Node has taken from the operating system: the frames in the queue, and what came with the last of them in one read.
    const read = Math.max(...serverSockets.map((socket) => socket.bytesRead));
    expect(read).toBeLessThan((maxQueuedFrames + 1) * 1_100 + 2 * 65_536);
    waiting[0]?.();
    for (let id = 0; id < FRAMES; id += 1) expect((await client.receive())['request_id']).toBe(id);
    await channels.close();

    function sniffServerSockets(): Socket[] {
      const handles = Reflect.apply(Reflect.get(process, '_getActiveHandles') as () => unknown[], process, []) as Socket[];
      return handles.filter((handle) => handle.localPort === port && handle.remotePort !== undefined);
    }
  }, 30_000);
});

describe('a client that reads slowly', () => {
  test('is closed with 4008 if it takes nothing for a second, and no more is run for it', async () => {
    const { channels, port, ran } = await serve();
    const [client, neighbour] = [await open(port, '/ws'), await open(port, '/ws')];
    client.socket.pause();
    for (let id = 0; id < 40; id += 1) client.send({ action: 'big', request_id: id });
    await until(() => ran.length > 0);
    const begun = performance.now();
    await until(() => performance.now() - begun > 1_200);
    expect(channels.size).toBe(2);
    const runs = ran.length;
    expect(runs).toBeLessThan(40);
    expect(await neighbour.act('echo', { data: 'neighbour' })).toMatchObject({ data: 'neighbour' });
    client.socket.resume();
    expect(await client.closed).toBe(4008);
    expect(ran).toHaveLength(runs + 1);
    await channels.close();
  });

  test('is left alone as long as it takes something, however large the replies are', async () => {
    const { channels, port } = await serve({ limits: { maxQueuedBytes: 1_000 } });
    const client = await open(port, '/ws');
    for (let id = 0; id < 20; id += 1) client.send({ action: 'big', request_id: id });
    for (let id = 0; id < 20; id += 1) expect((await client.receive())['request_id']).toBe(id);
    expect(client.closedWith).toBeUndefined();
    await channels.close();
  });
});

describe('heartbeat', () => {
  test('a half-open client is closed with 4408, a healthy one that is idle stays', async () => {
    const { channels, port } = await serve({ heartbeat: { everyMs: 25 } });
    const healthy = await open(port, '/ws');
    let pings = 0;
    healthy.socket.on('ping', () => (pings += 1));
    const silent = await open(port, '/ws');
    silent.socket.pause();
    expect(channels.size).toBe(2);
    const { head, socket } = await rawHandshake(port, handshakeLines('/ws'));
    expect(head).toMatch(/^HTTP\/1\.1 101 /);
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    await once(socket, 'end');
    // The last frame: FIN and opcode 8, then the code.
    const bytes = Buffer.concat(received);
    const close = bytes.lastIndexOf(0x88);
    expect(bytes.readUInt16BE(close + 2)).toBe(4408);
    await until(() => channels.size === 1);
    await until(() => pings >= 5);
    expect(await healthy.act('echo', { data: 1 })).toMatchObject({ data: 1 });
    socket.destroy();
    silent.socket.terminate();
    await channels.close();
  });

  test('a client that waits for a slow answer stays, even while nothing is read from it', async () => {
    const { channels, port, waiting } = await serve({ heartbeat: { everyMs: 10 }, limits: { maxQueuedFrames: 2 } });
    const client = await open(port, '/ws');
    const other = await open(port, '/ws');
    let pings = 0;
    other.socket.on('ping', () => (pings += 1));
    for (let id = 0; id < 4; id += 1) client.send({ action: id === 0 ? 'wait' : 'echo', data: id });
    await until(() => waiting.length === 1);
    await until(() => pings >= 8);
    waiting[0]?.();
    for (let id = 0; id < 4; id += 1) expect(await client.receive()).toMatchObject({ data: id });
    await channels.close();
  });

  test('a process that was too busy to read does not take its clients for dead', async () => {
    const { channels, port } = await serve({ heartbeat: { everyMs: 20 } });
    const { socket } = await rawHandshake(port, handshakeLines('/ws'));
    // The first ping; its answer is on its way while the process is busy for several beats.
    await once(socket, 'data');
    socket.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]));
    const busyUntil = performance.now() + 100;
    while (performance.now() < busyUntil);
    const [next] = (await once(socket, 'data')) as [Buffer];
    expect(next[0]).toBe(0x89);
    socket.destroy();
    await channels.close();
  });
});
