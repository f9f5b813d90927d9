import cookieParser from 'cookie-parser';
import express from 'express';

import { agree } from './sequence.js';

test('cookie-parser reads plain, signed and JSON cookies, and refuses forged ones', async () => {
  const build = () => {
    const app = express();
    app.use(cookieParser('secret'));
    app.get('/set', (_req, res) => {
      res.cookie('plain', 'a b').cookie('signed', 'tobi', { signed: true }).cookie('data', { n: 1 }).end();
    });
    app.get('/read', (req, res) => {
      res.json({ plain: req.cookies as unknown, signed: req.signedCookies as unknown });
    });
    return app;
  };
  const answers = await agree(build, [
    { url: '/read' },
    { url: '/set' },
    { url: '/read' },
    { url: '/read', headers: { Cookie: 'signed=s%3Atobi.forged; a=1; a=2; bad="x' } },
  ]);
  expect(answers[2]?.body).toContain('"signed":{"signed":"tobi"}');
  expect(answers[3]?.body).toContain('"signed":false');
});
