import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { http, logIn } from '../support/login-app.js';
import { RedisServer, redisMissing } from '../support/redis.js';
import { describeRequiring } from '../support/requirement.js';
import { open, type SocketClient, until } from '../support/socket-client.js';
import { Node } from './revocation-nodes.js';

/** How long a logout may take to reach another process. */
const PROMISED_MS = 2_000;

describeRequiring(redisMissing, 'a logout in one of several processes', () => {
  let folder: string;
  let redis: RedisServer;
  let first: Node;
  let second: Node;
  /** It has had no socket, and is not to get one. */
  let quiet: Node;
  let cookie: string;
  let clients: SocketClient[];
  let strangers: SocketClient[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'revocation-'));
    const sessions = join(folder, 'sessions');
    await mkdir(sessions);
    redis = await RedisServer.start();
    [first, second, quiet] = await Promise.all([
      Node.start(sessions, redis.url),
      Node.start(sessions, redis.url),
      Node.start(sessions, redis.url, true),
    ]);
  }, 30_000);

  afterAll(async () => {
    await Promise.all([first.kill(), second.kill(), quiet.kill()]);
    await redis.stop();
    await rm(folder, { recursive: true });
  });

  beforeEach(async () => {
    cookie = await logIn(first.port, 'alice');
    const other = await logIn(second.port, 'bob');
    clients = await Promise.all([first, second].map(({ port }) => open(port, '/ws', { headers: { cookie } })));
    strangers = await Promise.all([first, second].map(({ port }) => open(port, '/ws', { headers: { cookie: other } })));
  });

  afterEach(async () => {
    // Whoever goes by another session stays.
    for (const stranger of strangers) expect(await stranger.act('session')).toMatchObject({ data: { user: { name: 'bob' } } });
    await Promise.all([...clients, ...strangers].map((client) => client.close()));
  });

  async function expectClosed(afterMs: number): Promise<void> {
    await until(() => clients.every(({ closedWith }) => closedWith !== undefined), afterMs);
    expect(new Set(clients.map(({ closedWith }) => closedWith))).toEqual(new Set([4401]));
  }

  describe.each(['/logout', '/destroy', '/regenerate', '/logout-everywhere'])('by POST %s', (path) => {
    test.each([
      ['the process where the user has logged in', () => first],
      ['another process with sockets', () => second],
      ['a process that has had no socket', () => quiet],
    ])('to %s closes the sockets of all processes with 4401', async (_which, node) => {
      await http(node().port, 'post', path, cookie).expect(204);
      await expectClosed(PROMISED_MS);
    });
  });

  test('to a process whose own sockets have all gone closes those of the others', async () => {
    await Promise.all([...clients.splice(0, 1), ...strangers.splice(0, 1)].map((client) => client.close()));
    await http(first.port, 'post', '/logout', cookie).expect(204);
    await expectClosed(PROMISED_MS);
  });

  test('while Redis is away closes the sockets there at once, and those of others as soon as it is back', async () => {
    await redis.kill();
    await http(second.port, 'post', '/logout', cookie).expect(204);
    await until(() => clients[1]?.closedWith === 4401, PROMISED_MS);
    expect(clients[0]?.closedWith).toBeUndefined();
    await redis.start();
    await expectClosed(10_000);
  }, 20_000);

  test('tells a hash of the session, never its id', async () => {
    const spy = await Spy.at(redis.port);
    await http(quiet.port, 'post', '/logout', cookie).expect(204);
    await expectClosed(PROMISED_MS);
    const id = /s:(.+)\.[^.]+$/.exec(decodeURIComponent(cookie))?.[1] ?? '';
    expect(id).toMatch(/^[\w-]{32}$/);
    await until(() => spy.seen.includes(createHash('sha256').update(id).digest('base64url')));
    expect(spy.seen).not.toContain(id);
    expect(spy.seen).not.toContain('alice');
    spy.end();
  });
});

/** Reads along with all that Redis is asked. */
class Spy {
  seen = '';
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket.setEncoding('utf8').on('data', (text: string) => (this.seen += text));
  }

  static async at(port: number): Promise<Spy> {
    const spy = new Spy(connect(port, '127.0.0.1'));
    spy.#socket.write('MONITOR\r\n');
    await until(() => spy.seen.includes('+OK'));
    return spy;
  }

  end(): void {
    this.#socket.destroy();
  }
}
