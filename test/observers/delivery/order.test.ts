import { EventEmitter } from 'node:events';

import { modelObserver, signalObserver } from 'express-channels';

import { gate } from '../../support/serve.js';
import { ask, Item, nameOf, next, serveActions, useItems } from './items.js';

useItems();

let show: (item: Item) => unknown = ({ text }) => text;
let groups: (item: Item) => Iterable<string> = ({ room }) => [room];
const items = modelObserver(Item, {
  serialize: (item) => show(item),
  groupsForSignal: (item) => groups(item),
  groupsForConsumer: ({ room }: { room: string }) => [room],
});
const plain = modelObserver(Item);
const pings = new EventEmitter();
let held = gate();

const { open, errors } = serveActions({
  follow: (ctx, { room }) => items.subscribe(ctx, { room: String(room) }),
  leave: (ctx, { room }) => items.unsubscribe(ctx, { room: String(room) }),
  followPlain: (ctx) => plain.subscribe(ctx),
  followAndWrite: async (ctx, { room }) => {
    await items.subscribe(ctx, { room: String(room) });
    await Item.create({ room: String(room), text: 'own' });
    return 'done';
  },
  hold: () => held.passed,
});

beforeEach(() => {
  show = ({ text }) => text;
  groups = ({ room }) => [room];
  held = gate();
});

it('the answer of an action comes before the events of what it did', async () => {
  const client = await open();
  client.send({ action: 'followAndWrite', request_id: 1, room: 'a' });
  expect(await next(client, 2)).toEqual([
    ['followAndWrite', 1, 'done'],
    ['create', 1, 'own'],
  ]);
});

it('the group that a row has left is told its key alone, the one that it stays in an update, the one that it enters a create', async () => {
  groups = ({ room }) => [room, 'every'];
  const client = await open();
  for (const room of ['a', 'b', 'every']) await ask(client, 'follow', room, { room });
  const item = await Item.create({ room: 'a', text: 'x' });
  await next(client, 2);
  await item.update({ room: 'b', text: 'y' });
  expect(await next(client, 3)).toEqual([
    ['delete', 'a', { pk: item.id }],
    ['update', 'every', 'y'],
    ['create', 'b', 'y'],
  ]);
  await Item.update({ room: 'a' }, { where: { text: 'y' } });
  expect(await next(client, 3)).toEqual([
    ['delete', 'b', { pk: item.id }],
    ['update', 'every', 'y'],
    ['create', 'a', 'y'],
  ]);
});

it('what moved twice in one transaction was never in between; moved and deleted, it was never where it went', async () => {
  const client = await open();
  for (const room of ['a', 'b', 'c']) await ask(client, 'follow', room, { room });
  const item = await Item.create({ room: 'a' });
  await next(client);
  await Item.sequelize?.transaction(async (transaction) => {
    await item.update({ room: 'b' }, { transaction });
    await item.update({ room: 'c', text: 'there' }, { transaction });
  });
  expect(await next(client, 2)).toEqual([
    ['delete', 'a', { pk: item.id }],
    ['create', 'c', 'there'],
  ]);
  await Item.sequelize?.transaction(async (transaction) => {
    await item.update({ room: 'b', text: 'private' }, { transaction });
    await item.destroy({ transaction });
  });
  expect(await next(client)).toEqual([['delete', 'c', { pk: item.id }]]);
  await client.receiveNothing();
});

it('a deleted row is shown as it was last', async () => {
  const client = await open();
  await ask(client, 'follow', 1, { room: 'a' });
  const item = await Item.create({ room: 'a', text: 'first' });
  await item.update({ text: 'last' });
  await item.destroy();
  expect(await next(client, 3)).toEqual([
    ['create', 1, 'first'],
    ['update', 1, 'last'],
    ['delete', 1, 'last'],
  ]);
});

it('a slow serialize does not change the order', async () => {
  const slow = gate();
  show = async ({ text }) => {
    if (text === 'slow') await slow.passed;
    return text;
  };
  const client = await open();
  await ask(client, 'follow', 1, { room: 'a' });
  for (const text of ['slow', 'fast', 'last']) await Item.create({ room: 'a', text });
  await client.receiveNothing();
  slow.pass();
  expect((await next(client, 3)).map(([, , data]) => data)).toEqual(['slow', 'fast', 'last']);
});

it('nothing comes once unsubscribing is answered, not even what was on its way; what came before the subscription never does', async () => {
  const client = await open();
  await ask(client, 'follow', 1, { room: 'a' });
  // All of it waits for the action that runs.
  client.send({ action: 'hold' });
  client.send({ action: 'leave', request_id: 1, room: 'a' });
  client.send({ action: 'follow', request_id: 2, room: 'a' });
  await client.receiveNothing();
  await Item.create({ room: 'a', text: 'too late, or too early' });
  held.pass();
  expect((await next(client, 3)).map(([action]) => action)).toEqual(['hold', 'leave', 'follow']);
  await Item.create({ room: 'a', text: 'now' });
  expect(await next(client)).toEqual([['create', 2, 'now']]);
});

