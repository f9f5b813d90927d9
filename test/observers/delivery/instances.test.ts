import { crud, modelConsumer, modelSerializer } from 'express-channels';

import { gate, serve } from '../../support/serve.js';
import { ask, Item, next, useItems } from './items.js';

useItems();

const held = gate();
const serializer = modelSerializer(Item, { fields: ['pk', 'text'] });
const { open, errors, channels } = serve(
  modelConsumer(Item, {
    serializer,
    actions: {
      ...crud('subscribe_instance', 'unsubscribe_instance'),
      hold: () => held.passed,
      followAndDelete: async (ctx, args) => {
        await ctx.subscribeInstance(args, { snapshot: true });
        await Item.destroy({ where: { id: Number(args['pk']) } });
      },
      followFromNow: (ctx, args) => ctx.subscribeInstance(args, { snapshot: true }),
    },
  }),
);

it('a subscription needs a request_id that is no list and no object', async () => {
  const { id: pk } = await Item.create({ room: 'a' });
  const client = await open();
  expect(await client.request({ action: 'subscribe_instance', pk })).toMatchObject({
    response_status: 400,
    errors: [{ request_id: ['This field is required.'] }],
  });
  expect(await client.request({ action: 'subscribe_instance', request_id: {}, pk })).toMatchObject({ response_status: 400 });
});

it('a deleted row is told by its key, for each request_id, and unsubscribing from it afterwards is no error', async () => {
  const item = await Item.create({ room: 'a', text: 'x' });
  const other = await Item.create({ room: 'a' });
  const client = await open();
  for (const id of [1, '1', 2]) await ask(client, 'subscribe_instance', id, { pk: item.id });
  await ask(client, 'unsubscribe_instance', 2, { pk: item.id });
  await other.update({ text: 'y' });
  await item.destroy();
  const data = { pk: item.id };
  expect(await next(client, 2)).toEqual([
    ['delete', 1, data],
    ['delete', '1', data],
  ]);
  await ask(client, 'unsubscribe_instance', undefined, { pk: item.id });
  await ask(client, 'unsubscribe_instance', 5, { pk: 999 });
  await client.receiveNothing();
});

it('with a snapshot the state comes behind the answer, and again for whoever subscribes again', async () => {
  const item = await Item.create({ room: 'a', text: 'x' });
  const client = await open();
  for (const round of [1, 2]) {
    await ask(client, 'followFromNow', 1, { pk: item.id });
    expect(await next(client)).toEqual([['snapshot', 1, { pk: item.id, text: 'x' }]]);
    await item.update({ room: `room ${round}` });
    expect(await next(client)).toEqual([['update', 1, { pk: item.id, text: 'x' }]]);
  }
  await client.receiveNothing();
});

it('a row that is there again under its key is a create', async () => {
  const { id: pk } = await Item.create({ room: 'a', text: 'x' });
  const client = await open();
  await ask(client, 'subscribe_instance', 1, { pk });
  await Item.destroy({ where: { id: pk } });
  await Item.create({ id: pk, room: 'a', text: 'y' });
  expect(await next(client, 2)).toEqual([
    ['delete', 1, { pk }],
    ['create', 1, { pk, text: 'y' }],
  ]);
});

it('the state of a row that has gone since the subscription is a delete, told once', async () => {
  const item = await Item.create({ room: 'a' });
  const client = await open();
  client.send({ action: 'followAndDelete', request_id: 1, pk: item.id });
  expect(await next(client, 2)).toEqual([
    ['followAndDelete', 1, 204],
    ['delete', 1, { pk: item.id }],
  ]);
  await client.receiveNothing();
});

it('no state is sent to whoever has unsubscribed before its turn came', async () => {
  const { id: pk } = await Item.create({ room: 'a', text: 'x' });
  const client = await open();
  client.send({ action: 'hold' });
  client.send({ action: 'followFromNow', request_id: 1, pk });
  client.send({ action: 'unsubscribe_instance', request_id: 1, pk });
  await client.receiveNothing();
  held.pass();
  expect((await next(client, 3)).map(([action]) => action)).toEqual(['hold', 'followFromNow', 'unsubscribe_instance']);
  await client.receiveNothing();
});

it('notify tells of rows that were written past the ORM, in a transaction once it is committed, and of unknown keys as deleted', async () => {
  const item = await Item.create({ room: 'a', text: 'x' });
  const client = await open();
  await ask(client, 'subscribe_instance', 1, { pk: item.id });
  const write = (text: string) =>
    Item.sequelize?.query('UPDATE items SET text = ? WHERE id = ?', { replacements: [text, item.id] });
  await write('raw');
  channels.notify(Item, [item.id, 12_345]);
  expect(await next(client)).toEqual([['update', 1, { pk: item.id, text: 'raw' }]]);
  const transaction = await Item.sequelize?.transaction();
  await write('in a transaction');
  channels.notify(Item, [item.id], { transaction });
  await client.receiveNothing();
  await transaction?.commit();
  expect(await next(client)).toEqual([['update', 1, { pk: item.id, text: 'in a transaction' }]]);
  await Item.sequelize?.query('DELETE FROM items');
  channels.notify(Item, [item.id]);
  expect(await next(client)).toEqual([['delete', 1, { pk: item.id }]]);
});

it('subscribing without the action subscribe_instance is told to the developer', async () => {
  const plain = serve(modelConsumer(Item, { serializer, actions: { follow: (ctx, args) => ctx.subscribeInstance(args) } }));
  const client = await plain.open();
  expect(await client.request({ action: 'follow', request_id: 1, pk: 1 })).toMatchObject({ response_status: 500 });
  expect(plain.errors.map(String)).toEqual([
    "TypeError: Expected the consumer of Item to have ...crud('subscribe_instance') among its actions.",
  ]);
});

afterEach(() => {
  expect(errors).toEqual([]);
});
