import express, { type Application, type RequestHandler } from 'express';
import createError from 'http-errors';
import methodOverride from 'method-override';

import { CANARY } from './models.js';

/** The request that each action of the router becomes. */
export const MAPPING = {
  list: 'GET /items',
  retrieve: 'GET /items/:pk',
  create: 'PUT /items',
  patch: 'PATCH /items/:pk',
  remove: 'DELETE /items/:pk',
  part: 'GET /items/:pk/parts/:part',
  throws: 'GET /fail/throw',
  rejects: 'GET /fail/reject',
  teapot: 'GET /fail/teapot',
  problems: 'GET /fail/problems',
  text: 'GET /kinds/text',
  bytes: 'GET /kinds/bytes',
  pieces: 'GET /kinds/pieces',
  empty: 'GET /kinds/empty',
  redirect: 'GET /kinds/redirect',
  nobody: 'GET /kinds/nobody',
} as const;

/** Actions that fail on purpose. */
export const PLANNED = new Set(['throws', 'rejects', 'fails']);

/** Says which route was reached, and with what. */
export interface Echo {
  readonly route: string;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  readonly headers: unknown;
}

const ALL = { methods: ['GET', 'PUT', 'PATCH', 'DELETE', 'POST'] };

function overrideInBody({ body }: { body?: unknown }): string {
  const method: unknown = Reflect.get(Object(body), '_method');
  return typeof method === 'string' ? method : '';
}

/** An application with what could lead a frame astray: method overrides by header, query and body, and routes that no action has. */
export function createSite(strayed: string[]): Application {
  const app = express();
  app.use(
    methodOverride('X-HTTP-Method-Override', ALL),
    methodOverride('_method', ALL),
    express.json(),
    methodOverride(overrideInBody, ALL),
  );
  const echo =
    (route: string): RequestHandler =>
    (req, res) => {
      const { authorization = null, 'x-admin': admin = null } = req.headers;
      res.json({ route, method: req.method, params: req.params, body: req.body as unknown, headers: [authorization, admin] });
    };
  app.route('/items').get(echo(MAPPING.list)).put(echo(MAPPING.create));
  app
    .route('/items/:pk')
    .get(echo(MAPPING.retrieve))
    .patch(echo(MAPPING.patch))
    .delete((_req, res) => void res.status(204).end());
  app.get('/items/:pk/parts/:part', echo(MAPPING.part));
  app.get('/fail/throw', () => {
    throw new Error(CANARY);
  });
  app.get('/fail/reject', (_req, _res, next) => {
    next(new Error(CANARY));
  });
  app.get('/fail/teapot', (_req, _res, next) => {
    next(createError(418, 'teapot'));
  });
  app.get('/fail/problems', (_req, res) => void res.status(422).json(['one', 'two']));
  app.get('/kinds/text', (_req, res) => void res.type('text').send('plain'));
  app.get('/kinds/bytes', (_req, res) => void res.type('application/octet-stream').send(Buffer.from([0, 255])));
  app.get('/kinds/pieces', (_req, res) => {
    res.type('json').write('{"a":');
    setImmediate(() => res.end('1}'));
  });
  app.get('/kinds/empty', (_req, res) => void res.end());
  app.get('/kinds/redirect', (_req, res) => {
    res.redirect('/items');
  });
  app.get('/kinds/nobody', (_req, _res, next) => {
    next();
  });
  // What no action is mapped to is never reached.
  app.all(['/admin', '/admin/:pk', '/items/:pk/secret'], (req, res) => {
    strayed.push(req.url);
    res.json({ admin: true });
  });
  return app;
}
