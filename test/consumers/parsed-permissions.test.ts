import { action, createChannels, defineConsumer, modelObserver, permission, type Permission } from 'express-channels';
import { connect } from 'express-channels/testing';
import { DataTypes, Sequelize } from 'sequelize';
import { z } from 'zod';

import * as sqlite from '../../example-app/src/sqlite.js';

const room = z.object({ room: z.string().trim().toLowerCase() });

/** Refuses one room, and notes what it is asked with. */
function notSecret(seen: unknown[]): Permission {
  return permission(({ args }) => {
    seen.push({ ...args });
    return args['room'] !== 'secret';
  });
}

async function serve(
  actions: NonNullable<Parameters<typeof defineConsumer>[0]['actions']>,
  permissions: readonly Permission[] = [],
) {
  const channels = createChannels().route('/ws', defineConsumer({ permissions, actions }));
  return { channels, client: await connect(channels, '/ws') };
}

test.each(['secret', ' Secret ', 'SECRET\n'])(
  'a permission of an action is asked with what its handler gets: %j is refused',
  async (given) => {
    const [seen, ran]: [unknown[], unknown[]] = [[], []];
    const { channels, client } = await serve({
      enter: action((_ctx, args) => ran.push(args), { schema: room, permissions: [notSecret(seen)] }),
    });
    expect(await client.request({ action: 'enter', room: given })).toMatchObject({ response_status: 403 });
    expect([seen, ran]).toEqual([[{ room: 'secret' }], []]);
    expect(await client.request({ action: 'enter', room: ' Lobby' })).toMatchObject({ response_status: 200 });
    expect(ran).toEqual([{ room: 'lobby' }]);
    await channels.close();
  },
);

test('the permissions of the consumer are asked before, with the frame as it came', async () => {
  const seen: unknown[] = [];
  const { channels, client } = await serve({ enter: action(() => 'in', { schema: room }) }, [notSecret(seen)]);
  expect(await client.request({ action: 'enter', room: ' Secret ' })).toMatchObject({ data: 'in' });
  expect(await client.request({ action: 'enter', room: 5 })).toMatchObject({ response_status: 400 });
  expect(await client.request({ action: 'nothing', room: 'secret' })).toMatchObject({ response_status: 403 });
  expect(seen).toEqual([{ room: ' Secret ' }, { room: 5 }, { room: 'secret' }]);
  await channels.close();
});

test('bad arguments are a 400 before the permissions of the action are asked', async () => {
  const seen: unknown[] = [];
  const { channels, client } = await serve({
    enter: action(() => 'in', { schema: room, permissions: [notSecret(seen)] }),
  });
  expect(await client.request({ action: 'enter' })).toMatchObject({ response_status: 400 });
  expect(seen).toEqual([]);
  await channels.close();
});

test.each<[string, unknown]>([
  ['null', null],
  ['undefined', undefined],
  ['a text', 'x'],
  ['a list', ['x']],
])('a schema may make %s of the arguments: the handler gets that, and permissions get none', async (_name, made) => {
  const [seen, ran]: [unknown[], unknown[]] = [[], []];
  const { channels, client } = await serve({
    enter: action((_ctx, args) => void ran.push(args), {
      schema: z.any().transform(() => made),
      permissions: [notSecret(seen)],
    }),
  });
  await client.request({ action: 'enter', room: 'secret' });
  expect([seen, ran]).toEqual([[{}], [made]]);
  await channels.close();
});

test('before an event, permissions are asked with the same arguments again', async () => {
  const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
  const Row = sequelize.define('Row', { name: DataTypes.STRING }, { timestamps: false });
  await Row.sync();
  const seen: unknown[] = [];
  const rows = modelObserver(Row);
  const { channels, client } = await serve({
    follow: action((ctx) => rows.subscribe(ctx), { schema: room, permissions: [notSecret(seen)] }),
  });
  await client.request({ action: 'follow', room: ' Lobby ', request_id: 1 });
  await Row.create({ name: 'a' });
  expect(await client.receive()).toMatchObject({ action: 'create', request_id: 1 });
  expect(seen).toEqual([{ room: 'lobby' }, { room: 'lobby' }]);
  await channels.close();
  await sequelize.close();
});
