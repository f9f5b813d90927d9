import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  type ChannelLayer,
  type ChannelsOptions,
  createChannels,
  memoryLayer,
  redisLayer,
  viewAsConsumer,
} from 'express-channels';
import type session from 'express-session';

import { FileStore } from '../support/file-store.js';
import { CountingStore, createLoginAppOn, http, logIn } from '../support/login-app.js';
import { RedisServer, redisMissing } from '../support/redis.js';
import { describeRequiring } from '../support/requirement.js';
import { gate } from '../support/serve.js';
import { listen, open, until } from '../support/socket-client.js';

async function serve(store: session.Store, options: ChannelsOptions) {
  const { app, middleware } = createLoginAppOn(store);
  const reported: unknown[] = [];
  const channels = createChannels(app, { revalidate: false, onError: (error) => reported.push(error), ...options })
    .use(...middleware)
    .route('/ws', viewAsConsumer(app, { session: 'GET /session' }));
  return { channels, reported, port: await listen(channels) };
}

/** A bus that may have lost messages when a test says so. */
function leakyLayer() {
  const listeners = new Set<() => void>();
  const layer: ChannelLayer = {
    ...memoryLayer(),
    shared: true,
    onGap(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const gap = (): void => {
    for (const listener of listeners) listener();
  };
  return { layer, gap, listeners };
}

describe('after messages may have been lost between processes', () => {
  test('a session that is gone closes its sockets with 4401, one that is there keeps them', async () => {
    const { layer, gap } = leakyLayer();
    const store = new CountingStore();
    const { channels, port } = await serve(store, { layer, sessionStore: store });
    const gone = await open(port, '/ws', { headers: { cookie: await logIn(port, 'alice') } });
    // As if in another process, and nobody told.
    store.clear();
    const there = await open(port, '/ws', { headers: { cookie: await logIn(port, 'bob') } });
    gap();
    expect(await gone.closed).toBe(4401);
    expect(await there.act('session')).toMatchObject({ data: { user: { name: 'bob' } } });
    await channels.close();
  });

  test('each socket has its session read once, not all of them at the same moment, and however often it is said', async () => {
    const { layer, gap } = leakyLayer();
    const store = new CountingStore();
    const { channels, port } = await serve(store, { layer, sessionStore: store });
    const headers = { cookie: await logIn(port, 'alice') };
    for (let socket = 0; socket < 30; socket += 1) await open(port, '/ws', { headers });
    const before = store.reads;
    jest.useFakeTimers();
    for (let round = 0; round < 5; round += 1) gap();
    jest.advanceTimersByTime(500);
    const early = store.reads - before;
    jest.advanceTimersByTime(500);
    jest.useRealTimers();
    expect(store.reads - before).toBe(30);
    expect([early > 0, early < 30]).toEqual([true, true]);
    await channels.close();
  });

  test('a store that is away is reported, and ends no login', async () => {
    const { layer, gap } = leakyLayer();
    const store = new CountingStore();
    const { channels, port, reported } = await serve(store, { layer, sessionStore: store });
    const client = await open(port, '/ws', { headers: { cookie: await logIn(port, 'alice') } });
    store.failing = 'get';
    gap();
    await until(() => reported.length > 0);
    expect(reported).toEqual([new Error('canary: the store is away')]);
    store.failing = undefined;
    expect(await client.act('session')).toMatchObject({ data: { user: { name: 'alice' } } });
    await channels.close();
  });
});

test('a store is watched as long as the channels on a shared layer are open, then it is as it was', async () => {
  const { layer, listeners } = leakyLayer();
  const store = new CountingStore();
  const { destroy } = store;
  const { channels, port } = await serve(store, { layer });
  expect(store.destroy).toBe(destroy);
  const client = await open(port, '/ws');
  expect(store.destroy).not.toBe(destroy);
  await client.close();
  await until(() => channels.size === 0);
  expect(store.destroy).not.toBe(destroy);
  await channels.close();
  expect([store.destroy, listeners.size]).toEqual([destroy, 0]);
});

test('a store that returns a promise still does', async () => {
  const store = new CountingStore();
  Object.assign(store, { destroy: (_id: string, done?: () => void) => Promise.resolve('destroyed').finally(done) });
  const { channels } = await serve(store, { layer: leakyLayer().layer, sessionStore: store });
  const destroy = store.destroy as (id: string) => unknown;
  expect(await destroy.call(store, 'none')).toBe('destroyed');
  await channels.close();
});

test('a logout elsewhere that comes before the bus is joined is not missed', async () => {
  const { layer } = leakyLayer();
  const { passed, pass } = gate();
  const store = new CountingStore();
  const { channels, port } = await serve(store, { layer: { ...layer, join: () => passed } });
  const client = await open(port, '/ws', { headers: { cookie: await logIn(port, 'alice') } });
  await client.act('session');
  store.clear();
  pass();
  expect(await client.closed).toBe(4401);
  await channels.close();
});

describeRequiring(redisMissing, 'a process that starts while Redis is away', () => {
  let folder: string;
  let redis: RedisServer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'revocation-'));
    redis = await RedisServer.start();
    await redis.kill();
  });

  afterAll(async () => {
    await redis.stop();
    await rm(folder, { recursive: true });
  });

  test('learns of the logouts that it has missed when Redis comes, and hears of all others', async () => {
    const sessions = join(folder, 'sessions');
    await mkdir(sessions);
    const start = () => {
      const layer = redisLayer({ url: redis.url, timeoutMs: 100, onError: () => undefined });
      return serve(new FileStore(sessions), { layer });
    };
    const [one, other] = [await start(), await start()];
    const [missed, heard] = [await logIn(one.port, 'alice'), await logIn(one.port, 'alice')];
    const first = await open(one.port, '/ws', { headers: { cookie: missed } });
    const second = await open(one.port, '/ws', { headers: { cookie: heard } });
    await open(other.port, '/ws', { headers: { cookie: heard } });
    // It has waited for the bus in vain.
    await until(() => one.reported.length > 0);
    await http(other.port, 'post', '/logout', missed).expect(204);
    expect(first.closedWith).toBeUndefined();
    await redis.start();
    expect(await first.closed).toBe(4401);
    expect(second.closedWith).toBeUndefined();
    await http(other.port, 'post', '/logout', heard).expect(204);
    expect(await second.closed).toBe(4401);
    await Promise.all([one.channels.close(), other.channels.close()]);
  });
});
