import { modelObserver } from 'express-channels';
import { ask, Item, next, serveActions, useItems } from '../observers/delivery/items.js';

useItems();

const inRooms = modelObserver(Item, {
  serialize: ({ text }) => text,
  // Whatever the room is, it makes a name of a group.
  groupsForSignal: ({ room }) => [`room ${room}`],
  groupsForConsumer: ({ room }: { room: string }) => [`room ${room}`],
});
const all = modelObserver(Item, { serialize: ({ text }) => text });

const { open, channels } = serveActions({
  follow: (ctx, { room }) => inRooms.subscribe(ctx, { room: String(room) }),
  followAll: (ctx) => all.subscribe(ctx),
});

/** A row that no observer has seen, and that is gone. */
async function gone(): Promise<number> {
  const { id } = await Item.create({ room: 'a', text: 'x' }, { hooks: false });
  await Item.destroy({ where: { id }, hooks: false });
  return id;
}

test('notify of a deleted row of which the groups are not known has subscribers of groups read again', async () => {
  const client = await open();
  await ask(client, 'follow', 1, { room: 'a' });
  channels.notify(Item, [await gone()]);
  expect(await next(client)).toEqual([['resync', 1, 200]]);
});

test('notify of a deleted row is a delete for subscribers without groups', async () => {
  const client = await open();
  await ask(client, 'followAll', 1);
  channels.notify(Item, [await gone()]);
  const [[action, requestId] = []] = await next(client);
  expect([action, requestId]).toEqual(['delete', 1]);
});

test('notify of a deleted row that was published before comes to the subscribers of its group', async () => {
  const client = await open();
  await ask(client, 'follow', 1, { room: 'a' });
  const { id } = await Item.create({ room: 'a', text: 'x' });
  expect(await next(client)).toEqual([['create', 1, 'x']]);
  await Item.destroy({ where: { id }, hooks: false });
  channels.notify(Item, [id]);
  const [[action, requestId] = []] = await next(client);
  expect([
    ['delete', 1],
    ['resync', 1],
  ]).toContainEqual([action, requestId]);
});
