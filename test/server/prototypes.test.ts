import http, { type IncomingHttpHeaders } from 'node:http';
import net from 'node:net';
import stream from 'node:stream';
import tls from 'node:tls';

import express from 'express';
import session, { Session, Store } from 'express-session';
import { createChannels, isAuthenticated, viewAsConsumer } from 'express-channels';

import { createLoginApp, logIn } from '../support/login-app.js';
import { listen, open } from '../support/socket-client.js';

const ROUNDS = 150;

/** Everything that an object and its prototypes own, with the identity of each value. */
function ownedBy(subject: object): Map<object, Map<PropertyKey, PropertyDescriptor | undefined>> {
  const owned = new Map<object, Map<PropertyKey, PropertyDescriptor | undefined>>();
  for (let at: object | null = subject; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const owner = at;
    owned.set(owner, new Map(Reflect.ownKeys(owner).map((key) => [key, Object.getOwnPropertyDescriptor(owner, key)])));
  }
  return owned;
}

test('HTTP and sockets in one process: nothing shared is touched, and HTTP answers as before', async () => {
  const { app, middleware, store } = createLoginApp();
  app.get('/things/:id', (req, res) => {
    const { id } = req.params;
    res
      .cookie('last', id)
      .vary('Origin')
      .json({ id, query: req.query, ip: req.ip, protocol: req.protocol, fresh: req.fresh, path: req.path });
  });
  app.post('/things', express.text(), express.json(), (req, res) => {
    setImmediate(() => res.status(201).links({ next: '/things?page=2' }).send(req.body));
  });
  app.get('/fails', () => {
    throw Object.assign(new Error('expected'), { status: 409, expose: true });
  });
  app.use(((error: { status: number; message: string }, _req, res, _next) => {
    res.status(error.status).json(error.message);
  }) as express.ErrorRequestHandler);
  const actions = { things: 'GET /things/:id', create: 'POST /things', fails: 'GET /fails', visit: 'POST /visit' } as const;
  const channels = createChannels(app)
    .use(...middleware)
    .route('/ws', viewAsConsumer(app, actions, { permissions: [isAuthenticated] }));
  const port = await listen(channels);
  const cookie = await logIn(port, 'alice');

  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
  const overHttp = async (round: number): Promise<unknown> => [
    await ask(agent, port, 'GET', `/things/${round % 3}?a=${round % 3}`),
    await ask(agent, port, 'POST', '/things', JSON.stringify({ round: round % 3 })),
    await ask(agent, port, 'GET', '/fails'),
  ];
  const expected = [await overHttp(0), await overHttp(1), await overHttp(2)];
  const classes = [
    http.IncomingMessage,
    http.ServerResponse,
    http.OutgoingMessage,
    http.Server,
    http.Agent,
    net.Socket,
    net.Server,
    tls.TLSSocket,
  ];
  const prototypes = [...classes, stream.Readable, stream.Writable, stream.Duplex, Store, Session, session.MemoryStore].map(
    (one) => one.prototype as object,
  );
  const subjects = [
    ...prototypes,
    http,
    net,
    express,
    express.request,
    express.response,
    express.application,
    Reflect.get(app, 'request') as object,
    Reflect.get(app, 'response') as object,
    express.Router,
    app,
    Function.prototype,
    Promise.prototype,
  ];
  const before = subjects.map(ownedBy);
  const storeBefore = ownedBy(store);

  const client = await open(port, '/ws', { headers: { cookie } });
  const [answers] = await Promise.all([
    (async () => {
      const all: unknown[] = [];
      for (let round = 0; round < ROUNDS; round += 1) all.push(await overHttp(round));
      return all;
    })(),
    (async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        expect(await client.act('things', { pk: round })).toMatchObject({ data: { id: String(round) } });
        expect(await client.act('create', { data: { round } })).toMatchObject({ data: { round }, response_status: 201 });
        expect(await client.act('fails')).toMatchObject({ data: 'expected', response_status: 409 });
        expect(await client.act('visit')).toMatchObject({ data: round + 1 });
      }
    })(),
  ]);
  expect(answers).toEqual(Array.from({ length: ROUNDS }, (_, round) => expected[round % 3]));

  await client.close();
  await channels.close();
  agent.destroy();
  subjects.forEach((subject, index) => {
    // Compared one by one: a whole graph of prototypes would not be readable in a report.
    for (const [owner, properties] of before[index] ?? []) {
      for (const key of new Set([...properties.keys(), ...Reflect.ownKeys(owner)])) {
        const [was, is] = [properties.get(key), Object.getOwnPropertyDescriptor(owner, key)];
        if (same(was, is)) continue;
        throw new Error(`${String(key)} of ${Object.prototype.toString.call(subject)} ${index} was changed.`);
      }
    }
  });
  expect([...(ownedBy(store).get(store)?.keys() ?? [])]).toEqual([...(storeBefore.get(store)?.keys() ?? [])]);
}, 30_000);

function same(was: PropertyDescriptor | undefined, is: PropertyDescriptor | undefined): boolean {
  if (was === undefined || is === undefined) return was === is;
  return Object.is(was.value, is.value) && was.get === is.get && was.set === is.set && was.writable === is.writable;
}

/** All of an answer but its date. */
function ask(agent: http.Agent, port: number, method: string, path: string, body?: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const request = http.request({ agent, host: '127.0.0.1', port, method, path, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        const shown: IncomingHttpHeaders = { ...response.headers };
        delete shown.date;
        resolve([response.statusCode, response.statusMessage, shown, text]);
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
