import express from 'express';
import helmet from 'helmet';

import { agree } from './sequence.js';

test('helmet sets its headers on answers, errors and 404s', async () => {
  const build = () => {
    const app = express();
    app.use(helmet());
    app.get('/', (_req, res) => {
      res.send('safe');
    });
    return app;
  };
  const [answer] = await agree(build, [{ url: '/' }, { url: '/nothing' }, { method: 'HEAD', url: '/' }]);
  expect(answer?.headers).toHaveProperty('content-security-policy');
  expect(answer?.headers).not.toHaveProperty('x-powered-by');
});
