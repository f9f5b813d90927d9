import { WebSocket } from 'ws';

import { open, until } from '../support/socket-client.js';
import { blockIn, notExecuted, OBSERVER_SECTIONS } from './coming-from-dcrf-page.js';
import { expectFrames, frame, headersOf, Play } from './coming-from-dcrf-play.js';
import { runBlock } from './markdown.js';

describe('observers', () => {
  const SECTION = 'Observers';
  const [FIRST, SECOND] = ['user 1 creates a new comment', 'user 2 creates a second comment'];

  test('of one row tell its changes under the request_id of the subscription', async () => {
    const play = await Play.of('live-users.ts', ['test 1']);
    const client = await (await play.serve('live-users.ts', 'UserConsumer'))();
    await expectFrames(client, blockIn(SECTION, 'text', 0));
  });

  test('of one row begin with its state, if they are asked to', async () => {
    const play = await Play.of('live-users.ts', ['ada']);
    const client = await (await play.serve('live-users.ts', 'UserConsumer'))();
    expect(await client.request({ action: 'subscribe_instance', request_id: 1, pk: 1, snapshot: true })).toEqual(
      frame({ response_status: 201 }),
    );
    expect(await client.receive()).toEqual(frame({ action: 'snapshot', data: frame({ username: 'ada' }), request_id: 1 }));
  });

  test('of a model tell the changes of all rows', async () => {
    const play = await Play.of('comments/consumers.ts', ['ada', 'bob']);
    for (const name of ['models', 'serializers']) play.example.load(`comments/${name}.ts`);
    const client = await (await play.serve('comments/consumers.ts', 'MyConsumer'))();
    await expectFrames(client, blockIn(SECTION, 'text', 1));
    await play.model('Comment').create({ text: FIRST, user_id: 1 });
    await play.model('Comment').create({ text: SECOND, user_id: 2 });
    await expectFrames(client, blockIn(SECTION, 'text', 2));
    const end = { action: 'unsubscribe_from_comment_activity', request_id: 15606042 };
    expect(await client.request(end)).toEqual(frame({ response_status: 204 }));
    await play.model('Comment').destroy({ where: {} });
    await client.receiveNothing();
  });

  test('by groups tell each what concerns it, and nothing else', async () => {
    const play = await Play.of('comments/filtered.ts', ['ada', 'bob']);
    const connectAs = await play.serve('comments/filtered.ts', 'MyConsumer');
    const [ada, anybody] = [await connectAs('ada'), await connectAs()];
    const mine = { action: 'subscribe_to_comment_activity', request_id: 1 };
    const ofUser = (user_pk: number) => ({ action: 'subscribe_to_comments_of', request_id: 2, user_pk });
    expect(await anybody.request(mine)).toEqual(frame({ errors: [expect.any(String)], response_status: 401 }));
    expect(await anybody.request(ofUser(7))).toEqual(frame({ response_status: 404 }));
    expect(await ada.request(mine)).toEqual(frame({ response_status: 204 }));
    expect(await anybody.request(ofUser(2))).toEqual(frame({ response_status: 204 }));
    const comment = await play.model('Comment').create({ text: FIRST, user_id: 1 });
    expect(await ada.receive()).toEqual({ id: 1, text: FIRST, user: 1 });
    await comment.update({ user_id: 2 });
    expect(await ada.receive()).toEqual({ pk: 1 });
    expect(await anybody.receive()).toEqual({ id: 1, text: FIRST, user: 2 });
    await comment.update({ text: SECOND });
    expect(await anybody.receive()).toEqual({ id: 1, text: SECOND, user: 2 });
    await ada.receiveNothing();
  });

  test('of signals tell those who wait for them', async () => {
    const play = await Play.of('orders.ts');
    const client = await (await play.serve('orders.ts', 'OrderConsumer'))();
    const ship = play.example.load('orders.ts')['ship'] as (order: number) => void;
    expect(await client.request({ action: 'track', order: 7 })).toEqual(frame({ response_status: 204 }));
    ship(8);
    ship(7);
    expect(await client.receive()).toEqual({ order: 7 });
    await client.receiveNothing();
  });
});

