import * as expressChannels from 'express-channels';
import { crud, modelConsumer, type ModelSerializer } from 'express-channels';
import { connect } from 'express-channels/testing';
import type { Model, ModelStatic } from 'sequelize';

import { open } from '../support/socket-client.js';
import { blockIn, blocks, MODEL_SECTIONS, notExecuted, OBSERVER_SECTIONS, page, typeErrors } from './coming-from-dcrf-page.js';
import { expectFrames, frame, headersOf, Play } from './coming-from-dcrf-play.js';

test('all TypeScript of the page compiles', () => {
  expect(typeErrors()).toEqual([]);
}, 60_000);

test('each Python example has its TypeScript beside it', () => {
  const languages = blocks.map(({ language }) => language);
  expect(languages.filter((language) => language === 'python').length).toBeGreaterThan(20);
  for (const [index, language] of languages.entries()) {
    if (language === 'python') expect(languages[index + 1]).toBe('ts');
    if (language === 'ts') expect(languages[index - 1]).toBe('python');
  }
});

test('each function of the summary is exported', () => {
  const summary = /## On one screen\n([^]*?)\n## /.exec(page)?.[1] ?? '';
  const called = [...summary.matchAll(/^\|.*\|(.*)\|$/gm)].flatMap(([, right = '']) =>
    [...right.matchAll(/(?<![.\w])([a-z]\w*)\(/g)].map(([, name]) => name),
  );
  expect(called).toContain('modelConsumer');
  expect(Object.keys(expressChannels)).toEqual(expect.arrayContaining(called));
});

test('serializers: the rows of the chat tutorial, with what is nested and computed, and no password', async () => {
  const play = await Play.of('chat/serializers.ts', ['ada']);
  const { Room } = play.example.load('chat/models.ts');
  const { RoomSerializer } = play.example.load('chat/serializers.ts');
  const room = await play.model('Room').create({ name: 'lobby', host_id: 1 });
  const serializer = RoomSerializer as ModelSerializer<Model>;
  const consumer = modelConsumer(Room as ModelStatic<Model>, { serializer, actions: crud('retrieve', 'create') });
  const client = await connect(consumer);
  const empty = await client.request({ action: 'retrieve', pk: 1 });
  expect(empty['data']).toEqual(frame({ messages: [], current_users: [], last_message: null }));

  const created_at = new Date('2024-01-02T03:04:05.678Z');
  await play.model('Message').create({ text: 'Hello', created_at, room_id: 1, user_id: 1 });
  await play.sequelize.model('room_users').create({ RoomId: room.get('id'), UserId: 1 });
  await expectFrames(client, blockIn('Serializers', 'text'));

  const data = { name: 'lobby', messages: [], host: 1 };
  expect(await client.request({ action: 'create', data })).toEqual(
    frame({ errors: [{ name: [expect.any(String)] }], response_status: 400 }),
  );
});

describe('permissions', () => {
  const cases = [
    { user: 'nobody', request: { action: 'list' }, status: 403 },
    { user: 'root', request: { action: 'list' }, status: 200 },
    { user: 'ada', request: { action: 'list' }, status: 403 },
    { user: 'ada', request: { action: 'patch', pk: 2, data: {} }, status: 200 },
    { user: 'ada', request: { action: 'patch', pk: 1, data: {} }, status: 403 },
    { user: 'ada', request: { action: 'delete', pk: 2 }, status: 403 },
    { user: 'root', request: { action: 'delete', pk: 2 }, status: 204 },
    { user: 'ada', request: { action: 'reset', pk: 2 }, status: 403 },
    { user: 'root', request: { action: 'reset', pk: 2 }, status: 204 },
  ];

  test.each(cases)('compose: $user asks $request and is answered $status', async ({ user, request, status }) => {
    const play = await Play.of('accounts.ts', ['root', 'ada']);
    play.example.load('permissions.ts');
    const client = await (await play.serve('accounts.ts', 'AccountConsumer'))(user);
    expect(await client.request(request)).toEqual(frame({ response_status: status }));
  });

  test('refuse a handshake, by a connect rule', async () => {
    const play = await Play.of('accounts.ts', ['ada']);
    const connectAs = await play.serve('accounts.ts', 'LoungeConsumer');
    expect(await (await connectAs('ada')).request({ action: 'hello' })).toEqual(frame({ data: 'hello' }));
    await expect(connectAs()).rejects.toThrow('403');
  });

  test('are those of a guard that HTTP has', async () => {
    const play = await Play.of('guarded.ts', ['ada']);
    const connectAs = await play.serve('guarded.ts', 'GuardedConsumer');
    expect(await (await connectAs('ada')).request({ action: 'hello' })).toEqual(frame({ data: 'hello' }));
    await expect(connectAs()).rejects.toThrow('401');
  });
});

describe('pagination', () => {
  const USERS = ['test 1', 'test 2', 'test 3'];

  test('answers the page that is asked for, in bounds', async () => {
    const play = await Play.of('pages.ts', USERS);
    const client = await (await play.serve('pages.ts', 'PagedConsumer'))();
    await expectFrames(client, blockIn('Pagination', 'text', 0));
    expect((await client.request({ action: 'list', limit: 100 }))['data']).toEqual(frame({ limit: 5 }));
    expect((await client.request({ action: 'list' }))['data']).toEqual(frame({ limit: 2 }));
  });

  test('streams all pages', async () => {
    const play = await Play.of('pages.ts', USERS);
    const client = await (await play.serve('pages.ts', 'StreamedConsumer'))();
    await expectFrames(client, blockIn('Pagination', 'text', 1));
    await client.receiveNothing();
  });
});

test('groups: who follows a topic gets what an HTTP handler publishes', async () => {
  const play = await Play.of('news.ts');
  const port = await play.port('news.ts');
  const client = await open(port, '/ws/news');
  const publish = async (topic: string, headline: string) => {
    const headers = { 'content-type': 'application/json' };
    const options = { method: 'POST', headers, body: JSON.stringify({ headline }) };
    return (await fetch(`http://127.0.0.1:${port}/news/${topic}`, options)).status;
  };
  expect(await client.request({ action: 'follow', topic: 'sea' })).toEqual(frame({ data: null, response_status: 204 }));
  expect(await publish('sky', 'Rain')).toBe(204);
  expect(await publish('sea', 'Ships')).toBe(204);
  expect(await client.receive()).toEqual({ headline: 'Ships' });
  expect(await client.request({ action: 'unfollow', topic: 'sea' })).toEqual(frame({ response_status: 204 }));
  expect(await publish('sea', 'Storm')).toBe(204);
  await client.receiveNothing();
});

test('a view as a consumer: the router answers sockets as it answers HTTP', async () => {
  const play = await Play.of('users.routing.ts', ['user 1', 'user 2']);
  play.example.load('users.router.ts');
  const port = await play.port('users.routing.ts');
  await expectFrames(await open(port, '/user/'), blockIn('A view as a consumer', 'text'));
  const http = await fetch(`http://127.0.0.1:${port}/api/users`);
  expect((await fetch(`http://127.0.0.1:${port}/api/users/7`)).status).toBe(404);
  const people = await open(port, '/people');
  const all = await people.request({ action: 'all' });
  expect(all['data']).toEqual(await http.json());
  expect(await people.request({ action: 'rename', pk: 1, data: { username: 'new' } })).toEqual(
    frame({ data: frame({ username: 'new' }), response_status: 200 }),
  );
});

test('testing: the test of the page passes', async () => {
  const declared: (() => Promise<void>)[] = [];
  const declare = (_name: string, run: () => Promise<void>) => declared.push(run);
  await Play.of('users.test.ts', [], { test: declare, expect });
  expect(declared).toHaveLength(1);
  expect.assertions(2);
  await declared[0]?.();
});

test('the tutorial: patients behind a login, on a stream', async () => {
  const play = await Play.of('server.ts', ['ada']);
  for (const name of ['models', 'serializers', 'consumers']) play.example.load(`patients/${name}.ts`);
  const port = await play.port('server.ts');
  const client = await open(port, '/ws/', headersOf('ada'));
  await expectFrames(client, blockIn('The tutorial: patients', 'text'));
  const ask = (payload: object) => client.request({ stream: 'patients', payload });
  const incomplete = await ask({ action: 'update', pk: 1, data: { first_name: 'Ada' } });
  expect(incomplete['payload']).toEqual(
    frame({ errors: [{ last_name: [expect.any(String)], admission_date: [expect.any(String)] }], response_status: 400 }),
  );
  expect((await ask({ action: 'delete', pk: 1 }))['payload']).toEqual(frame({ data: null, response_status: 204 }));
  expect((await ask({ action: 'list' }))['payload']).toEqual(frame({ data: [] }));
  const anonymous = await open(port, '/ws');
  const refused = await anonymous.request({ stream: 'patients', payload: { action: 'list' } });
  expect(refused['payload']).toEqual(frame({ response_status: 403 }));
});

test('every example of the other sections is executed', () => {
  expect(notExecuted((section) => ![...MODEL_SECTIONS, ...OBSERVER_SECTIONS].includes(section))).toEqual([]);
});
