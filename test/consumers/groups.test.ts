import express from 'express';
import { action, createChannels, defineConsumer, dispatch, memoryLayer } from 'express-channels';
import { connect } from 'express-channels/testing';

import { gate, serve } from '../support/serve.js';
import { until } from '../support/socket-client.js';

const room = () =>
  defineConsumer({
    actions: {
      join: (ctx, { group }) => ctx.join(String(group)),
      leave: (ctx, { group }) => ctx.leave(String(group)),
      echo: (_ctx, args) => args,
    },
    on: { said: (ctx, { text }) => { ctx.reply(text, { action: 'said' }); } }, // prettier-ignore
  });

test('a message reaches the connections that have joined its group, from an HTTP handler too', async () => {
  const app = express();
  const channels = createChannels(app);
  app.post('/say', (_req, res, next) => {
    channels.groupSend('a', { type: 'said', text: 'hello' }).then(() => res.sendStatus(204), next);
  });
  channels.route('/ws', room());
  const [one, two, none] = [await connect(channels, '/ws'), await connect(channels, '/ws'), await connect(channels, '/ws')];
  await one.request({ action: 'join', group: 'a' });
  await two.request({ action: 'join', group: 'a' });
  await none.request({ action: 'join', group: 'b' });
  expect((await dispatch(app, { method: 'POST', url: '/say' })).status).toBe(204);
  const said = { errors: [], data: 'hello', action: 'said', response_status: 200, request_id: null };
  expect([await one.receive(), await two.receive()]).toEqual([said, said]);
  await none.receiveNothing();
  await one.request({ action: 'leave', group: 'a' });
  await channels.groupSend('a', { type: 'said', text: 'again' });
  expect(await two.receive()).toMatchObject({ data: 'again' });
  await one.receiveNothing();
  await channels.close();
});

test('messages come in the order in which they were sent, and wait for the frame before them', async () => {
  const { passed, pass } = gate();
  const busy = gate();
  const { channels, open } = serve(
    defineConsumer({
      connect: (ctx) => ctx.join('a'),
      actions: {
        slow: async () => {
          busy.pass();
          await passed;
          return 'slow';
        },
        fast: () => 'fast',
      },
      on: { said: (ctx, { n }) => { ctx.send({ n }); } }, // prettier-ignore
    }),
  );
  const client = await open();
  client.send({ action: 'slow' });
  await busy.passed;
  for (const n of [1, 2, 3]) await channels.groupSend('a', { type: 'said', n });
  client.send({ action: 'fast' });
  await client.receiveNothing();
  pass();
  const got = [];
  for (let left = 5; left > 0; left -= 1) got.push(await client.receive());
  expect(got.map(({ data, n }) => data ?? n)).toEqual(['slow', 1, 2, 3, 'fast']);
});

test('a flood of messages while frames wait does not stop the socket', async () => {
  const { passed, pass } = gate();
  const { channels, open } = serve(
    defineConsumer({
      connect: (ctx) => ctx.join('a'),
      actions: { slow: () => passed, fast: () => 'fast' },
      on: { tick: () => passed },
    }),
    { limits: { maxQueuedFrames: 4 } },
  );
  const client = await open();
  client.send({ action: 'slow' });
  await client.receiveNothing();
  for (let n = 0; n < 20; n += 1) await channels.groupSend('a', { type: 'tick' });
  for (let n = 0; n < 20; n += 1) client.send({ action: 'fast' });
  for (let n = 0; n < 20; n += 1) await channels.groupSend('a', { type: 'tick' });
  pass();
  expect(await client.receive()).toMatchObject({ action: 'slow', response_status: 204 });
  for (let n = 0; n < 20; n += 1) expect(await client.receive()).toMatchObject({ data: 'fast' });
  expect(await client.request({ action: 'fast' })).toMatchObject({ data: 'fast' });
});

test('a handler that fails and a message that has none are reported, and the socket stays', async () => {
  const { channels, errors, open } = serve(
    defineConsumer({
      connect: (ctx) => ctx.join('a'),
      actions: { act: () => 'alive' },
      on: {
        throws: () => {
          throw new Error('sync');
        },
        rejects: () => Promise.reject(new Error('async')),
      },
    }),
  );
  const client = await open();
  for (const type of ['throws', 'rejects', 'unknown', 'constructor']) await channels.groupSend('a', { type });
  expect(await client.request({ action: 'act' })).toMatchObject({ data: 'alive' });
  const missing = (type: string) => new TypeError(`There is no handler \`on.${type}\` for a message to a group.`);
  expect(errors).toEqual([new Error('sync'), new Error('async'), missing('unknown'), missing('constructor')]);
});

