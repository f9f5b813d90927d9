import { EventEmitter } from 'node:events';

import { modelObserver, signalObserver } from 'express-channels';

import { DataTypes, Sequelize } from 'sequelize';

import * as sqlite from '../../../example-app/src/sqlite.js';
import { ask, Item, next, serveActions, useItems } from './items.js';

useItems();

const ofRooms = modelObserver(Item, {
  serialize: ({ id, room, text }) => ({ id, room, text }),
  groupsForSignal: ({ room }) => [`room ${room}`, 'all'],
  groupsForConsumer: ({ rooms }: { rooms: readonly string[] }) => rooms.map((room) => (room === '*' ? 'all' : `room ${room}`)),
});
const told: unknown[] = [];
const all = modelObserver(Item, { deliver: (_ctx, { action, requestIds }) => told.push([action, requestIds]) });

const { open, errors } = serveActions({
  follow: async (ctx, { rooms }) => (await ofRooms.subscribe(ctx, { rooms: rooms as string[] })).length,
  leave: async (ctx, { rooms }) => (await ofRooms.unsubscribe(ctx, { rooms: rooms as string[] })).length,
  followAll: (ctx, { options }) => all.subscribe(ctx, undefined, options as object),
  leaveAll: (ctx, { options }) => all.unsubscribe(ctx, undefined, options as object),
});

const inA = { rooms: ['a'] };

it('a change comes once for each request_id, of which 1 and "1" are two, however often it is subscribed to', async () => {
  const client = await open();
  for (const id of [1, '1', 1, true, '1']) await ask(client, 'follow', id, inA);
  const { id } = await Item.create({ room: 'a', text: 'x' });
  const data = { id, room: 'a', text: 'x' };
  expect(await next(client, 3)).toEqual([
    ['create', 1, data],
    ['create', '1', data],
    ['create', true, data],
  ]);
  await client.receiveNothing();
});

it('unsubscribing ends that request_id alone, or without one all of the connection, and what is not there is no error', async () => {
  const [client, other] = [await open(), await open()];
  for (const id of [1, 2, 3]) await ask(client, 'follow', id, inA);
  await ask(other, 'follow', 2, inA);
  await ask(client, 'leave', 2, inA);
  await ask(client, 'leave', 'nobody', inA);
  await ask(client, 'leave', 1, { rooms: ['elsewhere'] });
  await Item.create({ room: 'a' });
  expect((await next(client, 2)).map(([, id]) => id)).toEqual([1, 3]);
  await ask(client, 'leave', undefined, inA);
  await Item.create({ room: 'a' });
  await client.receiveNothing();
  expect((await next(other, 2)).map(([, id]) => id)).toEqual([2, 2]);
});

it.each([[[1]], [{ id: 1 }]])('a request_id %j is refused, and nothing is subscribed to', async (request_id) => {
  const client = await open();
  expect(await client.request({ action: 'follow', request_id, ...inA })).toMatchObject({
    response_status: 400,
    errors: [{ request_id: ['Expected a text, a number, true or false.'] }],
  });
  await Item.create({ room: 'a' });
  await client.receiveNothing();
});

it('a row in several groups of a subscription is told for each of them', async () => {
  const client = await open();
  await ask(client, 'follow', 1, { rooms: ['a', 'b', '*'] });
  await Item.create({ room: 'a' });
  expect((await next(client, 2)).map(([action]) => action)).toEqual(['create', 'create']);
  await Item.create({ room: 'c' });
  expect((await next(client)).map(([action]) => action)).toEqual(['create']);
  await client.receiveNothing();
});

it('a subscription without any id reaches deliver, with the ids of the others', async () => {
  const client = await open();
  await ask(client, 'followAll', 5, { options: { requestId: null } });
  await Item.create({ room: 'a' });
  await ask(client, 'followAll', 6, { options: { requestId: 'own' } });
  await Item.create({ room: 'a' });
  await ask(client, 'leaveAll', 6, { options: { requestId: null } });
  await Item.create({ room: 'a' });
  await client.receiveNothing();
  expect(told).toEqual([
    ['create', []],
    ['create', ['own']],
  ]);
});

