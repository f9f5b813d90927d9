import { once } from 'node:events';

import express, { type RequestHandler } from 'express';
import { createChannels, permission, viewAsConsumer, type ViewAsConsumerOptions } from 'express-channels';

import { createLoginApp, logIn } from '../support/login-app.js';
import { listen, open, until } from '../support/socket-client.js';

const unhandled: unknown[] = [];
const note = (error: unknown): unknown => unhandled.push(error);
beforeAll(() => process.on('unhandledRejection', note).on('uncaughtException', note));
afterAll(() => process.off('unhandledRejection', note).off('uncaughtException', note));
afterEach(() => {
  expect(unhandled).toEqual([]);
});

/** One handler that misbehaves, and one that does not. */
async function serve(handler: RequestHandler, options: ViewAsConsumerOptions) {
  const seen: string[] = [];
  const reported: unknown[] = [];
  const app = express();
  app.get('/slow', (req, res, next) => {
    req.on('close', () => seen.push('req close'));
    res.on('close', () => seen.push('res close'));
    res.on('finish', () => seen.push('finish'));
    return handler(req, res, next);
  });
  app.get('/', (_req, res) => void res.json('fine'));
  const channels = createChannels(app, { onError: (error) => reported.push(error) }).route(
    '/ws',
    viewAsConsumer(app, { slow: 'GET /slow', list: 'GET /' }, options),
  );
  return { channels, seen, reported, port: await listen(channels) };
}

test('a handler that never answers: one 504, it sees `close`, and what it answers later is heard by nobody', async () => {
  let answer: (() => void) | undefined;
  const { channels, port, seen, reported } = await serve((_req, res) => void (answer = () => void res.json('too late')), {
    timeoutMs: 20,
  });
  const client = await open(port, '/ws');
  expect(await client.act('slow', { request_id: 1 })).toEqual({
    errors: ['No answer within 20 ms.'],
    data: null,
    action: 'slow',
    response_status: 504,
    request_id: 1,
  });
  expect(reported).toMatchObject([{ name: 'ActionTimeout' }]);
  answer?.();
  expect(await client.act('list')).toMatchObject({ data: 'fine' });
  await client.receiveNothing();
  expect(seen.sort()).toEqual(['req close', 'res close']);
  await channels.close();
});

describe.each<[string, RequestHandler]>([
  ['streams for ever', endlessly],
  ['writes for ever, without waiting for drain', (_req, res) => writeOn(res)],
  ['answers 1 GB', (_req, res) => pour(res, 1_024)],
  ['sends 8 MB at once', (_req, res) => void res.send('x'.repeat(8_000_000))],
])('a handler that %s', (_name, handler) => {
  test('gets one reply, 500, sees `close`, and leaves neither timers nor handles behind', async () => {
    const { channels, port, seen, reported } = await serve(handler, { maxResponseBytes: 1_000_000 });
    const client = await open(port, '/ws');
    await client.act('list');
    const baseline = resources();
    expect(await client.act('slow')).toMatchObject({ errors: ['The response is too large.'], data: null, response_status: 500 });
    expect(reported).toMatchObject([{ name: 'ResponseTooLarge' }]);
    await until(() => seen.includes('req close') && seen.includes('res close'));
    expect(await client.act('list')).toMatchObject({ data: 'fine' });
    await client.receiveNothing();
    await until(() => resources() === baseline);
    await channels.close();
  });
});

