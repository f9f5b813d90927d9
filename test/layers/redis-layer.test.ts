import { type RedisClient, type RedisLayer, redisLayer } from 'express-channels';
import { Redis } from 'ioredis';
import { createClient } from 'redis';

import { RedisServer, redisMissing } from '../support/redis.js';
import { describeRequiring } from '../support/requirement.js';
import { until } from '../support/socket-client.js';
import { describeChannelLayer } from './conformance.js';
import { olderClients, redisClients } from './redis-clients.js';

async function shardChannels(admin: Redis, pattern: string): Promise<string[]> {
  return (await admin.pubsub('SHARDCHANNELS', pattern)) as string[];
}

const open: { close: () => Promise<unknown> }[] = [];

function keep<Closed extends { close: () => Promise<unknown> }>(one: Closed): Closed {
  open.push(one);
  return one;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

describeRequiring(redisMissing, 'redisLayer()', () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start();
  });

  afterAll(async () => {
    await server.stop();
  });

  for (const [name, make] of [...redisClients, ...olderClients])
    describeChannelLayer(`redisLayer() of ${name}`, true, () => redisLayer({ client: make(server.url) }));

  describe('in a cluster', () => {
    let cluster: RedisServer;

    beforeAll(async () => {
      cluster = await RedisServer.start('--cluster-enabled', 'yes');
      const admin = new Redis(cluster.url);
      await admin.cluster('ADDSLOTSRANGE', 0, 16383);
      await until(async () => (await admin.cluster('INFO')).includes('cluster_state:ok'));
      admin.disconnect();
    });

    afterAll(async () => {
      await cluster.stop();
    });

    for (const [name, make] of redisClients)
      describeChannelLayer(`redisLayer() of ${name}`, true, () => redisLayer({ client: make(cluster.url) }));
  });

  /** A connection of somebody else. */
  function stranger(): Redis {
    const client = new Redis(server.url);
    open.push({ close: () => client.quit() });
    return client;
  }

  function layerOf(options: { readonly prefix?: string; readonly maxMessageBytes?: number } = {}): RedisLayer {
    return keep(redisLayer({ url: server.url, ...options }));
  }

  function layerLike(client: RedisClient): RedisLayer {
    return keep(redisLayer({ client }));
  }

  it('shows Redis no name of a group, and leaves nothing subscribed when all have left', async () => {
    const layer = layerOf({ prefix: 'names' });
    const admin = stranger();
    const receivers = Array.from({ length: 20 }, () => () => undefined);
    await Promise.all(receivers.map((receive, index) => layer.join(`user-ada-${String(index % 5)}`, receive)));
    const channels = await shardChannels(admin, 'names:*');
    expect(channels).toHaveLength(6);
    expect(channels.filter((channel) => !/^names:(?:control|[\w-]{43})$/.test(channel))).toEqual([]);
    await Promise.all(receivers.map((receive, index) => layer.leave(`user-ada-${String(index % 5)}`, receive)));
    await until(async () => (await shardChannels(admin, 'names:*')).length === 1);
  });

  it('keeps applications apart by their prefix', async () => {
    const [one, other] = [layerOf({ prefix: 'one' }), layerOf({ prefix: 'other' })];
    const got: string[] = [];
    await one.join('a', (message) => got.push(message));
    await other.send('a', '"other"');
    await one.send('a', '"one"');
    await until(() => got.length > 0);
    expect(got).toEqual(['"one"']);
  });

  it('refuses what is too large, which is no loss, and takes the largest', async () => {
    const layer = layerOf({ maxMessageBytes: 10 });
    let gaps = 0;
    layer.onGap(() => (gaps += 1));
    const got: string[] = [];
    await layer.join('a', (message) => got.push(message));
    await expect(layer.send('a', '"ééééé"')).rejects.toThrow(new RangeError('Expected a message of at most 10 bytes, got 12.'));
    await expect(layer.send('x'.repeat(9_000), '1')).rejects.toThrow(new RangeError('The name of the group is too long.'));
    await layer.send('a', '"éééé"');
    await until(() => got.length > 0);
    expect([got, gaps, layer.ignored]).toEqual([['"éééé"'], 0, 0]);
  });

  it('ignores what it has not sent, counts it, and goes on', async () => {
    const layer = layerOf({ prefix: 'garbage', maxMessageBytes: 1_000 });
    let gaps = 0;
    layer.onGap(() => (gaps += 1));
    const got: string[] = [];
    const receive = (message: string): unknown => got.push(message);
    await layer.join('a', receive);
    const admin = stranger();
    const channel = (await shardChannels(admin, 'garbage:*')).find((name) => name !== 'garbage:control') ?? '';
    const head = { v: 1, type: 'message', from: 'somebody', group: 'a' };
    const onGroups = [
      '',
      'hello',
      '{"v":1}',
      'null\n1',
      '[]\n1',
      `{"a":${'['.repeat(2_000)}`,
      JSON.stringify(head),
      `${JSON.stringify({ ...head, v: 2 })}\n1`,
      `${JSON.stringify({ ...head, from: 7 })}\n1`,
      `${JSON.stringify({ ...head, from: '' })}\n1`,
      `${JSON.stringify({ ...head, from: 'x'.repeat(100) })}\n1`,
      `${JSON.stringify({ ...head, group: 'b' })}\n1`,
      `${JSON.stringify({ ...head, group: ['a'] })}\n1`,
      `${JSON.stringify({ ...head, type: 'other' })}\n1`,
      `${JSON.stringify({ ...head, more: 'x'.repeat(10_000) })}\n1`,
      `${JSON.stringify(head)}\n"${'x'.repeat(1_000)}"`,
      'x'.repeat(1_000_000),
      JSON.stringify({ v: 1, type: 'gap', from: 'somebody' }),
    ];
    const onControl = [
      'hello',
      `${JSON.stringify(head)}\n1`,
      JSON.stringify({ v: 1, type: 'beat', from: 'somebody' }),
      JSON.stringify({ v: 1, type: 'beat', from: 'somebody', everyMs: -1 }),
      JSON.stringify({ v: 1, type: 'gap' }),
      `${JSON.stringify({ v: 1, type: 'gap', from: 'somebody' })}\n`,
    ];
    for (const text of onGroups) await admin.spublish(channel, text);
    for (const text of onControl) await admin.spublish('garbage:control', text);
    await admin.spublish(channel, Buffer.from([0xff, 0xfe, 0x0a, 0x00]));
    await layer.send('a', '"ours"');
    await until(() => got.length > 0 && layer.ignored >= onGroups.length + onControl.length + 1);
    expect([got, gaps, layer.ignored]).toEqual([['"ours"'], 0, onGroups.length + onControl.length + 1]);
  });

  it('lets no receiver that throws keep a message from the others', async () => {
    const errors: unknown[] = [];
    const layer = keep(redisLayer({ url: server.url, onError: (error) => errors.push(error) }));
    const got: string[] = [];
    const failure = new Error('A receiver failed.');
    await layer.join('a', () => {
      throw failure;
    });
    await layer.join('a', (message) => got.push(message));
    await layer.send('a', '1');
    await until(() => got.length > 0);
    expect(errors).toEqual([failure]);
  });

  it("leaves the application's own client alone", async () => {
    const [redis, ioredis] = [createClient({ url: server.url }), new Redis(server.url, { lazyConnect: true })];
    for (const client of [redis, ioredis]) await layerLike(client).join('a', () => undefined);
    expect([redis.isOpen, ioredis.status]).toEqual([false, 'wait']);
    await redis.connect();
    const layer = redisLayer({ client: redis });
    await layer.join('a', () => undefined);
    await layer.close();
    expect(await redis.ping()).toBe('PONG');
    redis.destroy();
  });

  it('takes a client with a key prefix of its own as any other', async () => {
    const layers = [
      layerLike(new Redis(server.url, { lazyConnect: true, keyPrefix: 'app:' })),
      layerLike(createClient({ url: server.url, keyPrefix: 'app:' })),
    ];
    const got: string[] = [];
    for (const layer of layers) await layer.join('a', (message) => got.push(message));
    await layerOf().send('a', '1');
    await until(() => got.length === 2);
  });

  it('asks who is there when it comes, answers who asks, and says goodbye', async () => {
    const frames: Record<string, unknown>[] = [];
    const listening = stranger();
    listening.on('smessage', (_channel, text: string) => frames.push(JSON.parse(text) as Record<string, unknown>));
    await listening.ssubscribe('hello:control');
    const layer = layerOf({ prefix: 'hello' });
    await until(() => frames.some(({ type }) => type === 'hello'));
    await stranger().spublish('hello:control', JSON.stringify({ v: 1, type: 'hello', from: 'somebody', everyMs: 60_000 }));
    await until(() => frames.some(({ type }) => type === 'here'));
    await layer.close();
    await until(() => frames.some(({ type }) => type === 'bye'));
  });

  it('takes a process for dead that was silent for three of its own beats, no sooner', async () => {
    const layer = keep(redisLayer({ url: server.url, prefix: 'beats', beatMs: 50 }));
    let gaps = 0;
    layer.onGap(() => (gaps += 1));
    await layer.join('a', () => undefined);
    const admin = stranger();
    const beat = (from: string, everyMs: number): string => JSON.stringify({ v: 1, type: 'beat', from, everyMs });
    await admin.spublish('beats:control', beat('slow', 60_000));
    for (const from of ['ended', 'killed']) await admin.spublish('beats:control', beat(from, 50));
    await admin.spublish('beats:control', JSON.stringify({ v: 1, type: 'bye', from: 'ended' }));
    await until(() => gaps > 0);
    await admin.spublish('beats:control', beat('killed', 50));
    await until(() => gaps > 1);
    expect([gaps, layer.ignored]).toEqual([2, 0]);
  });

  it('survives an error handler and a gap listener that throw', async () => {
    const log = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    const failure = new Error('The handler failed.');
    const onError = (): never => {
      throw failure;
    };
    const layer = keep(redisLayer({ url: server.url, prefix: 'errors', onError }));
    let told = false;
    layer.onGap(onError);
    layer.onGap(() => (told = true));
    await layer.join('a', () => undefined);
    await stranger().spublish('errors:control', JSON.stringify({ v: 1, type: 'gap', from: 'somebody' }));
    await until(() => told);
    expect(log.mock.calls).toEqual([[failure], [failure]]);
    log.mockRestore();
  });
});