test('each consumer handles a message of one type in its own way', async () => {
  const joined = (label: string) =>
    defineConsumer({ connect: (ctx) => ctx.join('a'), on: { said: (ctx) => { ctx.send({ label }); } } }); // prettier-ignore
  const channels = createChannels().route('/one', joined('one')).route('/two', joined('two'));
  const [one, two] = [await connect(channels, '/one'), await connect(channels, '/two')];
  await channels.groupSend('a', { type: 'said' });
  expect([await one.receive(), await two.receive()]).toEqual([{ label: 'one' }, { label: 'two' }]);
  await channels.close();
});

test('leaving a group that was not joined does nothing', async () => {
  const client = await serve(room()).open();
  expect(await client.request({ action: 'leave', group: 'a' })).toMatchObject({ response_status: 204 });
});

test('two servers share the groups of one layer', async () => {
  const layer = memoryLayer();
  const [here, there] = [serve(room(), { layer }), serve(room(), { layer })];
  const client = await there.open();
  await client.request({ action: 'join', group: 'a' });
  await here.channels.groupSend('a', { type: 'said', text: 'far' });
  expect(await client.receive()).toMatchObject({ data: 'far' });
});

test('a message that is not ours, from another user of the layer, is left alone', async () => {
  const layer = memoryLayer();
  const { errors, open } = serve(room(), { layer });
  const client = await open();
  await client.request({ action: 'join', group: 'a' });
  for (const text of ['1', 'null', '[]', '{}', '{"type": 1}']) await layer.send('a', text);
  expect(await client.request({ action: 'echo' })).toMatchObject({ data: {} });
  expect(errors).toEqual([]);
});

test('a connection that has gone is in no group, also if an action joins one late', async () => {
  const inner = memoryLayer();
  const present = new Set<unknown>();
  const { passed, pass } = gate();
  const done = gate();
  const layer: typeof inner = {
    ...inner,
    join: (group, receiver) => inner.join(group, receiver).then(() => void present.add(group)),
    leave: (group, receiver) => inner.leave(group, receiver).then(() => void present.delete(group)),
  };
  const { open } = serve(
    defineConsumer({
      connect: (ctx) => ctx.join('early'),
      actions: {
        late: action(
          async (ctx) => {
            await passed;
            await ctx.join('late');
            done.pass();
          },
          { detached: true },
        ),
      },
    }),
    { layer },
  );
  const client = await open();
  client.send({ action: 'late' });
  await client.receiveNothing();
  expect([...present]).toEqual(['early']);
  await client.close();
  await until(() => present.size === 0);
  pass();
  await done.passed;
  expect([...present]).toEqual([]);
});

describe('what can not be a group or a message is a TypeError', () => {
  const given = (value: unknown) => value as never;

  it.each([[5], [''], [undefined], [null], [{ toString: () => 'a' }]])('the name %p', async (name) => {
    const { channels, errors, open } = serve(
      defineConsumer({ actions: { join: (ctx) => ctx.join(given(name)), leave: (ctx) => ctx.leave(given(name)) } }),
    );
    const client = await open();
    expect(await client.request({ action: 'join' })).toMatchObject({ response_status: 500 });
    expect(await client.request({ action: 'leave' })).toMatchObject({ response_status: 500 });
    await channels.groupSend(given(name), { type: 'said' }).catch((error: unknown) => errors.push(error));
    expect(errors).toHaveLength(3);
    for (const error of errors)
      expect(error).toMatchObject({
        name: 'TypeError',
        message: expect.stringContaining('Expected the name of a group to be a text') as string,
      });
  });

  it.each([[undefined], ['said'], [{}], [{ type: 1 }], [[]]])('the message %p', async (message) => {
    const { channels } = serve(room());
    await expect(channels.groupSend('a', given(message))).rejects.toThrow(/^Expected a message with a `type`, got/);
  });
});
