import express from 'express';
import onHeaders from 'on-headers';

import { agree } from './sequence.js';

test('on-headers listeners run once, in reverse order, before the headers are decided', async () => {
  const build = () => {
    const app = express();
    app.use((_req, res, next) => {
      onHeaders(res, () => {
        res.setHeader('X-Order', `${String(res.getHeader('X-Order'))} first`);
        res.removeHeader('X-Powered-By');
      });
      onHeaders(res, () => {
        res.setHeader('X-Order', `second ${String(res.statusCode)}`);
        if (res.statusCode === 299) res.statusCode = 298;
      });
      next();
    });
    app.get('/send', (_req, res) => {
      res.send('x');
    });
    app.get('/write', (_req, res) => {
      res.write('a');
      res.end('b');
    });
    app.get('/head', (_req, res) => {
      res.writeHead(201, 'Made', { 'X-A': '1' }).end();
    });
    app.get('/list', (_req, res) => {
      res.writeHead(201, ['X-A', '1', 'X-B', '2']).end();
    });
    app.get('/status', (_req, res) => {
      res.status(299).send('changed');
    });
    app.get('/flush', (_req, res) => {
      res.flushHeaders();
      res.end('x');
    });
    return app;
  };
  const answers = await agree(
    build,
    ['/send', '/write', '/head', '/list', '/status', '/flush', '/nothing'].map((url) => ({ url })),
  );
  expect(answers.map(({ headers }) => headers['x-order'])).toEqual([
    'second 200 first',
    'second 200 first',
    'second 201 first',
    'second 201 first',
    'second 299 first',
    'second 200 first',
    'second 404 first',
  ]);
  expect(answers[4]?.status).toBe(298);
});