describe('the chat', () => {
  const SECTION = 'The tutorial: a chat';

  /** The chat with a room of ada's. */
  async function start(file: string): Promise<Play> {
    const play = await Play.of(file, ['ada', 'bob']);
    await play.model('Room').create({ name: 'lobby', host_id: 1 });
    return play;
  }

  test('tells who is in a room, and what is written there', async () => {
    const play = await start('chat/routing.ts');
    for (const name of ['consumers', 'views']) play.example.load(`chat/${name}.ts`);
    const port = await play.port('chat/routing.ts');
    const ada = await open(port, '/ws/chat/room/', headersOf('ada'));
    const bob = await open(port, '/ws/chat/room/', headersOf('bob'));
    expect(await bob.request({ action: 'create_message', message: 'Hello' })).toEqual(
      frame({ errors: [{ room: ['Join a room first.'] }], response_status: 400 }),
    );
    await expectFrames(ada, blockIn(SECTION, 'text', 0));
    expect(await bob.request({ action: 'join_room', pk: 1 })).toEqual(frame({ response_status: 204 }));
    await bob.close();
    await expectFrames(ada, blockIn(SECTION, 'text', 1));
    expect(await ada.request({ action: 'leave_room', pk: 1 })).toEqual(frame({ response_status: 204 }));
    expect(await ada.receive()).toEqual({ usuarios: [] });
  });

  test('in its later version tells of members as changes of the room', async () => {
    const play = await start('chat/room.ts');
    const client = await (await play.serve('chat/room.ts', 'RoomConsumer'))();
    await client.request({ action: 'subscribe_instance', request_id: 1, pk: 1 });
    const room = (await play.model('Room').findByPk(1)) as unknown as { addCurrent_user(pk: number): Promise<void> };
    await room.addCurrent_user(2);
    expect(await client.receive()).toEqual(
      frame({ action: 'update', request_id: 1, data: frame({ current_users: [frame({ username: 'bob' })] }) }),
    );
  });

  test('has pages that make rooms and show them, behind the login', async () => {
    const play = await start('chat/routing.ts');
    const port = await play.port('chat/routing.ts');
    const url = `http://127.0.0.1:${port}`;
    const headers = { authorization: 'Token ada' };
    expect((await fetch(url)).status).toBe(401);
    const made = await fetch(url, { method: 'POST', body: new URLSearchParams({ name: 'attic' }), headers, redirect: 'manual' });
    expect([made.status, made.headers.get('location')]).toEqual([302, '/room/2']);
    expect((await play.model('Room').findByPk(2))?.get()).toEqual(frame({ name: 'attic', host_id: 1 }));
    expect((await fetch(`${url}/room/7`, { headers })).status).toBe(404);
  });

  test("serves the page's script", async () => {
    const play = await start('chat/routing.ts');
    const port = await play.port('chat/routing.ts');
    await play.model('Message').create({ text: 'Before', room_id: 1, user_id: 2 });
    let texts: unknown[] = [];
    const rooms: unknown[] = [];
    const globals = {
      WebSocket: class extends WebSocket {
        constructor(address: string) {
          super(address, headersOf('ada'));
        }
      },
      window: { location: { host: `127.0.0.1:${port}` } },
      request_id: 'a request',
      room_pk: '1',
      setRoom: (room: unknown) => rooms.push(room),
      setMessages: (change: (old: readonly { readonly text: string }[]) => readonly { readonly text: string }[]) => {
        shown = change(shown);
        texts = shown.map(({ text }) => text);
      },
    };
    let shown: readonly { readonly text: string }[] = [];
    const { chatSocket } = await runBlock(blockIn(SECTION, 'js'), globals, ['chatSocket']);
    await until(() => rooms.length > 0);
    expect(rooms).toEqual([frame({ pk: 1, name: 'lobby' })]);
    expect(texts).toEqual(['Before']);
    (chatSocket as WebSocket).send(JSON.stringify({ action: 'create_message', message: 'After' }));
    await until(() => texts.length > 1);
    expect(texts).toEqual(['Before', 'After']);
    (chatSocket as WebSocket).close();
  });
});

test('every example of these sections is executed', () => {
  expect(notExecuted((section) => OBSERVER_SECTIONS.includes(section))).toEqual([]);
});
