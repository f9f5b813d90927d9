import { Readable } from 'node:stream';

import express from 'express';
import { type Application, dispatch, type DispatchResponse, type Handler } from 'express-channels';

const app: Application = express();

const answer: DispatchResponse = await dispatch(app, { url: '/' });
const status: number = answer.status;
const text: string = answer.statusMessage + answer.body.toString('utf8');
const cookies: string[] | undefined = answer.headers['set-cookie'];
const type: string | undefined = answer.headers['content-type'];

const handler: Handler = (req, res, next) => {
  if (req.method === 'GET') res.end(String(req.headers.host));
  else next();
};
await dispatch(handler, { method: 'POST', url: '/x', headers: { a: '1', b: 2, c: ['3', '4'], d: undefined }, body: 'text' });
await dispatch(express.Router(), { url: '/', body: Buffer.from('x'), remoteAddress: '10.0.0.1', encrypted: true });
await dispatch(
  express.static('/tmp'),
  { url: '/', body: Readable.from(['x']), signal: AbortSignal.timeout(1) },
  { timeoutMs: 1, maxResponseBytes: 1 },
);

// @ts-expect-error a request has a url
await dispatch(app, { method: 'GET' });
// @ts-expect-error a body is text, bytes, or a stream of them
await dispatch(app, { url: '/', body: { a: 1 } });
// @ts-expect-error limits are the third argument
await dispatch(app, { url: '/', timeoutMs: 1 });
// @ts-expect-error an answer is read, not written
answer.status = 500;

export { cookies, status, text, type };