it('a connection has at most 1,000 subscriptions with an observer: the next one is refused, in all of its groups', async () => {
  const client = await open();
  await ask(client, 'follow', 'many', { rooms: Array.from({ length: 999 }, (_, index) => `r${index}`) });
  expect(await client.request({ action: 'follow', request_id: 'two', rooms: ['a', 'b'] })).toMatchObject({
    response_status: 429,
    errors: ['There are too many subscriptions.'],
  });
  await Item.create({ room: 'a' });
  await client.receiveNothing();
  await ask(client, 'follow', 'one', inA);
  await Item.create({ room: 'a' });
  expect((await next(client)).map(([, id]) => id)).toEqual(['one']);
});

afterEach(() => {
  expect(errors.splice(0)).toEqual([]);
});

describe('what can not be meant is told', () => {
  const bad = (options: object) => options as never;
  const text = { type: DataTypes.STRING, primaryKey: true };
  it.each<[() => unknown, string]>([
    [
      () => modelObserver(Item, bad({ groupsForConsumer: () => [] })),
      'Expected `groupsForSignal` beside `groupsForConsumer`: one says where events go, the other where subscribers listen.',
    ],
    [
      () => modelObserver(Item, bad({ groups: () => [] })),
      'Unknown option `groups` for modelObserver(). Options are: name, serialize, groupsForSignal, groupsForConsumer, view, manyToMany, maxRows, snapshot, deliver.',
    ],
    [() => modelObserver(Item, bad({ serialize: 5 })), 'Expected `serialize` to be a function, got 5.'],
    [
      () => modelObserver(Item, { manyToMany: ['tags'] }),
      'Expected `manyToMany` to name many-to-many relations of Item (none), got tags.',
    ],
    [() => modelObserver(undefined as never), 'Expected a model of Sequelize after its `init` or `define`, got undefined.'],
    [() => modelObserver(bad({})), 'Expected a model of Sequelize after its `init` or `define`, got {}.'],
    [
      () => modelObserver(new Sequelize({ dialect: 'sqlite', dialectModule: sqlite }).define('Pair', { one: text, other: text })),
      'Expected Pair to have a primary key of one column, got one, other.',
    ],
    [() => signalObserver(bad({}), 'ping'), 'Expected the emitter to be an EventEmitter, got {}.'],
    [() => signalObserver(new EventEmitter(), ''), "Expected the signal to be the name of an event, got ''."],
    [
      () => [modelObserver(Item, { name: 'mine' }), signalObserver(new EventEmitter(), 'ping', { name: 'mine' })],
      "Expected `name` to be one that no other observer has, got 'mine' for the second time.",
    ],
  ])('%#: %s', (make, message) => {
    expect(make).toThrow(message);
  });

  it.each<[(observer: typeof ofRooms) => Promise<unknown>, string]>([
    [(observer) => observer.subscribe(bad({}), inA), 'Expected what subscribes to be the `ctx` of an action, got {}.'],
    [
      (observer) => observer.unsubscribe(undefined as never, inA),
      'Expected what subscribes to be the `ctx` of an action, got undefined.',
    ],
  ])('subscribing with no context: %#', async (subscribe, message) => {
    await expect(subscribe(ofRooms)).rejects.toThrow(message);
  });

  it.each<[Parameters<typeof serveActions>[0][string], string]>([
    [
      (ctx) => all.subscribe(ctx, undefined, bad({ snapshots: true })),
      'Unknown option `snapshots` for subscribe() and unsubscribe(). Options are: requestId, snapshot.',
    ],
    [
      (ctx) => all.subscribe(ctx, undefined, { snapshot: true }),
      'Expected the observer to have a `snapshot`, which the subscription asks for.',
    ],
    [
      (ctx) => ofRooms.subscribe(ctx, bad({ rooms: { map: () => 'room a' } })),
      "Expected `groupsForConsumer` of the observer of Item to return a list of texts or numbers, got 'room a'.",
    ],
    [
      (ctx) => ofRooms.subscribe(ctx, bad({ rooms: { map: () => [{}] } })),
      'Expected `groupsForConsumer` of the observer of Item to return a list of texts or numbers, got [ {} ].',
    ],
  ])('in an action: %#', async (act, message) => {
    const served = serveActions({ act });
    const client = await served.open();
    expect(await client.request({ action: 'act', request_id: 1 })).toMatchObject({ response_status: 500 });
    expect(served.errors.map(String)).toEqual([`TypeError: ${message}`]);
  });
});
