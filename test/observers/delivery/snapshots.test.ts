import { modelObserver } from 'express-channels';

import { gate } from '../../support/serve.js';
import { ask, Item, next, serveActions, useItems } from './items.js';

useItems();

let [asked, held] = [gate(), gate()];
let isSlow = false;
beforeEach(() => {
  [asked, held] = [gate(), gate()];
  isSlow = false;
});
let fails = false;
const items = modelObserver(Item, {
  serialize: ({ id, text }) => `${id} ${text}`,
  snapshot: async () => {
    const rows = await Item.findAll();
    asked.pass();
    if (isSlow) await held.passed;
    if (fails) throw new Error('no state');
    return rows;
  },
});
const { open, errors } = serveActions({
  follow: (ctx) => items.subscribe(ctx, undefined, { snapshot: true }),
  leave: (ctx) => items.unsubscribe(ctx),
});

it('the answer comes first, then the state, then what changes', async () => {
  await Item.create({ room: 'a', text: 'x' });
  const client = await open();
  await ask(client, 'follow', 1);
  await Item.create({ room: 'a', text: 'y' });
  expect(await next(client, 2)).toEqual([
    ['snapshot', 1, ['1 x']],
    ['create', 1, '2 y'],
  ]);
});

it('what happens while the state is read is read again, and told behind it', async () => {
  const item = await Item.create({ room: 'a', text: 'old' });
  isSlow = true;
  const client = await open();
  await ask(client, 'follow', 1);
  await asked.passed;
  await item.update({ text: 'newer' });
  await item.update({ text: 'newest' });
  held.pass();
  expect(await next(client, 3)).toEqual([
    ['snapshot', 1, ['1 old']],
    ['update', 1, '1 newest'],
    ['update', 1, '1 newest'],
  ]);
});

it('a state that can not be read is reported, and the client told to read by itself', async () => {
  fails = true;
  const client = await open();
  await ask(client, 'follow', 1);
  expect(await next(client)).toEqual([['resync', 1, 200]]);
  fails = false;
  expect(errors.map(String)).toEqual(['Error: no state']);
  await Item.create({ room: 'a', text: 'x' });
  expect(await next(client)).toEqual([['create', 1, '1 x']]);
});
