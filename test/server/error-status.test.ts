import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Response } from 'express';
import { createChannels, defineConsumer, expressPermission, viewAsConsumer } from 'express-channels';
import { connect, HandshakeRefused } from 'express-channels/testing';
import createError from 'http-errors';
import request from 'supertest';

type Fail = (res: Response) => unknown;

const secret = (more: object) => Object.assign(new Error('secret'), more);

/** An error, after the status of the response was set. */
const after = (res: Response, status: number, error: Error): Error => {
  res.status(status);
  return error;
};

/** What a handler passes to `next`, or throws. */
const failures: readonly [name: string, fail: Fail][] = [
  ['an error', () => new Error('secret')],
  ['a status', () => secret({ status: 404 })],
  ['a statusCode', () => secret({ statusCode: 409 })],
  ['both', () => secret({ status: 402, statusCode: 409 })],
  ['a status that is none, and a statusCode', () => secret({ status: 200, statusCode: 410 })],
  ['a status as a text', () => secret({ status: '404' })],
  ['a status below 400', () => secret({ status: 399 })],
  ['a status above 599', () => secret({ status: 600 })],
  ['a status that Node does not name', () => secret({ status: 499 })],
  ['a status from 500 on', () => secret({ status: 503 })],
  ['http-errors', () => createError(418)],
  ['http-errors from 500 on', () => createError(502, 'secret')],
  ['an object', () => ({ status: 404, message: 'secret' })],
  ['a text', () => 'secret'],
  ['the status of the response', (res) => after(res, 403, new Error('secret'))],
  ['the status of the response from 500 on', (res) => after(res, 507, new Error('secret'))],
  ['the status of the response, which is none of an error', (res) => after(res, 302, new Error('secret'))],
  ['a status of its own beside that of the response', (res) => after(res, 403, secret({ status: 404 }))],
  ['headers', () => secret({ status: 429, headers: { 'Retry-After': '7' } })],
];

/** In which way a handler fails. */
const ways: readonly [name: string, handler: (fail: Fail) => RequestHandler][] = [
  ['passes', (fail) => (_req, res, next) => next(fail(res))],
  ['throws', (fail) => (_req, res) => { throw fail(res); }], // prettier-ignore
];

interface Answer {
  readonly status: number;
  readonly errors?: unknown;
  readonly reported: readonly unknown[];
}

/** Where a handler may fail, and what a client of a socket is answered then. */
const places: readonly [name: string, answer: (handler: RequestHandler) => Promise<Answer>][] = [
  ['a route of a Router', (handler) => acted((app) => viewAsConsumer(app.router, { list: 'GET /' }), handler)],
  ['a route of an application', (handler) => acted((app) => viewAsConsumer(app.app, { list: 'GET /' }), handler)],
  ['a bare handler', (handler) => acted(() => viewAsConsumer(handler, { list: 'GET /' }), handler)],
  [
    'a guard as a permission',
    (handler) =>
      acted(
        () =>
          viewAsConsumer(
            express.Router().get('/', (_req, res) => void res.json('passed')),
            undefined,
            {
              permissions: [expressPermission(exceptAtConnect(handler))],
            },
          ),
        handler,
      ),
  ],
  ['the login of a handshake', refused],
];

const exceptAtConnect =
  (handler: RequestHandler): RequestHandler =>
  (req, res, next) =>
    req.method === 'HEAD' ? next() : handler(req, res, next);

async function acted(
  consumerOf: (built: { readonly app: Express; readonly router: express.Router }) => Parameters<Channels['route']>[1],
  handler: RequestHandler,
): Promise<Answer> {
  const router = express.Router().get('/', handler);
  const app = express().set('env', 'test');
  app.get('/', handler);
  const reported: unknown[] = [];
  const channels = createChannels(app, { onError: (error) => reported.push(error) }).route('/ws', consumerOf({ app, router }));
  try {
    const client = await connect(channels, '/ws');
    const { response_status: status, errors } = await client.request({ action: 'list', request_id: 1 });
    return { status: Number(status), errors, reported };
  } finally {
    await channels.close();
  }
}

type Channels = ReturnType<typeof createChannels>;

async function refused(handler: RequestHandler): Promise<Answer> {
  const reported: unknown[] = [];
  const channels = createChannels(undefined, { onError: (error) => reported.push(error) })
    .use(handler)
    .route('/ws', defineConsumer({ actions: {} }));
  try {
    await connect(channels, '/ws');
    throw new Error('Expected the handshake to be refused.');
  } catch (error) {
    if (!(error instanceof HandshakeRefused)) throw error;
    return { status: error.status, reported };
  } finally {
    await channels.close();
  }
}

