import { modelObserver } from 'express-channels';

import { gate } from '../../support/serve.js';
import { ask, Item, next, serveActions, useItems } from './items.js';

useItems();

const items = modelObserver(Item, { serialize: ({ text }) => text });

it('a connection on which too many events wait for a running action is closed with 4008', async () => {
  const held = gate();
  const { open } = serveActions(
    { follow: (ctx) => items.subscribe(ctx), hold: () => held.passed },
    { channels: { limits: { maxQueuedEvents: 100 } } },
  );
  const [client, other] = [await open(), await open()];
  for (const one of [client, other]) await ask(one, 'follow', 1);
  client.send({ action: 'hold' });
  await client.receiveNothing();
  for (let round = 0; round < 3; round += 1) await Item.bulkCreate(Array.from({ length: 50 }, () => ({ room: 'a' })));
  expect(await client.closed).toBe(4008);
  expect(await next(other, 150)).toHaveLength(150);
  held.pass();
});

it('events that wait for a serialize that hangs are given up at last: all are told to read again, and later ones come', async () => {
  const [held, entered] = [gate(), gate()];
  const slow = modelObserver(Item, {
    serialize: async ({ text }) => {
      if (text === 'hangs') {
        entered.pass();
        await held.passed;
      }
      return text;
    },
  });
  const { open, errors } = serveActions({ follow: (ctx) => slow.subscribe(ctx) });
  const client = await open();
  await ask(client, 'follow', 1);
  await Item.create({ room: 'a', text: 'hangs' });
  await entered.passed;
  await Item.bulkCreate(Array.from({ length: 10_000 }, () => ({ room: 'a', text: 'behind' })));
  expect(await next(client)).toEqual([['resync', 1, 200]]);
  expect(errors.map(String)).toEqual([expect.stringContaining('its `serialize` may hang')]);
  await Item.create({ room: 'a', text: 'later' });
  held.pass();
  let last = await next(client);
  while (last[0]?.[2] === 'behind') last = await next(client);
  expect(last).toEqual([['create', 1, 'later']]);
});
