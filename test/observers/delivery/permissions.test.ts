import { crud, expressPermission, modelConsumer, modelObserver, modelSerializer, permission } from 'express-channels';

import { gate, serve } from '../../support/serve.js';
import { ask, CANARY, Item, nameOf, next, serveActions, useItems } from './items.js';

useItems();

const allowed = new Set<string>();
beforeEach(() => {
  allowed.clear();
  for (const name of ['ann', 'bob']) allowed.add(name);
});
const as = (user: string) => ({ headers: { 'x-user': user } });

const items = modelObserver(Item, { serialize: ({ text }) => text });
const actions = {
  follow: (ctx: Parameters<typeof items.subscribe>[0]) => items.subscribe(ctx),
  followToo: (ctx: Parameters<typeof items.subscribe>[0]) => items.subscribe(ctx),
};
const rule = permission(({ scope, action, args }) => {
  if (args['strict'] === true && !allowed.has('strict')) return false;
  return action === 'followToo' || allowed.has(nameOf(scope.user));
});

describe.each([
  ['a rule', rule],
  ['a rule that takes its time', permission(async (request) => Promise.resolve(rule.action(request)))],
  [
    'an Express middleware',
    expressPermission((req, res, proceed) => {
      if (allowed.has(nameOf(Reflect.get(req, 'user')))) proceed();
      else res.writeHead(403).end();
    }),
  ],
])('with %s', (_name, permissions) => {
  const served = serveActions(actions, { consumer: { permissions: [permissions] } });

  it('who is no longer allowed gets one frame 403 in place of the event, and nothing after it; the others go on', async () => {
    const [ann, bob] = [await served.open(as('ann')), await served.open(as('bob'))];
    await ask(ann, 'follow', 1);
    await ask(bob, 'follow', 1);
    await Item.create({ room: 'a', text: 'for both' });
    expect(await next(ann)).toEqual([['create', 1, 'for both']]);
    allowed.delete('ann');
    await Item.create({ room: 'a', text: CANARY });
    expect(await ann.receive()).toMatchObject({ action: 'follow', request_id: 1, response_status: 403, data: null });
    expect(await next(bob, 2)).toEqual([
      ['create', 1, 'for both'],
      ['create', 1, CANARY],
    ]);
    allowed.add('ann');
    await Item.create({ room: 'a', text: 'later' });
    expect(await next(bob)).toEqual([['create', 1, 'later']]);
    await ann.receiveNothing();
    expect(served.errors).toEqual([]);
  });
});

it('it is asked for the action that subscribed, with its arguments: another subscription of the connection goes on', async () => {
  const { open } = serveActions(actions, { consumer: { permissions: [rule] } });
  const ann = await open(as('ann'));
  allowed.add('strict');
  await ask(ann, 'follow', 1);
  await ask(ann, 'followToo', 2);
  await ask(ann, 'follow', 3, { strict: true });
  allowed.delete('strict');
  await Item.create({ room: 'a', text: 'x' });
  const frames = [await ann.receive(), await ann.receive(), await ann.receive()];
  const statuses = frames.map(({ request_id, response_status }) => [request_id, response_status]);
  expect(statuses.sort()).toEqual([
    [1, 200],
    [2, 200],
    [3, 403],
  ]);
});

it('what an application sends by itself goes to those that may have it alone, however long the rule takes', async () => {
  const own = modelObserver(Item, {
    serialize: ({ text }) => text,
    deliver: (ctx, { body, requestIds }) => {
      ctx.send({ body, requestIds });
    },
  });
  const slow = permission(async (request) => Promise.resolve(rule.action(request)));
  const { open } = serveActions({ follow: (ctx) => own.subscribe(ctx) }, { consumer: { permissions: [slow] } });
  const ann = await open(as('ann'));
  allowed.add('strict');
  await ask(ann, 'follow', 1);
  await ask(ann, 'follow', 2, { strict: true });
  allowed.delete('strict');
  await Item.create({ room: 'a', text: 'x' });
  expect(await ann.receive()).toMatchObject({ action: 'follow', request_id: 2, response_status: 403 });
  expect(await ann.receive()).toEqual({ body: 'x', requestIds: [1] });
  await ann.receiveNothing();
});

it('who is refused is told so once for all groups of the subscription; one of another action goes on under the same id', async () => {
  const inRooms = modelObserver(Item, {
    serialize: ({ text }) => text,
    groupsForSignal: ({ room }) => [room],
    groupsForConsumer: ({ rooms }: { rooms: readonly string[] }) => rooms,
  });
  const { open } = serveActions(
    {
      follow: (ctx) => inRooms.subscribe(ctx, { rooms: ['a', 'b'] }),
      followToo: (ctx) => inRooms.subscribe(ctx, { rooms: ['c'] }),
    },
    { consumer: { permissions: [rule] } },
  );
  const ann = await open(as('ann'));
  await ask(ann, 'follow', 1);
  await ask(ann, 'followToo', 1);
  allowed.delete('ann');
  for (const room of ['a', 'b', 'c']) await Item.create({ room, text: room });
  expect(await next(ann, 2)).toEqual([
    ['follow', 1, 403],
    ['create', 1, 'c'],
  ]);
  await ann.receiveNothing();
});

