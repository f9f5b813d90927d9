import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

import { WebSocket } from 'ws';

import { open, portOf, until } from '../support/socket-client.js';
import { blockIn, MODEL_SECTIONS, notExecuted } from './coming-from-dcrf-page.js';
import { expectFrames, frame, Play } from './coming-from-dcrf-play.js';
import { runBlock } from './markdown.js';

const USERS = ['test 1', 'test 2', 'test 3'];

describe('a consumer of a model', () => {
  const SECTION = 'A consumer of a model';

  test('answers the frames of all six actions', async () => {
    const play = await Play.of('routing.ts', USERS);
    const client = await open(await play.port('routing.ts'), '/ws');
    await expectFrames(client, blockIn(SECTION, 'text'));
  });

  test('hashes a password that is created or changed, and shows none', async () => {
    const play = await Play.of('serializers.ts', USERS);
    const client = await (await play.serve('consumers.ts', 'UserConsumer'))();
    const stored = async (pk: number) => (await play.model('User').findByPk(pk))?.get('password');
    const { data } = await client.request({ action: 'create', data: { username: 'ada', password: 'one' } });
    expect(data).toEqual({ id: 4, username: 'ada', email: '' });
    expect(await stored(4)).toBe('hash of one');
    await client.request({ action: 'patch', pk: 4, data: { password: 'two' } });
    expect(await stored(4)).toBe('hash of two');
    await client.request({ action: 'patch', pk: 4, data: { email: 'ada@example.com' } });
    expect(await stored(4)).toBe('hash of two');
  });

  test('serves the client of the page', async () => {
    const play = await Play.of('routing.ts', ['ada']);
    const port = await play.port('routing.ts');
    const client = blockIn(SECTION, 'js');
    const logged = await new Promise((log) => {
      const code = client.code.replace('localhost:8000', `127.0.0.1:${port}`);
      void runBlock({ ...client, code }, { WebSocket, console: { log } }, []);
    });
    expect(logged).toEqual([{ id: 1, username: 'ada', email: '1@example.com' }]);
  });
});

describe('mixins', () => {
  const name = { username: 'edited', password: 'a' };
  const offered = [
    { consumer: 'LiveList', request: { action: 'list' }, status: 200 },
    { consumer: 'LiveRetrieve', request: { action: 'retrieve', pk: 1 }, status: 200 },
    { consumer: 'LiveCreate', request: { action: 'create', data: name }, status: 201 },
    { consumer: 'LiveUpdate', request: { action: 'update', pk: 1, data: name }, status: 200 },
    { consumer: 'LivePatch', request: { action: 'patch', pk: 1, data: { email: 'a@b' } }, status: 200 },
    { consumer: 'LiveDelete', request: { action: 'delete', pk: 1 }, status: 204 },
  ];

  test.each(offered)('$consumer offers its own action alone', async ({ consumer, request, status }) => {
    const play = await Play.of('live.ts', ['ada']);
    const client = await (await play.serve('live.ts', consumer))();
    for (const { request: other } of offered.filter((one) => one.request !== request))
      expect(await client.request(other)).toEqual(frame({ response_status: 405 }));
    expect(await client.request(request)).toEqual(frame({ errors: [], action: request.action, response_status: status }));
  });

  test('a method that is overridden replaces the one of the mixin', async () => {
    const play = await Play.of('sign-up.ts');
    const client = await (await play.serve('sign-up.ts', 'SignUpConsumer'))();
    const signUp = (password2: string) =>
      client.request({ action: 'create', data: { username: 'ada', password1: 'testpassword123', password2 } });
    expect(await signUp('another')).toEqual(frame({ errors: [{ password2: ['They differ.'] }], response_status: 400 }));
    expect(await signUp('testpassword123')).toEqual(frame({ data: { id: 1, username: 'ada', email: '' }, response_status: 201 }));
    expect(await client.request({ action: 'create', data: {} })).toEqual(frame({ response_status: 400 }));
    expect(await client.request({ action: 'retrieve', pk: 1 })).toEqual(frame({ response_status: 200 }));
  });
});

