import express from 'express';
import onFinished from 'on-finished';

import { agree } from './sequence.js';

test('on-finished hears the end of every response and request', async () => {
  const heard: string[][] = [];
  const build = () => {
    const log: string[] = [];
    heard.push(log);
    const app = express();
    app.use((req, res, next) => {
      onFinished(res, (error, message) =>
        log.push(`res ${req.url} ${String(error)} ${String(message === res)} ${String(res.statusCode)}`),
      );
      onFinished(req, (error) => log.push(`req ${req.url} ${String(error)}`));
      next();
    });
    app.post('/read', express.text(), (req, res) => {
      res.send(req.body);
    });
    app.all('/unread', (_req, res) => {
      res.send('x');
    });
    return app;
  };
  await agree(build, [
    { method: 'POST', url: '/read', headers: { 'Content-Type': 'text/plain' }, body: 'text' },
    { method: 'POST', url: '/unread', body: 'text' },
    { url: '/unread' },
    { url: '/nothing' },
  ]);
  const [byHttp, byDispatch] = heard;
  expect(byDispatch).toHaveLength(8);
  expect(byDispatch).toEqual(byHttp);
});
