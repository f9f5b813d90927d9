import cors from 'cors';
import express from 'express';

import { agree } from './sequence.js';

test('cors answers preflights and marks answers', async () => {
  const build = () => {
    const app = express();
    app.use(cors({ origin: ['https://a.example', /\.b\.example$/], credentials: true, exposedHeaders: ['X-A'], maxAge: 600 }));
    app.put('/', (_req, res) => {
      res.json({});
    });
    return app;
  };
  const preflight = { 'Access-Control-Request-Method': 'PUT', 'Access-Control-Request-Headers': 'x-one, x-two' };
  const answers = await agree(build, [
    { method: 'OPTIONS', url: '/', headers: { Origin: 'https://a.example', ...preflight } },
    { method: 'OPTIONS', url: '/', headers: { Origin: 'https://evil.example', ...preflight } },
    { method: 'PUT', url: '/', headers: { Origin: 'https://x.b.example' } },
    { method: 'PUT', url: '/' },
  ]);
  expect(answers[0]?.status).toBe(204);
  expect(answers[0]?.headers['access-control-allow-origin']).toBe('https://a.example');
});
