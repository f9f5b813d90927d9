import express from 'express';
import { rateLimit } from 'express-rate-limit';

import { agree } from './sequence.js';

test('express-rate-limit counts by address', async () => {
  const build = () => {
    const app = express();
    app.use(rateLimit({ windowMs: 3_600_000, limit: 2, standardHeaders: 'draft-7', legacyHeaders: false }));
    app.get('/', (_req, res) => {
      res.send('served');
    });
    return app;
  };
  const answers = await agree(
    build,
    Array.from({ length: 4 }, () => ({ url: '/' })),
    ({ headers, ...answer }) => ({ ...answer, headers: JSON.stringify(headers).replace(/reset=\d+|"retry-after":"\d+"/g, '…') }),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 429, 429]);
});
