import http, { type IncomingMessage, type ServerResponse } from 'node:http';

import { dispatch } from 'express-channels';
import express from 'express';

import { isApplication } from '../../lib/http/application.js';
import { comparable, serve } from './answers.js';

function build(): express.Application {
  const app = express();
  app.use(express.json());
  app.get('/things/:id', (req, res) => {
    res.cookie('id', req.params.id).json({ id: req.params.id, query: req.query, ip: req.ip, xhr: req.xhr });
  });
  app.post('/things', (req, res) => {
    setImmediate(() => res.status(201).json(req.body));
  });
  app.get('/fails', () => {
    throw Object.assign(new Error('expected'), { status: 400 });
  });
  return app;
}

/** What an application puts under its requests and responses; the types do not know of it. */
function ownPrototypes(app: object): Record<string, object> {
  if (!isApplication(app)) throw new Error('That is no application.');
  return { 'app.request': app.request, 'app.response': app.response };
}

/** Every own property of an object and of its prototypes, up to Object's, with the identity of each value. */
function descriptors(subject: object): unknown[] {
  const seen: unknown[] = [];
  for (
    let at: unknown = subject;
    typeof at === 'object' && at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    const owner = at;
    for (const key of Reflect.ownKeys(owner)) {
      const parts: unknown = Object.values(Object.getOwnPropertyDescriptor(owner, key) ?? {});
      seen.push(owner, key, parts);
    }
  }
  return seen;
}

function same(one: unknown, other: unknown): boolean {
  if (!Array.isArray(one) || !Array.isArray(other)) return Object.is(one, other);
  return one.length === other.length && one.every((part, index) => Object.is(part, other[index]));
}

test('no prototype of Node, of Express or of the application is touched', async () => {
  const app = build();
  const router = express.Router();
  router.get('/', (_req, res) => {
    res.json({ routed: true });
  });
  const subjects: Readonly<Record<string, object>> = {
    'http.IncomingMessage': http.IncomingMessage.prototype,
    'http.ServerResponse': http.ServerResponse.prototype,
    'http.OutgoingMessage': http.OutgoingMessage.prototype,
    'express.request': express.request,
    'express.response': express.response,
    ...ownPrototypes(app),
  };
  const before = new Map(Object.entries(subjects).map(([name, subject]) => [name, descriptors(subject)]));

  jest.spyOn(console, 'error').mockImplementation(() => undefined);
  await dispatch(app, { url: '/things/1?a=b' });
  await dispatch(app, { method: 'POST', url: '/things', headers: { 'Content-Type': 'application/json' }, body: '{"a":1}' });
  await dispatch(app, { url: '/fails' });
  await dispatch(app, { url: '/nothing' });
  await dispatch(router, { url: '/' });
  await dispatch((_req: IncomingMessage, res: ServerResponse) => res.writeHead(200, ['X-A', '1']).end('x'), { url: '/' });
  await expect(dispatch((req) => req.destroy(), { url: '/' })).rejects.toThrow();

  for (const [name, subject] of Object.entries(subjects)) {
    const after = descriptors(subject);
    const changed = after.findIndex((value, index) => !same(value, before.get(name)?.[index]));
    expect([name, changed, after.length]).toEqual([name, -1, before.get(name)?.length]);
  }
});

test('real HTTP in the same process is undisturbed, request by request', async () => {
  const app = build();
  const server = await serve(app);
  const asked = Array.from({ length: 300 }, (_, index) =>
    index % 3 === 0
      ? {
          method: 'POST',
          url: '/things',
          headers: { Connection: 'keep-alive', 'Content-Type': 'application/json' },
          body: JSON.stringify({ index }),
        }
      : { url: `/things/${String(index)}?n=${String(index)}`, headers: { Connection: 'keep-alive' } },
  );
  const answers = await Promise.all(asked.map((request) => Promise.all([server.ask(request), dispatch(app, request)])));
  await server.close();
  for (const [index, [byHttp, byDispatch]] of answers.entries()) {
    expect(comparable(byDispatch)).toEqual(comparable(byHttp));
    expect(byHttp.body.toString()).toContain(index % 3 === 0 ? `{"index":${String(index)}}` : `{"id":"${String(index)}"`);
  }
});

test('a Router answers as one in an application, and a router of another handler does not see its settings', async () => {
  const router = express.Router();
  router.get('/json', (req, res) => {
    res.json({ path: req.path, secure: req.secure });
  });
  const server = await serve(express().use(router));
  for (const url of ['/json', '/nothing']) {
    const request = { url, headers: { Connection: 'keep-alive' } };
    expect(comparable(await dispatch(router, request))).toEqual(comparable(await server.ask(request)));
  }
  await server.close();
  const tls = await dispatch(router, { url: '/json', encrypted: true, remoteAddress: '10.1.2.3' });
  expect(JSON.parse(tls.body.toString())).toEqual({ path: '/json', secure: true });
});
