import { EventEmitter, once } from 'node:events';

import express, { type Request, type RequestHandler } from 'express';
import { createChannels, type ErrorDetails, viewAsConsumer, type ViewAsConsumerOptions } from 'express-channels';
import { connect } from 'express-channels/testing';

import { isExpress4, viewClient } from './view-client.js';

const done: RequestHandler = (_req, res) => {
  res.json('done');
};

/** A client of one route, and what its channels reported. */
async function reporting(handler: RequestHandler) {
  const reports: [error: unknown, details: Partial<ErrorDetails>][] = [];
  const channels = createChannels(undefined, { onError: (...report) => reports.push(report) });
  channels.route('/ws', viewAsConsumer(express.Router().get('/', handler), { run: 'GET /' }));
  const client = await connect(channels, '/ws');
  return { client, reports, channels };
}

describe('options that can not be meant are told at start-up', () => {
  const table: [options: ViewAsConsumerOptions, message: string][] = [
    [{ timeoutMs: 0 }, 'Expected `timeoutMs` to be a positive number, got 0.'],
    [{ timeoutMs: NaN }, 'Expected `timeoutMs` to be a positive number, got NaN.'],
    [{ maxResponseBytes: -1 }, 'Expected `maxResponseBytes` to be a positive number, got -1.'],
  ];
  test.each(table)('%j', (options, message) => {
    const router = express.Router().get('/', done);
    expect(() => viewAsConsumer(router, undefined, options)).toThrow(new TypeError(message));
  });
});

describe('an unexpected error is reported, with where it came from', () => {
  const failed = new Error('failed');

  test('when it is the answer', async () => {
    const { client, reports, channels } = await reporting(() => {
      throw failed;
    });
    expect(await client.request({ action: 'run' })).toMatchObject({ errors: ['A server error occurred.'], response_status: 500 });
    expect(reports).toEqual([[failed, { scope: expect.objectContaining({ path: '/ws' }) as unknown, action: 'run' }]]);
    await channels.close();
  });

  test('when it comes behind the answer, which stands', async () => {
    const { client, reports, channels } = await reporting((_req, res, next) => {
      res.json('done');
      next(failed);
    });
    expect(await client.request({ action: 'run' })).toMatchObject({ errors: [], data: 'done', response_status: 200 });
    expect(reports).toEqual([[failed, { scope: expect.anything() as unknown, action: 'run' }]]);
    await channels.close();
  });

  test('but not a mere next() behind the answer, nor a mistake of the client', async () => {
    const { client, reports, channels } = await reporting((_req, res, next) => {
      res.status(404).json('no');
      next();
    });
    await client.request({ action: 'run' });
    await client.request({ action: 'run', parameters: { pk: '..' } });
    await client.request({ action: 'run', query: 5 });
    await client.request({ action: 'nope' });
    await client.request('{');
    expect(reports).toEqual([]);
    await channels.close();
  });

  test('of a bare handler that rejects', async () => {
    const channels = createChannels(undefined, { onError: () => undefined });
    channels.route(
      '/ws',
      viewAsConsumer(() => Promise.reject(failed), { run: 'GET /' }),
    );
    const client = await connect(channels, '/ws');
    expect(await client.request({ action: 'run' })).toMatchObject({ errors: ['A server error occurred.'], response_status: 500 });
    await channels.close();
  });
});

test('a client that goes takes its running action along', async () => {
  const begun = new EventEmitter<{ request: [Request] }>();
  const router = express.Router().get('/', (req) => {
    begun.emit('request', req);
  });
  const client = await viewClient(router, { run: 'GET /' });
  const request = once(begun, 'request');
  client.send({ action: 'run' });
  const [req] = (await request) as [Request];
  const closed = new Promise((resolve) => req.once('close', resolve));
  await client.close();
  await closed;
  expect(req.destroyed).toBe(true);
});

if (isExpress4) {
  test('a parameter may have a pattern, and what it does not take is refused', async () => {
    const router = express.Router().get('/:id(\\d+)', done).get('/:id(\\d+)/:part?', done);
    const client = await viewClient(router, { retrieve: 'GET /:id(\\d+)', part: 'GET /:id(\\d+)/:part?' });
    expect(await client.request({ action: 'retrieve', pk: 5 })).toMatchObject({ data: 'done' });
    expect(await client.request({ action: 'retrieve', pk: 'x' })).toMatchObject({ data: null, response_status: 404 });
    expect(await client.request({ action: 'part', parameters: { id: 5, part: 'a' } })).toMatchObject({ data: 'done' });
  });
}

test('a path that no parameter can be decoded from is no rival of a route', () => {
  const router = express.Router().get('/:id', done).get('/%zz', done);
  expect(() => viewAsConsumer(router, { odd: 'GET /%zz', retrieve: 'GET /:id' })).not.toThrow();
});

test('a bare handler gets what its template makes of the parameters', async () => {
  const client = await viewClient((req, res) => void res.end(req.url), { item: 'GET /items/:pk', list: 'GET /items' });
  expect(await client.request({ action: 'item', pk: 'a/b', query: { c: ['d', 1] } })).toMatchObject({
    data: '/items/a%2Fb?c=d&c=1',
  });
  expect(await client.request({ action: 'list' })).toMatchObject({ data: '/items' });
});

test('`pk` and `parameters` together are refused: what a permission reads is what runs', async () => {
  const client = await viewClient(express.Router().get('/:id', done), { retrieve: 'GET /:id', bare: 'GET' });
  for (const action of ['retrieve', 'bare']) {
    expect(await client.request({ action, pk: 1, parameters: { id: 2 } })).toMatchObject({
      errors: [{ pk: ['Expected either `pk` or `parameters`, got both.'] }],
      response_status: 400,
    });
    expect(await client.request({ action, pk: 1, parameters: {} })).toMatchObject({ response_status: 200 });
  }
});

test('a router with mergeParams finds the parameters of the path of the socket', async () => {
  const comments = express.Router({ mergeParams: true }).get('/:id', (req, res) => void res.json(req.params));
  const channels = createChannels().route('/ws/posts/:postId', viewAsConsumer(comments, { retrieve: 'GET /:id' }));
  const client = await connect(channels, '/ws/posts/7');
  expect(await client.request({ action: 'retrieve', pk: 3 })).toMatchObject({ data: { postId: '7', id: '3' } });
  await channels.close();
});
