import { type ChannelLayer, memoryLayer, modelObserver } from 'express-channels';
import type { Sequelize } from 'sequelize';

import { ask, Item, next, serveActions, useItems } from './items.js';

useItems();

const one = modelObserver(Item, { serialize: ({ text }) => text });
const other = modelObserver(Item, {
  groupsForSignal: ({ room }) => [room],
  groupsForConsumer: (_args: object) => ['a'],
  serialize: ({ text }) => text,
});
const shared: ChannelLayer = { ...memoryLayer(), shared: true };
const { open } = serveActions(
  { follow: (ctx) => one.subscribe(ctx), followOther: (ctx) => other.subscribe(ctx, {}) },
  { channels: { layer: shared } },
);

/** How many SELECTs come until some frames have. */
async function selects(sequelize: Sequelize | undefined, until: () => Promise<unknown>): Promise<number> {
  let count = 0;
  sequelize?.addHook('afterQuery', 'count', (_options, query) => {
    if ('sql' in query && String(query.sql).startsWith('SELECT')) count += 1;
  });
  await until();
  sequelize?.removeHook('afterQuery', 'count');
  return count;
}

it('where other processes write as well, all rows of a transaction are read together, for all observers', async () => {
  const client = await open();
  await ask(client, 'follow', 1);
  await ask(client, 'followOther', 2);
  const texts = Array.from({ length: 50 }, (_, index) => `text ${String(index)}`);
  const count = await selects(Item.sequelize, async () => {
    await Item.bulkCreate(texts.map((text) => ({ room: 'a', text })));
    const frames = await next(client, 100);
    for (const id of [1, 2]) expect(frames.filter(([, requestId]) => requestId === id).map(([, , text]) => text)).toEqual(texts);
  });
  // By the observing itself, and again for what others may have written since.
  expect(count).toBeLessThanOrEqual(3);
});