/** What Express's final handler says. */
async function overHttp(handler: RequestHandler): Promise<number> {
  const app = express().set('env', 'test');
  app.get('/', handler);
  const { status } = await request(app).get('/');
  return status;
}

describe.each(places)('an error of %s has the status that it has over HTTP', (_place, answer) => {
  describe.each(ways)('which it %s', (_way, handlerOf) => {
    test.each(failures)('%s', async (_name, fail) => {
      const handler = handlerOf(fail);
      const expected = await overHttp(handler);
      const { status, errors, reported } = await answer(handler);
      expect(status).toBe(expected);
      expect(JSON.stringify(errors ?? [])).not.toContain('secret');
      expect(reported).toHaveLength(expected >= 500 ? 1 : 0);
    });
  });
});

test.each(failures.filter(([name]) => !name.includes('of the response')))(
  'an error of an action of one’s own has the status that it has over HTTP: %s',
  async (_name, fail) => {
    const thrown = fail(express.response);
    const reported: unknown[] = [];
    const channels = createChannels(undefined, { onError: (error) => reported.push(error) }).route(
      '/ws',
      defineConsumer({ actions: { list: () => { throw thrown; } } }), // prettier-ignore
    );
    const client = await connect(channels, '/ws');
    const { response_status: status } = await client.request({ action: 'list' });
    const expected = await overHttp((_req, _res, next) => next(thrown));
    expect([status, reported.length]).toEqual([expected, expected >= 500 ? 1 : 0]);
    await channels.close();
  },
);

test('the headers of an error are those of its answer', async () => {
  const fail: RequestHandler = (_req, _res, next) =>
    next(secret({ status: 429, headers: { 'Retry-After': '7', 'x bad': 'no' } }));
  const channels = createChannels().route(
    '/ws',
    viewAsConsumer(express.Router().get('/', fail), undefined, { exposeHeaders: ['retry-after'] }),
  );
  const client = await connect(channels, '/ws');
  expect(await client.request({ action: 'list' })).toMatchObject({ response_status: 429, headers: { 'retry-after': '7' } });
  await channels.close();
});

test('what waits for the end of a response meets one, as over HTTP', async () => {
  const ends: unknown[] = [];
  const app = express();
  app.use((_req, res, next) => {
    res.on('finish', () => ends.push(res.statusCode));
    next();
  });
  app.get('/', (_req, _res, next) => next(secret({ status: 404 })));
  const channels = createChannels(app).route('/ws', viewAsConsumer(app, { list: 'GET /', lost: 'GET /' }));
  const client = await connect(channels, '/ws');
  await client.request({ action: 'list' });
  expect(ends).toEqual([404]);
  await channels.close();
});

test('an error handler of the application is asked before', async () => {
  const app = express();
  app.get('/', (_req, _res, next) => next(secret({ status: 404 })));
  const handle: ErrorRequestHandler = (_error, _req, res, _next) => void res.status(410).json('gone');
  app.use(handle);
  const channels = createChannels(app).route('/ws', viewAsConsumer(app, { list: 'GET /' }));
  const client = await connect(channels, '/ws');
  expect(await client.request({ action: 'list' })).toMatchObject({ response_status: 410, errors: ['gone'] });
  await channels.close();
});

test.each<[name: string, thrown: unknown]>([
  [
    'getters that throw',
    Object.defineProperties({}, { status: { get: trap }, statusCode: { get: trap }, expose: { get: trap } }),
  ],
  ['traps', new Proxy({}, { get: trap, getPrototypeOf: trap, has: trap, ownKeys: trap, getOwnPropertyDescriptor: trap })],
])('what is thrown may have %s: it is a 500, and the socket goes on', async (_name, thrown) => {
  const fail = (): never => {
    throw thrown;
  };
  const router = express.Router().get('/sync', fail);
  router.get('/async', (_req, _res, next) => void Promise.resolve().then(fail).catch(next));
  router.get('/fine', (_req, res) => void res.json('fine'));
  const channels = createChannels(undefined, { onError: () => undefined })
    .route('/own', defineConsumer({ actions: { sync: fail, async: () => Promise.resolve().then(fail), fine: () => 'fine' } }))
    .route('/routes', viewAsConsumer(router, { sync: 'GET /sync', async: 'GET /async', fine: 'GET /fine' }));
  for (const path of ['/own', '/routes']) {
    const client = await connect(channels, path);
    expect(await client.request({ action: 'sync' })).toMatchObject({ response_status: 500 });
    expect(await client.request({ action: 'async' })).toMatchObject({ response_status: 500 });
    expect(await client.request({ action: 'fine' })).toMatchObject({ data: 'fine' });
  }
  await channels.close();
});

function trap(): never {
  throw new Error('a trap');
}
