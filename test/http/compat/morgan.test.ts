import express from 'express';
import morgan from 'morgan';

import { agree } from './sequence.js';

test('morgan logs the same lines', async () => {
  const logs: string[][] = [];
  const build = () => {
    const log: string[] = [];
    logs.push(log);
    const app = express();
    const format =
      ':remote-addr :remote-user :method :url HTTP/:http-version :status :res[content-length] ":referrer" ":user-agent" :req[x-a]';
    app.use(morgan(format, { stream: { write: (line) => log.push(line) } }));
    app.use(morgan(':method :url', { immediate: true, stream: { write: (line) => log.push(line) } }));
    app.get('/', (_req, res) => {
      res.send('hello');
    });
    app.get('/empty', (_req, res) => {
      res.status(204).end();
    });
    return app;
  };
  await agree(build, [
    { url: '/?a=1', headers: { 'User-Agent': 'test', Referer: 'http://a/', Authorization: 'Basic dG9iaTpw', 'X-A': '1' } },
    { url: '/empty' },
    { method: 'POST', url: '/nothing', body: 'x' },
    { method: 'HEAD', url: '/' },
  ]);
  const [byHttp, byDispatch] = logs;
  expect(byDispatch).toHaveLength(8);
  expect(byDispatch).toEqual(byHttp);
});
