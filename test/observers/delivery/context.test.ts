import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter } from 'node:events';

import { memoryLayer, modelObserver, permission, signalObserver } from 'express-channels';

import { ask, Item, next, serveActions, useItems } from './items.js';

useItems();

/** As applications keep the user of a request at hand. */
const current = new AsyncLocalStorage<string>();
const asked: (string | undefined)[] = [];
const note = (): void => void asked.push(current.getStore());
const items = modelObserver(Item, {
  groupsForSignal: ({ room }) => (note(), [room]),
  groupsForConsumer: (_args: object) => ['a'],
  view: note,
  serialize: ({ text }) => (note(), text),
});
const emitter = new EventEmitter();
const pings = signalObserver(emitter, 'ping', { deliver: note });

it.each([
  ['a memory layer', memoryLayer()],
  ['a shared layer', { ...memoryLayer(), shared: true }],
])('over %s, who is asked and shown what is none of the business of who has written', async (_name, layer) => {
  const { open } = serveActions(
    { follow: (ctx) => items.subscribe(ctx, {}), followPings: (ctx) => pings.subscribe(ctx) },
    { channels: { layer }, consumer: { permissions: [permission(() => (note(), true))] } },
  );
  const client = await open();
  await ask(client, 'follow', 1);
  await ask(client, 'followPings', 2);
  asked.length = 0;
  await current.run('the writer', async () => {
    const item = await Item.create({ room: 'a', text: 'x' });
    expect((await next(client))[0]?.[0]).toBe('create');
    await Item.sequelize?.transaction((transaction) => item.update({ text: 'y' }, { transaction }));
    expect((await next(client))[0]?.[0]).toBe('update');
    await item.destroy();
    expect((await next(client))[0]?.[0]).toBe('delete');
    emitter.emit('ping');
  });
  await client.receiveNothing();
  expect(asked.length).toBeGreaterThan(8);
  expect(new Set(asked)).toEqual(new Set([undefined]));
});
