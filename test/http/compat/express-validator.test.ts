import express from 'express';
import { body, matchedData, param, query, validationResult } from 'express-validator';

import { agree, json } from './sequence.js';

test('express-validator tells what is wrong, and what is left', async () => {
  const build = () => {
    const app = express();
    app.use(express.json());
    app.put(
      '/:id',
      param('id').isInt().toInt(),
      query('page').optional().isInt({ max: 9 }),
      body('mail').isEmail().normalizeEmail(),
      (req, res) => {
        const errors = validationResult(req);
        if (errors.isEmpty()) res.json(matchedData(req));
        else res.status(422).json({ errors: errors.array() });
      },
    );
    return app;
  };
  const answers = await agree(build, [
    json('PUT', '/7?page=3', { mail: 'Tobi@Example.COM', other: 1 }),
    json('PUT', '/x?page=33', { mail: 'nobody' }),
    { method: 'PUT', url: '/7' },
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 422, 422]);
  expect(JSON.parse(answers[0]?.body ?? '')).toEqual({ id: 7, page: '3', mail: 'tobi@example.com' });
});
