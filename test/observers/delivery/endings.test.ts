import { EventEmitter } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { type ChannelLayer, createChannels, defineConsumer, memoryLayer, modelObserver, signalObserver } from 'express-channels';
import { connect } from 'express-channels/testing';

import { gate } from '../../support/serve.js';
import { until } from '../../support/socket-client.js';
import { ask, Item, next, serveActions, useItems } from './items.js';

useItems();

const emitter = new EventEmitter();
const items = modelObserver(Item, { serialize: ({ text }) => text });
const pings = signalObserver(emitter, 'ping');

/** A bus that other processes could be on, and how many receivers have joined it. */
function countingLayer(over: Partial<ChannelLayer> = {}): ChannelLayer & { readonly joined: Map<unknown, Set<string>> } {
  const memory = memoryLayer();
  const joined = new Map<unknown, Set<string>>();
  return {
    ...memory,
    shared: true,
    joined,
    join(group, receiver) {
      joined.set(receiver, (joined.get(receiver) ?? new Set()).add(group));
      return memory.join(group, receiver);
    },
    leave(group, receiver) {
      joined.get(receiver)?.delete(group);
      if (joined.get(receiver)?.size === 0) joined.delete(receiver);
      return memory.leave(group, receiver);
    },
    ...over,
  };
}

const follow = defineConsumer({
  actions: {
    follow: async (ctx) => {
      await items.subscribe(ctx);
      await pings.subscribe(ctx);
      return null;
    },
  },
});

/** How many connections come and go; more by CYCLES. */
const cycles = Number(process.env['CYCLES'] ?? 200);

it('connections that go leave nothing behind: no group, no listener, nothing that holds them', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const signals: WeakRef<AbortSignal>[] = [];
  const layer = countingLayer();
  const channels = createChannels(undefined, { layer });
  channels.route(
    '/ws',
    defineConsumer({
      actions: {
        follow: async (ctx) => {
          signals.push(new WeakRef(ctx.signal));
          await items.subscribe(ctx, undefined, { requestId: 'own' });
          await items.subscribe(ctx);
          return null;
        },
        leave: async (ctx) => {
          await items.unsubscribe(ctx);
          await items.unsubscribe(ctx, undefined, { requestId: 'own' });
          return null;
        },
      },
    }),
  );
  for (let index = 0; index < cycles; index += 1) {
    const client = await connect(channels, '/ws');
    await ask(client, 'follow', 1);
    // Half of them say goodbye.
    if (index % 2 === 0) await ask(client, 'leave', 1);
    else expect(layer.joined.size).toBe(2);
    await client.close();
  }
  await until(() => layer.joined.size === 0 && channels.size === 0);
  await until(() => {
    collect();
    // The last ones may still be on the stack of something.
    return signals.filter((signal) => signal.deref() !== undefined).length < 5;
  });
  await channels.close();
}, 300_000);

it('without open channels nothing is observed, and with new ones it is again', async () => {
  const before = JSON.stringify(Item.options.hooks);
  for (const text of ['first', 'second']) {
    expect([JSON.stringify(Item.options.hooks), emitter.listenerCount('ping')]).toEqual([before, 0]);
    const channels = createChannels();
    channels.route('/ws', follow);
    expect(emitter.listenerCount('ping')).toBe(1);
    const client = await connect(channels, '/ws');
    await ask(client, 'follow', 1);
    await Item.create({ room: 'a', text });
    emitter.emit('ping');
    expect((await next(client, 2)).sort()).toEqual([
      ['create', 1, text],
      ['ping', 1, {}],
    ]);
    await channels.close();
  }
  expect([JSON.stringify(Item.options.hooks), emitter.listenerCount('ping')]).toEqual([before, 0]);
});

