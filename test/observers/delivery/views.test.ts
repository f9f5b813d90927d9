import { modelObserver } from 'express-channels';

import { ask, CANARY, Item, nameOf, next, serveActions, useItems } from './items.js';

useItems();

let shown: [action: string, view: unknown][] = [];
const common = modelObserver(Item, {
  serialize: ({ text }, { action, view }) => {
    shown.push([action, view]);
    return text;
  },
});
const byRole = modelObserver(Item, {
  view: ({ scope }) => (nameOf(scope.user).startsWith('chief') ? 'chief' : 'staff'),
  serialize: ({ id, text, secret }, { action, view }) => {
    shown.push([action, view]);
    return view === 'chief' ? { id, text, secret } : { id, text };
  },
  snapshot: () => Item.findAll(),
});
const moving = modelObserver(Item, {
  view: () => 'staff',
  groupsForSignal: ({ room }) => [room, 'all'],
  groupsForConsumer: ({ room }: { room: string }) => [room],
  serialize: (_item, { action, view }) => `${action} for ${view}`,
});
let fails = false;
const broken = modelObserver(Item, {
  serialize: ({ text }) => text,
  view: ({ scope }) => {
    if (fails && nameOf(scope.user) === 'bad') throw new Error('no view');
    return nameOf(scope.user);
  },
});

const { open, errors } = serveActions({
  common: (ctx) => common.subscribe(ctx),
  byRole: (ctx) => byRole.subscribe(ctx),
  byRoleFromNow: (ctx) => byRole.subscribe(ctx, undefined, { snapshot: true }),
  moving: (ctx, { room }) => moving.subscribe(ctx, { room: String(room) }),
  broken: (ctx) => broken.subscribe(ctx),
});
const as = (user: string) => open({ headers: { 'x-user': user } });

beforeEach(() => {
  shown = [];
});

it('a row is shown once for each event, whatever the number of subscribers, request_ids and groups', async () => {
  const clients = await Promise.all(Array.from({ length: 20 }, () => open()));
  for (const client of clients) for (const id of [1, 2]) await ask(client, 'common', id);
  const item = await Item.create({ room: 'a', text: 'x' });
  await item.destroy();
  for (const client of clients) expect(await next(client, 4)).toHaveLength(4);
  expect(shown).toEqual([
    ['create', undefined],
    ['delete', undefined],
  ]);
});

it('with views it is shown once for each of them, and nobody sees that of another', async () => {
  const chiefs = [await as('chief 1'), await as('chief 2')];
  const staff = [await as('ann'), await as('bob'), await as('eve')];
  for (const client of [...chiefs, ...staff]) await ask(client, 'byRole', 1);
  const { id } = await Item.create({ room: 'a', text: 'x' });
  for (const client of chiefs) expect(await next(client)).toEqual([['create', 1, { id, text: 'x', secret: CANARY }]]);
  for (const client of staff) expect(await next(client)).toEqual([['create', 1, { id, text: 'x' }]]);
  expect(shown.filter(([, view]) => view !== undefined)).toHaveLength(2);
});

it('it is shown for what it is to each group: left, stayed in or entered', async () => {
  const [client] = [await as('ann')];
  for (const room of ['a', 'b', 'all']) await ask(client, 'moving', room, { room });
  const item = await Item.create({ room: 'a' });
  await next(client, 2);
  await item.update({ room: 'b' });
  expect(await next(client, 3)).toEqual([
    ['delete', 'a', { pk: item.id }],
    ['update', 'all', 'update for staff'],
    ['create', 'b', 'create for staff'],
  ]);
});

it('a state that a subscription begins with is shown by view as well', async () => {
  const { id } = await Item.create({ room: 'a', text: 'x' });
  const [chief, ann] = [await as('chief'), await as('ann')];
  for (const client of [chief, ann]) await ask(client, 'byRoleFromNow', 1);
  expect(await next(chief)).toEqual([['snapshot', 1, [{ id, text: 'x', secret: CANARY }]]]);
  expect(await next(ann)).toEqual([['snapshot', 1, [{ id, text: 'x' }]]]);
});

it('with views a deleted row is its key alone', async () => {
  const [chief, ann] = [await as('chief'), await as('ann')];
  for (const client of [chief, ann]) await ask(client, 'byRole', 1);
  const item = await Item.create({ room: 'a', text: 'x' });
  await item.destroy();
  for (const client of [chief, ann]) expect((await next(client, 2))[1]).toEqual(['delete', 1, { pk: item.id }]);
});

it('a view that fails is reported and concerns its connection alone, which is told to read again and goes on', async () => {
  const [bad, good] = [await as('bad'), await as('good')];
  for (const client of [bad, good]) await ask(client, 'broken', 1);
  fails = true;
  await Item.create({ room: 'a', text: 'x' });
  expect(await next(bad)).toEqual([['resync', 1, 200]]);
  expect(await next(good)).toEqual([['create', 1, 'x']]);
  fails = false;
  await Item.create({ room: 'a', text: 'y' });
  expect(await next(bad)).toEqual([['create', 1, 'y']]);
  expect(errors.map(String)).toEqual(['Error: no view']);
});