describe('a client that leaves in the middle of an action', () => {
  const leavings = ['close', 'terminate'] as const;

  test.each(leavings)('(%s) while the handler runs: it sees `close`, and what it answers goes nowhere', async (leave) => {
    const answers: (() => void)[] = [];
    const { channels, port, seen, reported } = await serve((_req, res) => void answers.push(() => void res.json('too late')), {});
    const client = await open(port, '/ws');
    client.send({ action: 'slow' });
    client.send({ action: 'slow' });
    await until(() => answers.length === 1);
    client.socket[leave]();
    await until(() => seen.length === 2);
    expect(seen.sort()).toEqual(['req close', 'res close']);
    await until(() => channels.size === 0);
    answers[0]?.();
    await turns(20);
    expect(answers).toHaveLength(1);
    expect(reported).toEqual([]);
    await channels.close();
  });

  test.each(leavings)('(%s) while the handler streams', async (leave) => {
    const { channels, port, seen, reported } = await serve(endlessly, { maxResponseBytes: Number.MAX_SAFE_INTEGER });
    const client = await open(port, '/ws');
    client.send({ action: 'slow' });
    await turns(20);
    client.socket[leave]();
    await until(() => seen.includes('res close') && channels.size === 0);
    expect(reported).toEqual([]);
    await channels.close();
  });

  test.each(leavings)('(%s) while its session is read, a permission is asked, or its session is saved', async (leave) => {
    for (const point of ['get', 'permission', 'set'] as const) {
      const { app, middleware, store } = createLoginApp();
      const held: (() => void)[] = [];
      let holding = false;
      const hold = (go: () => void): void => {
        if (holding) held.push(go);
        else go();
      };
      if (point !== 'permission') {
        const original = store[point].bind(store) as (...args: unknown[]) => void;
        Object.assign(store, {
          [point]: (...args: unknown[]) => {
            hold(() => {
              original(...args);
            });
          },
        });
      }
      const slow = permission({
        action: () =>
          new Promise((resolve) => {
            if (point === 'permission') hold(() => resolve(true));
            else resolve(true);
          }),
      });
      const ran: string[] = [];
      const reported: unknown[] = [];
      const router = express.Router().post('/', (req, res) => {
        ran.push('handler');
        req.session.visits = 1;
        res.json('fine');
      });
      const channels = createChannels(app, { onError: (error) => reported.push(error) })
        .use(...middleware)
        .route('/ws', viewAsConsumer(router, { create: 'POST' }, { permissions: [slow] }));
      const port = await listen(channels);
      const client = await open(port, '/ws', { headers: { cookie: await logIn(port, 'alice') } });
      await client.receiveNothing();
      await turns(5);
      holding = true;
      client.send({ action: 'create' });
      await until(() => held.length > 0);
      client.socket[leave]();
      await until(() => channels.size === 0);
      holding = false;
      for (const go of held) go();
      await turns(20);
      expect({ point, ran, reported }).toEqual({ point, ran: point === 'set' ? ['handler'] : [], reported: [] });
      await channels.close();
    }
  });

  test('whatever it had sent already is not run any more', async () => {
    const asked: string[] = [];
    const spy = permission(({ action }) => asked.push(action) > 0);
    const { channels, port, seen } = await serve(() => undefined, { permissions: [spy] });
    const client = await open(port, '/ws');
    for (let frame = 0; frame < 50; frame += 1) client.send({ action: 'slow' });
    await client.receiveNothing();
    client.socket.terminate();
    await once(client.socket, 'close');
    await until(() => channels.size === 0);
    await turns(20);
    expect(seen).toHaveLength(2);
    expect(asked).toHaveLength(1);
    await channels.close();
  });
});

/** As much as a reader would take, for ever. */
function endlessly(_req: unknown, res: Parameters<RequestHandler>[1]): void {
  const chunk = Buffer.alloc(16_384);
  const more = (): void => {
    while (!res.destroyed && res.write(chunk));
  };
  res.on('drain', more);
  more();
}

/** Writes without ever listening, a piece a turn. */
function writeOn(res: Parameters<RequestHandler>[1]): void {
  if (res.destroyed) return;
  res.write('x'.repeat(1_000));
  setImmediate(writeOn, res);
}

/** A number of megabytes in one go. */
function pour(res: Parameters<RequestHandler>[1], megabytes: number): void {
  const chunk = Buffer.alloc(1_000_000);
  for (let piece = 0; piece < megabytes; piece += 1) res.write(chunk);
  res.end();
}

/** What keeps the process busy, as one text. */
function resources(): string {
  return process.getActiveResourcesInfo().sort().join();
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
