import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';

import { type Channels, createChannels, redisLayer } from 'express-channels';
import { connect, type TestClient } from 'express-channels/testing';
import { createClient } from 'redis';
import { Sequelize } from 'sequelize';

import { type Postgres, postgresMissing, startPostgres } from '../../support/postgres.js';
import { RedisServer, redisMissing } from '../../support/redis.js';
import { describeRequiring } from '../../support/requirement.js';
import { until } from '../../support/socket-client.js';
import { ask, CANARY, defineItem, Item, next } from './items.js';
import { sharedConsumer } from './shared-consumer.js';

const ROOT = join(__dirname, '../../..');

describeRequiring(postgresMissing ?? redisMissing, 'two processes on one database and one Redis', () => {
  let postgres: Postgres;
  let redis: RedisServer;
  let sequelize: Sequelize;
  let channels: Channels;
  let node: ChildProcess;
  let answers: Interface;
  let sniffed: string[];
  let sniffer: ReturnType<typeof createClient>;
  const errors: unknown[] = [];

  beforeAll(async () => {
    [postgres, redis] = await Promise.all([startPostgres(), RedisServer.start()]);
    sequelize = new Sequelize(postgres.url, { dialect: 'postgres', logging: false });
    defineItem(sequelize);
    await sequelize.sync();
    channels = createChannels(undefined, {
      layer: redisLayer({ url: redis.url, beatMs: 200, onError: () => undefined }),
      onError: (error) => errors.push(error),
    });
    channels.use((req, _res, proceed) => {
      Object.assign(req, { user: { username: req.headers['x-user'] } });
      proceed();
    });
    channels.route('/ws', sharedConsumer().consumer);
    await sniff();
    await startNode();
  }, 60_000);

  afterAll(async () => {
    sniffer.destroy();
    await endNode();
    await channels.close({ timeoutMs: 1 });
    await sequelize.close();
    await redis.stop();
    await postgres.stop();
  });

  beforeEach(() => {
    sniffed.length = 0;
  });

  async function sniff(): Promise<void> {
    sniffed = [];
    sniffer = createClient({ url: redis.url });
    sniffer.on('error', () => undefined);
    await sniffer.connect();
    await sniffer.monitor((line) => sniffed.push(line));
  }

  async function startNode(): Promise<void> {
    const program = ['--import', './test/wire/typescript.mjs', 'test/observers/delivery/writing-node.ts'];
    node = spawn(process.execPath, [...program, postgres.url, redis.url], {
      cwd: ROOT,
      env: { PATH: process.env['PATH'] },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const started = node;
    const killWithUs = (): boolean => started.kill('SIGKILL');
    process.once('exit', killWithUs);
    node.once('exit', () => process.off('exit', killWithUs));
    if (node.stdout === null) throw new Error('The node has no output.');
    answers = createInterface(node.stdout);
    await once(answers, 'line');
  }

  async function endNode(): Promise<void> {
    if (node.exitCode !== null || node.signalCode !== null) return;
    const ended = once(node, 'exit');
    node.kill('SIGKILL');
    await ended;
  }

  /** Lets the other process do something. */
  async function there(...command: unknown[]): Promise<unknown> {
    const answer = once(answers, 'line');
    node.stdin?.write(`${JSON.stringify(command.map(String))}\n`);
    const [line] = (await answer) as [string];
    return JSON.parse(line) as unknown;
  }

  const open = (user = 'ann'): Promise<TestClient> =>
    connect(channels, '/ws', { headers: { 'x-user': user }, timeoutMs: 10_000 });

  it('events of the other process come once, in their groups, with data that is read here; a delete has the last state', async () => {
    const [client, other] = [await open(), await open()];
    for (const room of ['a', 'b']) await ask(client, 'follow', room, { room });
    await ask(other, 'follow', 1, { room: 'elsewhere' });
    const id = await there('create', 'a', 'one');
    expect(await next(client)).toEqual([['create', 'a', { id, room: 'a', text: 'one' }]]);
    await there('update', id, 'text', 'two');
    expect(await next(client)).toEqual([['update', 'a', { id, room: 'a', text: 'two' }]]);
    await there('update', id, 'room', 'b');
    expect(await next(client, 2)).toEqual([
      ['delete', 'a', { pk: id }],
      ['create', 'b', { id, room: 'b', text: 'two' }],
    ]);
    await there('destroy', id);
    expect(await next(client)).toEqual([['delete', 'b', { id, room: 'b', text: 'two' }]]);
    await there('create', 'a', 'end');
    expect((await next(client))[0]?.[0]).toBe('create');
    await client.receiveNothing();
    await other.receiveNothing();
  });

  it('who may see more sees more, here as there; nothing of it goes over Redis, and of a row nothing but a last state', async () => {
    const [chief, ann] = [await open('chief'), await open()];
    for (const client of [chief, ann]) await ask(client, 'followByRole', 1);
    const told = async (): Promise<unknown> => (await Promise.all([next(chief), next(ann)])).map(([frame]) => frame?.[2]);
    const id = await there('create', 'a', 'shown');
    expect(await told()).toEqual([{ text: 'shown', secret: CANARY }, { text: 'shown' }]);
    await there('update', id, 'text', 'shown again');
    expect(await told()).toEqual([{ text: 'shown again', secret: CANARY }, { text: 'shown again' }]);
    await there('destroy', id);
    expect(await told()).toEqual([{ pk: id }, { pk: id }]);
    const ours = sniffed.filter((message) => message.includes('isLeft'));
    expect(ours.length).toBeGreaterThan(5);
    expect(sniffed.join('\n')).not.toContain(CANARY);
    const withData = ours.filter((message) => message.includes('shown'));
    expect(withData).toHaveLength(1);
    expect(withData[0]).toContain('delete');
  });

  it('a row that is back under its key is not told as gone behind that', async () => {
    const client = await open();
    await ask(client, 'follow', 1, { room: 'a' });
    const id = await there('create', 'a', 'first');
    await next(client);
    for (let round = 0; round < 20; round += 1) await there('replace', id, 'a');
    await there('update', id, 'text', 'last');
    const end = await there('create', 'a', 'end');
    const seen: (readonly unknown[])[] = [];
    for (
      let [frame] = await next(client);
      JSON.stringify(frame?.[2]) !== JSON.stringify({ id: end, room: 'a', text: 'end' });
      [frame] = await next(client)
    )
      seen.push(frame ?? []);
    expect(seen.at(-1)?.slice(1)).toEqual([1, { id, room: 'a', text: 'last' }]);
  });

  it('50 writers in two processes on one row: what is seen never goes backwards, and ends with the last state', async () => {
    const client = await open();
    await ask(client, 'follow', 1, { room: 'count' });
    const { id } = await Item.create({ room: 'count', text: '0' });
    const counted = there('count', id, 25, 4);
    const write = async (): Promise<void> => {
      for (let time = 0; time < 4; time += 1) {
        await sequelize.transaction(async (transaction) => {
          await sequelize.query(`UPDATE items SET text = (text::int + 1)::text WHERE id = ${String(id)}`, { transaction });
          channels.notify(Item, [id], { transaction });
        });
      }
    };
    await Promise.all([counted, ...Array.from({ length: 25 }, write)]);
    const seen: number[] = [];
    while (seen.at(-1) !== 200) {
      const [frame] = await next(client);
      seen.push(Number((frame?.[2] as { text: string }).text));
    }
    expect(seen).toEqual([...seen].sort((one, other) => one - other));
  }, 30_000);

  it('signals go to other processes as they are shown; one that can not be shown is told as a resync there as well', async () => {
    const client = await open();
    await ask(client, 'followPings', 1);
    for (const text of ['one', 'bad', 'two']) await there('ping', text);
    const frames = (await next(client, 3)).map(([action, , data]) => [action, data]);
    expect(frames.filter(([action]) => action === 'ping').map(([, data]) => data)).toEqual(['one', 'two']);
    expect(frames).toContainEqual(['resync', 200]);
  });

  it('rubbish on the channels of observers is ignored', async () => {
    const client = await open();
    await ask(client, 'follow', 1, { room: 'a' });
    await there('create', 'a', 'x');
    await next(client);
    const layer = redisLayer({ url: redis.url });
    const name = 'observer:8:in rooms';
    for (const text of [
      '{',
      'null',
      '[]',
      '{}',
      '{"from":5}',
      '{"from":"x","id":"y","pk":{},"action":"update","isLeft":false}',
    ]) {
      await layer.send(`${name}:a`, text);
      await layer.send(name, text);
    }
    await layer.close();
    await there('create', 'a', 'y');
    expect((await next(client))[0]?.[0]).toBe('create');
    expect(errors).toEqual([]);
  });

  it('when Redis was away each subscription is told once to read again, and events come from then on', async () => {
    const client = await open();
    for (const id of [1, 2]) await ask(client, 'follow', id, { room: 'a' });
    await redis.kill();
    await there('create', 'a', 'lost');
    await redis.start();
    expect((await next(client, 2)).sort()).toEqual([
      ['resync', 1, 200],
      ['resync', 2, 200],
    ]);
    await until(async () => {
      // The other process, too, has to find Redis again.
      const id = await there('create', 'other', 'x');
      return id !== null;
    });
    const id = await there('create', 'a', 'fresh');
    expect((await next(client, 2)).map(([action, requestId, data]) => [action, requestId, data])).toEqual([
      ['create', 1, { id, room: 'a', text: 'fresh' }],
      ['create', 2, { id, room: 'a', text: 'fresh' }],
    ]);
    await client.receiveNothing();
  }, 30_000);

  it('when a process that writes is killed, subscribers are told to read again', async () => {
    const client = await open();
    await ask(client, 'follow', 1, { room: 'a' });
    await there('create', 'a', 'x');
    await next(client);
    await endNode();
    expect(await next(client)).toEqual([['resync', 1, 200]]);
    await client.receiveNothing();
  }, 30_000);
});
