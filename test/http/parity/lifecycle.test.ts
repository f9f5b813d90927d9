import type { IncomingMessage, ServerResponse } from 'node:http';
import { finished, pipeline, Readable } from 'node:stream';

import { dispatch } from 'express-channels';
import onFinished from 'on-finished';

import type { DispatchRequest } from '../../../lib/http/dispatch.js';
import { serve } from '../answers.js';

type Log = (event: string) => void;
type Scenario = (req: IncomingMessage, res: ServerResponse, log: Log) => void;

/** Listens to all that a message tells of its life. */
function watch(req: IncomingMessage, res: ServerResponse, log: Log): void {
  for (const event of ['prefinish', 'finish', 'close']) {
    res.on(event, () => {
      const { writableEnded, writableFinished, destroyed, closed, headersSent, writable } = res;
      log(
        `res ${event} ${JSON.stringify({ writableEnded, writableFinished, destroyed, closed, headersSent, writable, socket: res.socket === null })}`,
      );
    });
  }
  for (const event of ['end', 'close', 'error']) {
    req.on(event, () => {
      const { complete, destroyed, readableEnded, closed } = req;
      log(`req ${event} ${JSON.stringify({ complete, destroyed, readableEnded, closed })}`);
    });
  }
}

const scenarios: Readonly<Record<string, readonly [Scenario, DispatchRequest]>> = {
  end: [
    (req, res, log) => {
      watch(req, res, log);
      res.end('x', () => {
        log('end callback');
      });
      log('ended');
    },
    { url: '/' },
  ],
  'end without a body': [
    (req, res, log) => {
      watch(req, res, log);
      res.end();
    },
    { url: '/' },
  ],
  HEAD: [
    (req, res, log) => {
      watch(req, res, log);
      res.end('x');
    },
    { method: 'HEAD', url: '/' },
  ],
  'a written piece': [
    (req, res, log) => {
      watch(req, res, log);
      res.write('a', () => {
        log('write callback');
      });
      res.end('b', () => {
        log('end callback');
      });
    },
    { url: '/' },
  ],
  'an unread body': [
    (req, res, log) => {
      watch(req, res, log);
      res.end('x');
    },
    { method: 'POST', url: '/', body: 'abc' },
  ],
  'an empty body': [
    (req, res, log) => {
      watch(req, res, log);
      res.end('x');
    },
    { method: 'POST', url: '/', body: '' },
  ],
  'a body that is read first': [
    (req, res, log) => {
      watch(req, res, log);
      req.on('data', (chunk: Buffer) => {
        log(`data ${String(chunk)}`);
      });
      req.on('end', () => {
        res.end('x');
      });
    },
    { method: 'POST', url: '/', body: 'abc' },
  ],
  'a request without a body that is read first': [
    (req, res, log) => {
      watch(req, res, log);
      req.resume().on('end', () => {
        res.end('x');
      });
    },
    { url: '/' },
  ],
  'an answer before the body is read': [
    (req, res, log) => {
      res.statusCode = 202;
      res.end('accepted');
      req.on('data', (chunk: Buffer) => {
        log(`data ${String(chunk)}`);
      });
      req.on('end', () => {
        log('all read');
      });
    },
    { method: 'POST', url: '/', body: 'late reader' },
  ],
  'stream.finished of both': [
    (req, res, log) => {
      finished(res, (error) => {
        log(`res finished ${String(error?.code)}`);
      });
      finished(req, (error) => {
        log(`req finished ${String(error?.code)}`);
      });
      res.end('x');
    },
    { url: '/' },
  ],
  'a pipeline': [
    (_req, res, log) => {
      pipeline(Readable.from(['a', 'b']), res, (error) => {
        log(`pipeline ${String(error?.code)}`);
      });
    },
    { url: '/' },
  ],
  'a pipeline of the body': [
    (req, res, log) => {
      pipeline(req, res, (error) => {
        log(`pipeline ${String(error?.code)}`);
      });
    },
    { method: 'POST', url: '/', body: 'there and back' },
  ],
  'a pipe': [
    (_req, res, log) => {
      res.on('pipe', () => {
        log('pipe');
      });
      res.on('unpipe', () => {
        log('unpipe');
      });
      res.on('finish', () => {
        log('finish');
      });
      Readable.from(['a']).pipe(res);
    },
    { url: '/' },
  ],
  'on-finished of both': [
    (req, res, log) => {
      onFinished(res, (error) => {
        log(`res ${String(error)} ${String(onFinished.isFinished(res))}`);
      });
      onFinished(req, (error) => {
        log(`req ${String(error)}`);
      });
      log(String(onFinished.isFinished(req)));
      res.end('x');
    },
    { method: 'POST', url: '/', body: 'x' },
  ],
  'on-finished after the end': [
    (_req, res, log) => {
      res.end('x');
      onFinished(res, () => {
        log('late');
      });
    },
    { url: '/' },
  ],
  drain: [
    (_req, res, log) => {
      res.on('drain', () => {
        log(`drain ${String(res.writableNeedDrain)}`);
      });
      log(`write ${String(res.write('x'))}`);
      log(`write ${String(res.write(Buffer.alloc(1_000_000)))} ${String(res.writableNeedDrain)}`);
      res.once('drain', () => {
        log(`write ${String(res.write('y'))}`);
        res.end();
      });
    },
    { url: '/' },
  ],
  'write after end with a callback': [
    (_req, res, log) => {
      res.on('error', (error: NodeJS.ErrnoException) => {
        log(`error ${String(error.code)}`);
      });
      res.end('x');
      log(
        String(
          res.write('y', (error) => {
            log(`callback ${String(error !== null && error !== undefined && 'code' in error && error.code)}`);
          }),
        ),
      );
    },
    { url: '/' },
  ],
  'end twice with callbacks': [
    (_req, res, log) => {
      res.on('error', (error: NodeJS.ErrnoException) => {
        log(`error ${String(error.code)}`);
      });
      res.end('x', () => {
        log('first');
      });
      res.end(() => {
        log('second');
      });
    },
    { url: '/' },
  ],
  'end twice with bodies': [
    (_req, res, log) => {
      res.on('error', (error: NodeJS.ErrnoException) => {
        log(`error ${String(error.code)}`);
      });
      res.end('x');
      res.end('y');
    },
    { url: '/' },
  ],
  'the request after a turn of the event loop': [
    (req, res, log) => {
      log(String(req.complete));
      setImmediate(() => {
        log(`${String(req.complete)} ${String(req.readableEnded)} ${String(req.destroyed)}`);
        res.end();
      });
    },
    { url: '/' },
  ],
  'the socket is destroyed behind the end': [
    (req, res, log) => {
      res.on('finish', () => {
        log('finish');
      });
      res.end('whole');
      req.socket.destroy();
    },
    { url: '/', headers: { Connection: 'close' } },
  ],
  'the response is destroyed behind the end': [
    (_req, res) => {
      res.end('whole');
      res.destroy();
    },
    { url: '/', headers: { Connection: 'close' } },
  ],
};

describe('a request and its response tell the same of their lives', () => {
  test.each(Object.entries(scenarios))('%s', async (_name, [scenario, request]) => {
    const logs = { http: [] as string[], dispatch: [] as string[] };
    const closed = { http: Promise.resolve<unknown>(undefined), dispatch: Promise.resolve<unknown>(undefined) };
    const handler =
      (way: 'http' | 'dispatch') =>
      (req: IncomingMessage, res: ServerResponse): void => {
        closed[way] = new Promise((resolve) => {
          res.on('close', resolve);
        });
        scenario(req, res, (event) => logs[way].push(event));
      };
    const server = await serve(handler('http'));
    const byHttp = await server
      .ask(request)
      .finally(() => closed.http)
      .finally(() => server.close());
    const byDispatch = await dispatch(handler('dispatch'), request);
    await closed.dispatch;
    await new Promise(setImmediate);
    expect(byDispatch.body.equals(byHttp.body)).toBe(true);
    expect(byDispatch.status).toBe(byHttp.status);
    expect(logs.dispatch).toEqual(logs.http);
  });
});
