import express from 'express';
import session from 'express-session';

import { agree, maskCookies } from './sequence.js';

declare module 'express-session' {
  interface SessionData {
    views?: number;
  }
}

test.each([true, false])(
  'express-session counts, regenerates and destroys (saveUninitialized: %s)',
  async (saveUninitialized) => {
    const build = () => {
      const app = express();
      app.use(session({ secret: 'secret', resave: false, saveUninitialized, rolling: true, cookie: { maxAge: 60_000 } }));
      app.get('/count', (req, res) => {
        req.session.views = (req.session.views ?? 0) + 1;
        res.json({ views: req.session.views });
      });
      app.get('/look', (req, res) => {
        res.json({ views: req.session.views ?? 'none' });
      });
      app.get('/pieces', (req, res) => {
        req.session.views = 100;
        res.write('a');
        res.end('b');
      });
      app.get('/regenerate', (req, res, next) => {
        req.session.regenerate((error) => {
          if (error) next(error);
          else res.send('new');
        });
      });
      app.get('/destroy', (req, res, next) => {
        req.session.destroy((error) => {
          if (error) next(error);
          else res.sendStatus(204);
        });
      });
      return app;
    };
    const urls = ['/look', '/count', '/count', '/pieces', '/look', '/regenerate', '/count', '/destroy', '/count'];
    const answers = await agree(
      build,
      urls.map((url) => ({ url })),
      maskCookies,
    );
    expect(answers.map(({ body }) => body)).toEqual([
      '{"views":"none"}',
      '{"views":1}',
      '{"views":2}',
      'ab',
      '{"views":100}',
      'new',
      '{"views":1}',
      '',
      '{"views":1}',
    ]);
  },
);
