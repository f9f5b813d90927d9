import express, { type RequestHandler, type Router } from 'express';
import createError from 'http-errors';

import type { Models } from './models.js';

/** Rows of Thing over REST. */
export function thingsRouter({ Thing }: Models): Router {
  const router = express.Router();
  type Row = InstanceType<typeof Thing>;

  const find = async (pk: unknown): Promise<Row> => {
    const row = /^\d+$/.test(String(pk)) ? await Thing.findByPk(Number(pk)) : null;
    if (row === null) throw new Refusal(404, { detail: 'Not found.' });
    return row;
  };
  const create = answering(async (req, res) => {
    const row = await Thing.create({ name: requiredName(req.body), ...counterOf(req.body) });
    res.status(201).json(wire(row));
  });
  router.get(
    '/',
    answering(async (req, res) => {
      const { name } = req.query;
      const rows = await Thing.findAll({ where: name === undefined ? {} : { name: [name].flat().map(String) }, order: ['id'] });
      res.json(rows.map(wire));
    }),
  );
  router.put('/', create);
  router.post('/', create);
  router.get(
    '/:pk',
    answering(async (req, res) => {
      res.json(wire(await find(req.params['pk'])));
    }),
  );
  router.put(
    '/:pk',
    answering(async (req, res) => {
      const row = await find(req.params['pk']);
      res.json(wire(await row.update({ name: requiredName(req.body), ...counterOf(req.body) })));
    }),
  );
  router.patch(
    '/:pk',
    answering(async (req, res) => {
      const row = await find(req.params['pk']);
      const name = keyOf(req.body, 'name') === undefined ? {} : { name: requiredName(req.body) };
      res.json(wire(await row.update({ ...name, ...counterOf(req.body) })));
    }),
  );
  router.delete(
    '/:pk',
    answering(async (req, res) => {
      await (await find(req.params['pk'])).destroy();
      res.status(204).end();
    }),
  );
  return router;
}

/** Answers with what it was asked. */
export function echoRouter(): Router {
  const router = express.Router();
  const echo: RequestHandler = (req, res) => {
    const body: unknown = req.body ?? null;
    if (req.query['size'] !== undefined) {
      res.json({ size: String(keyOf(body, 'pad')).length });
      return;
    }
    const { method, originalUrl: url, query, params } = req;
    const user = keyOf(req.user, 'username') ?? null;
    res.json({
      method,
      url,
      query,
      params,
      body,
      user,
      headers: { 'x-test': req.get('x-test') ?? null, cookie: req.get('cookie') ?? null },
    });
  };
  router.route('/').get(echo).post(echo).put(echo).patch(echo).delete(echo);
  router.get('/items/:pk', echo);
  router.get('/items/:pk/parts/:part', echo);
  return router;
}

/** Answers in every way in which a route can answer. */
export function kindsRouter(): Router {
  const router = express.Router();
  const answer: RequestHandler = (req, res, next) => {
    const { kind = null } = req.query;
    const handler = typeof kind === 'string' ? kinds.get(kind) : undefined;
    return handler === undefined ? res.json({ kind }) : handler(req, res, next);
  };
  router.get('/', answer);
  router.post('/', answer);
  return router;
}

const kinds = new Map<string, RequestHandler>([
  ['json', (_req, res) => res.json({ a: 1 })],
  ['list', (_req, res) => res.json(['test1', 'test2'])],
  ['scalar', (_req, res) => res.json(42)],
  ['null', (_req, res) => res.json(null)],
  ['unicode', (_req, res) => res.json({ t: 'é☃😀' })],
  ['created', (_req, res) => res.status(201).json({ a: 1 })],
  ['no-content', (_req, res) => res.status(204).end()],
  ['empty', (_req, res) => res.status(200).end()],
  ['not-found', (_req, res) => res.status(404).json({ detail: 'nope' })],
  ['bad-request', (_req, res) => res.status(400).json({ name: ['This field is required.'] })],
  ['server-error', (_req, res) => res.status(500).json({ detail: 'oops' })],
  ['error-list', (_req, res) => res.status(422).json(['one', 'two'])],
  ['error-text', (_req, res) => res.status(400).type('text/plain').send('bad thing')],
  ['error-empty', (_req, res) => res.status(403).end()],
  ['html', (_req, res) => res.send('<h1>Hi é</h1>')],
  ['html-500', (_req, res) => res.status(500).send('<h1>Server Error (500)</h1>')],
  ['text', (_req, res) => res.type('text/plain').send('plain')],
  ['redirect', (_req, res) => res.redirect('/elsewhere')],
  ['binary', (_req, res) => res.type('application/octet-stream').send(Buffer.from([0x00, 0xff, 0xfe]))],
  ['latin1', (_req, res) => res.set('Content-Type', 'text/plain; charset=latin1').send(Buffer.from([0xe9]))],
  ['streaming', (_req, res) => streamed(res.type('text/plain'), ['a', 'b', 'c'])],
  ['json-streaming', (_req, res) => streamed(res.type('application/json'), ['{"a":', '1}'])],
  ['send-file', (_req, res) => res.sendFile('hello.txt', { root: 'test/wire' })],
  ['delayed', (_req, res) => setTimeout(() => res.json({ late: true }), DELAY_MS)],
  ['never', () => undefined],
  [
    'throw',
    () => {
      throw new Error('a secret');
    },
  ],
  ['reject', passingOn(async () => Promise.reject(new Error('a secret')))],
  [
    'next-error',
    (_req, _res, next) => {
      next(createError(418, 'teapot', { expose: true }));
    },
  ],
  [
    'next-error-hidden',
    (_req, _res, next) => {
      next(new Error('a secret'));
    },
  ],
  [
    'next',
    (_req, _res, next) => {
      next();
    },
  ],
  ['headers', (_req, res) => res.set('X-Thing', 'thing').cookie('c', 'v').json({ a: 1 })],
]);

const DELAY_MS = 150;

function streamed(res: express.Response, pieces: readonly string[]): void {
  const [piece, ...more] = pieces;
  if (piece === undefined) {
    res.end();
    return;
  }
  res.write(piece);
  setImmediate(streamed, res, more);
}

/** What a route refuses with, as JSON. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly body: object,
  ) {
    super(`Refused with ${String(status)}.`);
  }
}

function answering(handler: (...args: Parameters<RequestHandler>) => Promise<void>): RequestHandler {
  return passingOn((req, res, next) =>
    handler(req, res, next).catch((error: unknown) => {
      if (!(error instanceof Refusal)) throw error;
      res.status(error.status).json(error.body);
    }),
  );
}

/** Hands a rejection to `next`: Express 5 does so by itself, with Express 4 it is the application's task. */
function passingOn(handler: (...args: Parameters<RequestHandler>) => Promise<void>): RequestHandler {
  return (req, res, next) => {
    handler(req, res, next).catch(next);
  };
}

function wire(row: { get(column: string): unknown }): object {
  return { pk: row.get('id'), name: row.get('name'), counter: row.get('counter') };
}

function requiredName(body: unknown): string {
  const name = keyOf(body, 'name');
  if (typeof name !== 'string' || name === '') throw new Refusal(400, { name: ['This field is required.'] });
  return name;
}

function counterOf(body: unknown): { counter?: number } {
  const counter = keyOf(body, 'counter');
  return typeof counter === 'number' && Number.isInteger(counter) ? { counter } : {};
}

function keyOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
}