describe('custom actions', () => {
  test('without a model answer what they return', async () => {
    const play = await Play.of('my-consumer.ts');
    const client = await (await play.serve('my-consumer.ts', 'MyConsumer'))();
    for (const action of ['an_async_action', 'a_sync_action'])
      expect(await client.request({ action, request_id: 7, some: 'thing', pk: 1 })).toEqual({
        errors: [],
        data: { 'response with': 'some message' },
        action,
        response_status: 200,
        request_id: 7,
      });
  });

  test('ask other services, beside the frames that follow', async () => {
    const service = createServer().listen(0, '127.0.0.1');
    const asked = once(service, 'request') as Promise<[IncomingMessage, ServerResponse]>;
    const url = `http://127.0.0.1:${await portOf(service)}/`;
    const play = await Play.of('weather.ts', [], { process: { env: { WEATHER_URL: url } } });
    const client = await (await play.serve('weather.ts', 'WeatherConsumer'))();
    client.send({ action: 'forecast', city: 'Oslo' });
    const [req, res] = await asked;
    expect(await client.request({ action: 'forecast' })).toEqual(
      frame({ errors: [{ city: [expect.any(String)] }], response_status: 400 }),
    );
    res.end(JSON.stringify({ asked: req.url }));
    expect(await client.receive()).toEqual(frame({ data: { asked: '/?city=Oslo' }, response_status: 200 }));
    service.close();
    service.closeAllConnections();
    await once(service, 'close');
  });

  test('with a model find its rows', async () => {
    const play = await Play.of('user-actions.ts', ['ada']);
    const client = await (await play.serve('user-actions.ts', 'UserConsumer'))();
    expect(await client.request({ action: 'send_email', pk: 1, to: 'bob@example.com' })).toEqual(
      frame({ data: {}, response_status: 200 }),
    );
    expect(play.example.load('mail.ts')['sent']).toEqual([['1@example.com', 'bob@example.com']]);
    expect(await client.request({ action: 'publish', pk: 1 })).toEqual(frame({ data: { pk: 1 }, response_status: 200 }));
    expect(await client.request({ action: 'publish', pk: 2 })).toEqual(frame({ errors: ['Not found'], response_status: 404 }));
  });

  test('keep state for their connection, and close it', async () => {
    const log = jest.fn();
    const play = await Play.of('counter.ts', [], { console: { log } });
    const connect = await play.serve('counter.ts', 'CounterConsumer');
    const [client, other] = [await connect(), await connect()];
    await client.request({ action: 'add', by: 2 });
    expect(await client.request({ action: 'add', by: 3 })).toEqual(frame({ data: 5 }));
    expect(await other.request({ action: 'add', by: 1 })).toEqual(frame({ data: 1 }));
    client.send({ action: 'stop' });
    expect(await client.closed).toBe(4001);
    await until(() => log.mock.calls.length > 0);
    expect(log.mock.calls).toEqual([[5, 4001]]);
  });

  test('are named by another key', async () => {
    const play = await Play.of('by-type.ts');
    const client = await (await play.serve('by-type.ts', 'ByTypeConsumer'))();
    expect(await client.request({ type: 'ping' })).toEqual(frame({ data: 'pong', action: 'ping' }));
    expect(await client.request({ action: 'ping' })).toEqual(frame({ response_status: 405 }));
  });
});

test('decorators: an atomic action is rolled back as a whole, a detached one answers beside the others', async () => {
  const play = await Play.of('teams.ts', ['ada']);
  const client = await (await play.serve('teams.ts', 'TeamConsumer'))();
  expect(await client.request({ action: 'invite', usernames: ['bob', 'ada'] })).toEqual(frame({ response_status: 400 }));
  expect(await client.request({ action: 'count' })).toEqual(frame({ data: 1 }));
  expect(await client.request({ action: 'invite', usernames: ['bob', 'cy'] })).toEqual(
    frame({ data: { invited: 2 }, response_status: 201 }),
  );
  client.send({ action: 'export' });
  client.send({ action: 'promote', pk: 2 });
  const frames = [await client.receive(), await client.receive()];
  expect(frames).toContainEqual(frame({ action: 'export', data: ['ada', 'bob', 'cy'] }));
  expect(frames).toContainEqual(frame({ action: 'promote', data: { is_staff: true } }));
});

describe('querysets and look-ups', () => {
  test('decide which rows exist, and by what they are found', async () => {
    const play = await Play.of('members.ts', ['root', 'ada', 'bob']);
    const connect = await play.serve('members.ts', 'MemberConsumer');
    const names = async (user: string, more: object = {}) => {
      const { data } = await (await connect(user)).request({ action: 'list', ...more });
      return (data as { username: string }[]).map(({ username }) => username);
    };
    expect(await names('root')).toEqual(['root', 'ada', 'bob']);
    expect(await names('ada')).toEqual(['ada', 'bob']);
    expect(await names('ada', { email: '3@example.com' })).toEqual(['bob']);
    expect(await names('ada', { email: { ne: '' } })).toEqual(['ada', 'bob']);
    const client = await connect('ada');
    expect(await client.request({ action: 'retrieve', name: 'bob' })).toEqual(frame({ response_status: 200 }));
    expect(await client.request({ action: 'retrieve', name: 'root' })).toEqual(frame({ response_status: 404 }));
  });

  test('choose a serializer by who asks', async () => {
    const play = await Play.of('directory.ts', ['root', 'ada']);
    const connect = await play.serve('directory.ts', 'DirectoryConsumer');
    const keys = async (user: string) =>
      Object.keys((await (await connect(user)).request({ action: 'retrieve', pk: 1 }))['data'] as object);
    expect(await keys('root')).toEqual(['id', 'username', 'email']);
    expect(await keys('ada')).toEqual(['id', 'username']);
  });
});

test('every example of these sections is executed', () => {
  expect(notExecuted((section) => MODEL_SECTIONS.includes(section))).toEqual([]);
});
