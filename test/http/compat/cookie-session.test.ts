import cookieSession from 'cookie-session';
import express from 'express';

import { agree } from './sequence.js';

test('cookie-session keeps its state in cookies', async () => {
  const build = () => {
    const app = express();
    app.use(cookieSession({ name: 'state', keys: ['k1', 'k2'] }));
    app.get('/count', (req, res) => {
      const seen: unknown = Reflect.get(req.session, 'views');
      const views = typeof seen === 'number' ? seen + 1 : 1;
      Reflect.set(req.session, 'views', views);
      res.json({ views });
    });
    app.get('/clear', (req, res) => {
      // express-session's types have no null here.
      Reflect.set(req, 'session', null);
      res.end();
    });
    return app;
  };
  const answers = await agree(
    build,
    ['/count', '/count', '/clear', '/count'].map((url) => ({ url })),
  );
  expect(answers.map(({ body }) => body)).toEqual(['{"views":1}', '{"views":2}', '', '{"views":1}']);
});
