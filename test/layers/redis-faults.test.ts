import { type RedisLayer, redisLayer, type RedisLayerOptions } from 'express-channels';
import { Redis } from 'ioredis';

import { RedisServer, redisMissing } from '../support/redis.js';
import { describeRequiring } from '../support/requirement.js';
import { until } from '../support/socket-client.js';
import { MutableProxy } from './mutable-proxy.js';
import { redisClients } from './redis-clients.js';

/** A layer, and what it has told. */
interface Observed {
  readonly layer: RedisLayer;
  readonly errors: unknown[];
  readonly got: string[];
  /** How many gaps were told. */
  gaps: number;
}

/** Whether a message could be sent. */
async function sends(layer: RedisLayer, group: string, message: string): Promise<boolean> {
  const [{ status }] = await Promise.allSettled([layer.send(group, message)]);
  return status === 'fulfilled';
}

// A machine that is busy with other tests takes its time; a test that fails takes all of it.
jest.setTimeout(20_000);

/** Sockets that test files before this one have left in the process. */
const foreign = countOf('TCPSocketWrap');

function countOf(resource: string): number {
  return process.getActiveResourcesInfo().filter((name) => name === resource).length;
}

describeRequiring(redisMissing, 'faults of Redis', () => {
  let server: RedisServer;
  let admin: Redis;
  const open: RedisLayer[] = [];

  beforeAll(async () => {
    server = await RedisServer.start();
    admin = new Redis(server.url, { retryStrategy: () => 20 });
    admin.on('error', () => undefined);
  });

  beforeEach(async () => {
    await admin.ping();
  });

  afterEach(async () => {
    server.thaw();
    await Promise.all(open.splice(0).map((layer) => layer.close()));
  });

  afterAll(async () => {
    admin.disconnect();
    await server.stop();
  });

  describe.each(redisClients)('by %s', (_name, make) => {
    /** A layer that has joined the group `a`. */
    async function observe(options: Partial<RedisLayerOptions> = {}, url = server.url): Promise<Observed> {
      const errors: unknown[] = [];
      const onError = (error: unknown): unknown => errors.push(error);
      const layer = redisLayer({ client: make(url), beatMs: 50, onError, ...options });
      open.push(layer);
      const observed: Observed = { layer, errors, got: [], gaps: 0 };
      layer.onGap(() => (observed.gaps += 1));
      await layer.join('a', (message) => observed.got.push(message));
      return observed;
    }

    it('tells of a gap when its subscriptions were cut, once they are in force again', async () => {
      const one = await observe();
      const other = await observe();
      one.layer.onGap(() => void one.layer.send('a', '"at the gap"'));
      await admin.call('client', 'kill', 'type', 'pubsub');
      await until(() => one.got.length > 0 && other.gaps > 0);
      expect([one.got, one.errors.length]).toEqual([['"at the gap"'], 1]);
    });

    it('goes on when Redis was killed and is back empty, and tells of the gap and the outage once', async () => {
      const one = await observe();
      await server.kill();
      await until(() => one.errors.length > 0);
      await expect(one.layer.send('a', '"lost"')).rejects.toThrow('may not have reached everybody');
      await server.start();
      await until(() => one.gaps > 0);
      await until(() => sends(one.layer, 'a', '1'));
      await until(() => one.got.length > 0);
      expect(one.got).toEqual(['1']);
      expect(one.errors).toEqual([
        expect.objectContaining({ message: expect.stringContaining('no connection to Redis') as string }),
      ]);
    });

    it('joins during an outage as soon as Redis is back', async () => {
      const one = await observe();
      await server.kill();
      await until(() => one.errors.length > 0);
      const got: string[] = [];
      const joined = one.layer.join('b', (message) => got.push(message));
      const left = one.layer.leave('a', () => undefined);
      await server.start();
      await Promise.all([joined, left]);
      await until(() => sends(one.layer, 'b', '1'));
      await until(() => got.length > 0);
    });

    it('loses nothing when Redis is slow', async () => {
      const one = await observe();
      const other = await observe();
      await admin.client('PAUSE', '400', 'ALL');
      const sent = Array.from({ length: 50 }, (_, index) => String(index));
      await Promise.all(sent.map((message) => one.layer.send('a', message)));
      await until(() => other.got.length === sent.length && one.got.length === sent.length);
      expect([one.got, other.got, one.gaps, other.gaps]).toEqual([sent, sent, 0, 0]);
    });

    it('rejects what is asked of a Redis that does not answer, in time, and tells everybody of the gap later', async () => {
      const one = await observe({ timeoutMs: 200 });
      const other = await observe({ timeoutMs: 10_000 });
      server.freeze();
      const asked = await Promise.allSettled([
        one.layer.send('a', '1'),
        one.layer.join('b', () => undefined),
        one.layer.join('a', () => undefined),
      ]);
      expect(asked.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
      await expect(one.layer.send('a', '2')).rejects.toThrow('may not have reached everybody');
      server.thaw();
      await until(() => one.gaps > 0 && other.gaps > 0);
    });

    it('tells everybody of a gap when Redis refuses a message, and goes on', async () => {
      const other = await observe();
      const channels = (await admin.pubsub('SHARDCHANNELS')) as string[];
      const allowed = channels.map((channel) => `&${channel}`);
      await admin.acl('SETUSER', 'guest', 'reset', 'on', '>secret', '~*', '+@all', ...allowed);
      const one = await observe({}, server.url.replace('//', '//guest:secret@'));
      await expect(one.layer.send('b', '1')).rejects.toMatchObject({
        message: 'The message may not have reached everybody in the group.',
        cause: expect.objectContaining({ message: expect.stringContaining('NOPERM') as string }) as unknown,
      });
      await expect(one.layer.join('b', () => undefined)).rejects.toThrow('NOPERM');
      await until(() => one.gaps > 0 && other.gaps > 0);
      await one.layer.send('a', '2');
      await until(() => one.got.length > 0 && other.got.length > 0);
      expect([one.got, other.got, one.errors]).toEqual([['2'], ['2'], []]);
    });

    it('refuses messages when too many wait for Redis', async () => {
      const one = await observe({ maxMessageBytes: 2 ** 24, timeoutMs: 500 });
      server.freeze();
      const large = `"${'x'.repeat(2 ** 24 - 2)}"`;
      const sent = Promise.allSettled(Array.from({ length: 4 }, () => one.layer.send('a', large)));
      await expect(one.layer.send('a', large)).rejects.toMatchObject({
        cause: expect.objectContaining({ message: expect.stringContaining('too slow') as string }) as unknown,
      });
      expect((await sent).map(({ status }) => status)).not.toContain('fulfilled');
    });

    it('notices a connection that was cut without a word', async () => {
      const proxy = await MutableProxy.start(server.port);
      const one = await observe({ timeoutMs: 300 }, proxy.url);
      const other = await observe();
      proxy.mute();
      await other.layer.send('a', '"missed"');
      await until(() => one.gaps > 0);
      await other.layer.send('a', '1');
      await until(() => one.got.length > 0);
      expect(one.got).toEqual(['1']);
      await one.layer.close();
      await proxy.stop();
    });

    it.each(['running', 'frozen', 'killed'] as const)('closes when Redis is %s, and leaves nothing behind', async (state) => {
      const held = (): number => process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).length;
      // What a test before has ended may still be going; what test files before this one have left is none of ours.
      await until(() => countOf('TCPSocketWrap') <= foreign + 1);
      const before = held();
      const one = await observe({ timeoutMs: 200 });
      if (state === 'frozen') server.freeze();
      if (state === 'killed') {
        await server.kill();
        await until(() => one.errors.length > 0);
      }
      const joining = one.layer.join('late', () => undefined);
      joining.catch(() => undefined);
      await one.layer.close();
      await Promise.allSettled([joining]);
      await expect(one.layer.join('b', () => undefined)).rejects.toThrow('The channel layer is closed.');
      await expect(one.layer.send('b', '1')).rejects.toThrow('The channel layer is closed.');
      await one.layer.close();
      if (state === 'killed') await server.start();
      server.thaw();
      await admin.ping();
      await until(() => held() <= before);
    });

    it('closes while it is still connecting', async () => {
      const layer = redisLayer({ client: make(server.url) });
      const joining = layer.join('a', () => undefined);
      await layer.close();
      await expect(joining).rejects.toThrow('The channel layer is closed.');
      await until(
        async () =>
          String(await admin.call('client', 'list'))
            .trim()
            .split('\n').length === 1,
      );
    });
  });
});