it('a permission that fails ends the subscription as well, and is reported', async () => {
  let isBroken = false;
  const broken = permission(() => {
    if (isBroken) throw new Error('no database');
    return true;
  });
  const { open, errors } = serveActions(actions, { consumer: { permissions: [broken] } });
  const client = await open();
  await ask(client, 'follow', 1);
  isBroken = true;
  await Item.create({ room: 'a', text: CANARY });
  expect(await client.receive()).toMatchObject({ request_id: 1, response_status: 500, data: null });
  expect(errors.map(String)).toEqual(['Error: no database']);
});

it('what is unsubscribed while its permission is asked gets nothing any more', async () => {
  const [asked, held] = [gate(), gate()];
  let isSlow = false;
  const slow = permission(async ({ action }) => {
    if (isSlow && action === 'follow') {
      asked.pass();
      await held.passed;
    }
    return true;
  });
  const contexts: Parameters<typeof items.subscribe>[0][] = [];
  const { open } = serveActions(
    { follow: (ctx) => (contexts.push(ctx), items.subscribe(ctx)) },
    { consumer: { permissions: [slow] } },
  );
  const client = await open();
  await ask(client, 'follow', 1);
  isSlow = true;
  await Item.create({ room: 'a' });
  await asked.passed;
  for (const ctx of contexts) await items.unsubscribe(ctx);
  held.pass();
  await client.receiveNothing();
});

describe('a narrow queryset, by the scope of each subscriber', () => {
  const { open, errors } = serve(
    modelConsumer(Item, {
      serializer: modelSerializer(Item, { fields: ['pk', 'text'] }),
      queryset: ({ scope }) => ({ where: { room: nameOf(scope.user) } }),
      actions: crud('subscribe_instance', 'unsubscribe_instance'),
    }),
  );

  it('a row that leaves it is deleted, once, one that comes back created', async () => {
    const item = await Item.create({ room: 'ann', text: 'mine' });
    const [ann, bob] = [await open(as('ann')), await open(as('bob'))];
    await ask(ann, 'subscribe_instance', 1, { pk: item.id });
    expect(await bob.request({ action: 'subscribe_instance', request_id: 1, pk: item.id })).toMatchObject({
      response_status: 404,
    });
    await item.update({ room: 'bob', text: CANARY });
    await item.update({ text: `${CANARY} again` });
    expect(await ann.receive()).toMatchObject({ action: 'delete', request_id: 1, response_status: 204, data: { pk: item.id } });
    await item.update({ room: 'ann', text: 'back' });
    expect(await next(ann)).toEqual([['create', 1, { pk: item.id, text: 'back' }]]);
    await item.update({ text: 'still' });
    expect(await next(ann)).toEqual([['update', 1, { pk: item.id, text: 'still' }]]);
    await item.destroy();
    expect(await next(ann)).toEqual([['delete', 1, { pk: item.id }]]);
    await ann.receiveNothing();
    await bob.receiveNothing();
    expect(errors).toEqual([]);
  });

  it('a state that is not there any more is a delete, and what comes back is created', async () => {
    const item = await Item.create({ room: 'ann', text: 'x' });
    const ann = await open(as('ann'));
    await ask(ann, 'subscribe_instance', 1, { pk: item.id });
    await item.update({ room: 'bob' });
    await next(ann);
    await item.update({ room: 'ann' });
    expect(await next(ann)).toEqual([['create', 1, { pk: item.id, text: 'x' }]]);
  });
});

describe('a row that is found by another column', () => {
  const { open } = serve(
    modelConsumer(Item, {
      serializer: modelSerializer(Item, { fields: ['pk', 'text'] }),
      lookupField: 'text',
      actions: crud('subscribe_instance', 'unsubscribe_instance'),
    }),
  );

  it.each(['old', 'new'])('is followed whatever it is called, and left by its %s name', async (name) => {
    const item = await Item.create({ room: 'a', text: 'old' });
    const client = await open();
    await ask(client, 'subscribe_instance', 1, { text: 'old' });
    await item.update({ text: 'new' });
    await item.update({ room: 'b' });
    expect(await next(client, 2)).toEqual([
      ['update', 1, { pk: item.id, text: 'new' }],
      ['update', 1, { pk: item.id, text: 'new' }],
    ]);
    await ask(client, 'unsubscribe_instance', 1, { text: name });
    await item.update({ room: 'c' });
    await client.receiveNothing();
  });
});