it('what serialize throws is reported, and its subscribers are told to read again; later events come as ever', async () => {
  show = ({ text }) => {
    if (text === 'bad') throw new Error('not to be shown');
    return text;
  };
  const [client, elsewhere] = [await open(), await open()];
  for (const id of [1, 2]) await ask(client, 'follow', id, { room: 'a' });
  await ask(elsewhere, 'follow', 1, { room: 'b' });
  for (const text of ['good', 'bad', 'better']) await Item.create({ room: 'a', text });
  expect(await next(client, 6)).toEqual([
    ['create', 1, 'good'],
    ['create', 2, 'good'],
    ['resync', 1, 200],
    ['resync', 2, 200],
    ['create', 1, 'better'],
    ['create', 2, 'better'],
  ]);
  await elsewhere.receiveNothing();
  expect(errors.splice(0).map(String)).toEqual(['Error: not to be shown']);
});

it('what groupsForSignal throws is reported, and all its subscribers are told to read again; other observers hear of the event', async () => {
  groups = ({ room, text }) => {
    if (text === 'bad') throw new Error('of no group');
    return [room];
  };
  const client = await open();
  await ask(client, 'follow', 1, { room: 'a' });
  // Once for a request_id, whatever the number of its groups.
  for (const room of ['b', 'c']) await ask(client, 'follow', 2, { room });
  await ask(client, 'followPlain', 3);
  await Item.bulkCreate([
    { room: 'a', text: 'bad' },
    { room: 'a', text: 'good' },
  ]);
  const frames = (await next(client, 5)).map(([action, id]) => `${String(action)} ${String(id)}`);
  expect(frames.sort()).toEqual(['create 1', 'create 3', 'create 3', 'resync 1', 'resync 2']);
  await client.receiveNothing();
  expect(errors.splice(0).map(String)).toEqual(['Error: of no group']);
});

it('a deliver that fails is reported, and others get the event', async () => {
  const own = modelObserver(Item, {
    deliver: (ctx, { pk }) => {
      if (nameOf(ctx.scope.user) === 'bad') throw new Error('can not deliver');
      ctx.reply(pk, { action: 'own' });
    },
  });
  const served = serveActions({ follow: (ctx) => own.subscribe(ctx) });
  const [bad, good] = [await served.open({ headers: { 'x-user': 'bad' } }), await served.open()];
  await ask(bad, 'follow', 1);
  await ask(good, 'follow', 1);
  const { id } = await Item.create({ room: 'a' });
  expect(await next(good)).toEqual([['own', null, id]]);
  await bad.receiveNothing();
  expect(served.errors.map(String)).toEqual(['Error: can not deliver']);
});

it('deliver is not called for who has unsubscribed before its turn came', async () => {
  let delivered = 0;
  const own = modelObserver(Item, { deliver: () => (delivered += 1) });
  const served = serveActions({
    follow: (ctx) => own.subscribe(ctx),
    hold: () => held.passed,
    leave: (ctx) => own.unsubscribe(ctx),
  });
  const client = await served.open();
  await ask(client, 'follow', 1);
  client.send({ action: 'hold' });
  client.send({ action: 'leave', request_id: 1 });
  await client.receiveNothing();
  await Item.create({ room: 'a' });
  held.pass();
  await next(client, 2);
  await client.receiveNothing();
  expect(delivered).toBe(0);
});

describe('signals', () => {
  const heard = signalObserver<[to: string, text: string], { to: string }, string>(pings, 'ping', {
    serialize: (_to, text) => {
      if (text === 'bad') throw new Error('no ping');
      return text;
    },
    groupsForSignal: (to) => [to],
    groupsForConsumer: ({ to }) => [to],
  });
  const served = serveActions({ follow: (ctx, { to }) => heard.subscribe(ctx, { to: String(to) }) });

  it('go to their groups, at once and inside of a transaction that is rolled back', async () => {
    const [one, other] = [await served.open(), await served.open()];
    await ask(one, 'follow', 1, { to: 'one' });
    await ask(other, 'follow', 1, { to: 'other' });
    const transaction = await Item.sequelize?.transaction();
    pings.emit('ping', 'one', 'hello');
    expect(await next(one)).toEqual([['ping', 1, 'hello']]);
    await transaction?.rollback();
    await other.receiveNothing();
  });

  it('whose serialize fails do not concern the emitter, and their subscribers are told', async () => {
    const client = await served.open();
    await ask(client, 'follow', 1, { to: 'one' });
    expect(() => pings.emit('ping', 'one', 'bad')).not.toThrow();
    // Nobody there is told of this one: it is not even shown.
    expect(() => pings.emit('ping', 'nobody', 'bad')).not.toThrow();
    pings.emit('ping', 'one', 'good');
    expect(await next(client, 2)).toEqual([
      ['resync', 1, 200],
      ['ping', 1, 'good'],
    ]);
    expect(served.errors.map(String)).toContain('Error: no ping');
  });
});
