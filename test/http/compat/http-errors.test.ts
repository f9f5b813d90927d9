import express from 'express';
import createError from 'http-errors';

import { agree } from './sequence.js';

test('http-errors give status, headers and, in production, only what may be told', async () => {
  const printed = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  const build = () => {
    const app = express();
    app.set('env', 'production');
    app.get('/:status', (req, _res, next) => {
      next(createError(Number(req.params.status), 'detail', { headers: { 'X-Detail': 'yes' } }));
    });
    app.get('/', () => {
      throw new createError.UnavailableForLegalReasons();
    });
    return app;
  };
  const answers = await agree(build, [{ url: '/400' }, { url: '/404' }, { url: '/500' }, { url: '/' }]);
  expect(answers.map(({ status }) => status)).toEqual([400, 404, 500, 451]);
  // Express prints them in a later turn of the event loop.
  while (printed.mock.calls.length < 8) await new Promise(setImmediate);
  expect(answers[2]?.body).not.toContain('detail');
});