it.each([
  ['rejects', () => Promise.reject(new Error('no bus'))],
  [
    'throws',
    () => {
      throw new Error('no bus');
    },
  ],
])('a bus whose send %s never harms the writer, and is reported once', async (_name, send) => {
  const { open, errors } = serveActions(
    { follow: (ctx) => items.subscribe(ctx) },
    { channels: { layer: countingLayer({ send }) } },
  );
  const client = await open();
  await ask(client, 'follow', 1);
  for (let index = 0; index < 20; index += 1) await Item.create({ room: 'a', text: 'x' });
  expect(await next(client, 20)).toHaveLength(20);
  await until(() => errors.length > 0);
  expect(errors.map(String)).toEqual(['Error: no bus']);
});

it('a bus that can not be joined refuses the subscription, for everybody who waited for it, and keeps nothing', async () => {
  let isBroken = true;
  const layer = countingLayer();
  const join: ChannelLayer['join'] = (group, receiver) =>
    isBroken ? Promise.reject(new Error('not joined')) : layer.join(group, receiver);
  const { open, errors } = serveActions({ follow: (ctx) => items.subscribe(ctx) }, { channels: { layer: { ...layer, join } } });
  const clients = [await open(), await open()];
  for (const client of clients) client.send({ action: 'follow', request_id: 1 });
  for (const client of clients) expect(await client.receive()).toMatchObject({ response_status: 500 });
  await Item.create({ room: 'a' });
  for (const client of clients) await client.receiveNothing();
  isBroken = false;
  for (const client of clients) await ask(client, 'follow', 1);
  await Item.create({ room: 'a', text: 'x' });
  for (const client of clients) expect(await next(client)).toEqual([['create', 1, 'x']]);
  expect(errors).toHaveLength(2);
});

it('who has gone before subscribing leaves nothing behind', async () => {
  const layer = countingLayer();
  const [entered, held] = [gate(), gate()];
  const follow = async (ctx: Parameters<typeof items.subscribe>[0]): Promise<void> => {
    entered.pass();
    await held.passed;
    await items.subscribe(ctx);
    done.pass();
  };
  const done = gate();
  const { open } = serveActions({ follow }, { channels: { layer } });
  const client = await open();
  client.send({ action: 'follow', request_id: 1 });
  await entered.passed;
  const before = layer.joined.size;
  await client.close();
  held.pass();
  await done.passed;
  expect(layer.joined.size).toBe(before);
});

it('gaps of a bus are told once, to its own subscribers', async () => {
  const gaps = new Set<() => void>();
  const onGap: ChannelLayer['onGap'] = (told) => {
    gaps.add(told);
    return () => gaps.delete(told);
  };
  const actions = { follow: (ctx: Parameters<typeof items.subscribe>[0]) => items.subscribe(ctx) };
  const [cut, whole] = [countingLayer({ onGap }), countingLayer()].map((layer) => serveActions(actions, { channels: { layer } }));
  const [lost, other] = [await cut?.open(), await whole?.open()];
  if (lost === undefined || other === undefined) throw new Error('There are two buses.');
  for (const client of [lost, other]) await ask(client, 'follow', 1);
  for (const told of [...gaps, ...gaps]) told();
  expect(await next(lost)).toEqual([['resync', 1, 200]]);
  for (const client of [lost, other]) await client.receiveNothing();
});

it('no two groups of any observers have one name on the bus, whatever they are called', async () => {
  const layer = countingLayer();
  const observer = (name: string, group: string) =>
    modelObserver(Item, { name, groupsForSignal: () => [group], groupsForConsumer: (_args: object) => [group] });
  const [one, two] = [observer('a:b', 'c'), observer('a', 'b:c')];
  const { open } = serveActions(
    { one: (ctx) => one.subscribe(ctx, {}), two: (ctx) => two.subscribe(ctx, {}) },
    { channels: { layer } },
  );
  const client = await open();
  for (const action of ['one', 'two']) await ask(client, action, 1);
  const names = [...layer.joined.values()].flatMap((joined) => [...joined]).filter((name) => name.endsWith('c'));
  expect(new Set(names).size).toBe(names.length);
  expect(names).toHaveLength(2);
});
