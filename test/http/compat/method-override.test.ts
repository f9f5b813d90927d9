import express from 'express';
import methodOverride from 'method-override';

import { agree, form } from './sequence.js';

test('method-override overrides by header and by query', async () => {
  const build = () => {
    const app = express();
    app.use(express.urlencoded({ extended: false }), methodOverride(), methodOverride('_method'));
    app.all('/', (req, res) => {
      res.json({ method: req.method, body: req.body as unknown });
    });
    return app;
  };
  const answers = await agree(build, [
    { method: 'POST', url: '/', headers: { 'X-HTTP-Method-Override': 'PUT' } },
    { ...form('/?_method=DELETE', { a: '1' }) },
    { url: '/', headers: { 'X-HTTP-Method-Override': 'DELETE' } },
    { method: 'POST', url: '/', headers: { 'X-HTTP-Method-Override': 'BREW' } },
  ]);
  expect(answers.map(({ body }) => /"method":"(\w+)"/.exec(body)?.[1])).toEqual(['PUT', 'DELETE', 'GET', 'POST']);
});
