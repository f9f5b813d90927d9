import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';

import { dispatch } from 'express-channels';
import express from 'express';

import { ActionTimeout, ResponseTooLarge } from '../../lib/protocol/errors.js';
import { serve } from './answers.js';

type RawHandler = (req: IncomingMessage, res: ServerResponse) => unknown;

const nothing = (): void => undefined;
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => {
  unhandled.push(reason);
};

beforeAll(() => {
  process.on('unhandledRejection', onUnhandled);
  process.on('uncaughtException', onUnhandled);
});
afterAll(() => {
  process.off('unhandledRejection', onUnhandled);
  process.off('uncaughtException', onUnhandled);
});
afterEach(async () => {
  await new Promise(setImmediate);
  expect(unhandled.splice(0)).toEqual([]);
});

/** Collects what a handler hears of the end of its exchange. */
function ears() {
  const heard: string[] = [];
  const listen = (req: IncomingMessage, res: ServerResponse): void => {
    req.on('aborted', () => heard.push('req aborted'));
    req.on('error', (error: NodeJS.ErrnoException) => heard.push(`req error ${error.code ?? error.name}`));
    req.on('close', () => heard.push('req close'));
    res.on('close', () => heard.push('res close'));
    res.on('finish', () => heard.push('res finish'));
  };
  return { heard, listen };
}

async function heardBy(run: (listen: RawHandler) => Promise<unknown>): Promise<string[]> {
  const { heard, listen } = ears();
  await run(listen).catch(nothing);
  for (let turns = 0; turns < 50 && !(heard.includes('req close') && heard.includes('res close')); turns += 1) {
    await new Promise(setImmediate);
  }
  return heard.sort();
}

describe('a handler that does not answer', () => {
  test('is broken off after timeoutMs with ActionTimeout, and hears it', async () => {
    const outcome = dispatch(nothing, { url: '/' }, { timeoutMs: 5 });
    await expect(outcome).rejects.toThrow(ActionTimeout);
    const heard = await heardBy((listen) => dispatch((req, res) => listen(req, res), { url: '/' }, { timeoutMs: 5 }));
    expect(heard).toEqual(['req aborted', 'req close', 'req error ECONNRESET', 'res close']);
  });

  test('is broken off in the middle of its body', async () => {
    const { heard, listen } = ears();
    const outcome = dispatch(
      (req, res) => {
        listen(req, res);
        res.write('partial');
      },
      { method: 'POST', url: '/', body: 'abc' },
      { timeoutMs: 5 },
    );
    await expect(outcome).rejects.toMatchObject({ status: 504, code: 'timeout' });
    await new Promise(setImmediate);
    expect(heard).not.toContain('res finish');
    expect(heard).toContain('res close');
  });

  test.each([Infinity, 2 ** 31])('may wait for ever, or nearly (%d ms), if that is wanted', async (timeoutMs) => {
    const { status } = await dispatch((_req, res) => setTimeout(() => res.end(), 5), { url: '/' }, { timeoutMs });
    expect(status).toBe(200);
  });

  test('may ask for a timeout of its own', async () => {
    const { body } = await dispatch(
      (req, res) => {
        req.socket.setTimeout(5);
        res.on('timeout', () => res.end('timed out'));
      },
      { url: '/' },
    );
    expect(body.toString()).toBe('timed out');
  });

  test('is hung up on where nobody handles its own timeout', async () => {
    const outcome = dispatch((req) => req.setTimeout(5), { url: '/' });
    await expect(outcome).rejects.toMatchObject({ code: 'ECONNRESET' });
  });
});

describe('a body that is too large', () => {
  const tooMuch: Readonly<Record<string, RawHandler>> = {
    'at once': (_req, res) => res.end('x'.repeat(1_001)),
    'in a second piece': (_req, res) => {
      res.write('x'.repeat(1_000));
      res.end('x');
    },
    'by an endless pipe': (_req, res) => {
      Readable.from(
        (function* () {
          for (;;) yield 'y'.repeat(100);
        })(),
      ).pipe(res);
    },
    'by an endless loop that waits for drain': (_req, res) => {
      const more = (): void => {
        while (res.write('z'.repeat(300)));
        res.once('drain', more);
      };
      more();
    },
    'by an endless timer': (_req, res) => {
      const timer = setInterval(() => res.write('t'.repeat(400)), 1);
      res.on('close', () => {
        clearInterval(timer);
      });
    },
  };
  test.each(Object.entries(tooMuch))('%s, is broken off with ResponseTooLarge', async (_name, handler) => {
    const { heard, listen } = ears();
    const outcome = dispatch(
      (req, res) => {
        listen(req, res);
        handler(req, res);
      },
      { url: '/' },
      { maxResponseBytes: 1_000 },
    );
    await expect(outcome).rejects.toThrow(ResponseTooLarge);
    await new Promise(setImmediate);
    expect(heard).toContain('res close');
    expect(heard).not.toContain('res finish');
  });

  test('is allowed up to the limit, counted in bytes', async () => {
    const { body } = await dispatch((_req, res) => res.end('€'.repeat(3)), { url: '/' }, { maxResponseBytes: 9 });
    expect(body).toHaveLength(9);
    await expect(dispatch((_req, res) => res.end('€'.repeat(3)), { url: '/' }, { maxResponseBytes: 8 })).rejects.toThrow(
      ResponseTooLarge,
    );
  });

  test('is not read for HEAD', async () => {
    const { status } = await dispatch(
      (_req, res) => res.end('x'.repeat(100)),
      { method: 'HEAD', url: '/' },
      { maxResponseBytes: 8 },
    );
    expect(status).toBe(200);
  });
});

describe('an abort by signal', () => {
  test('before the request means that the handler is not called', async () => {
    const handler = jest.fn();
    await expect(dispatch(handler, { url: '/', signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    expect(handler).not.toHaveBeenCalled();
  });

  test('during the request rejects with its reason, and the handler hears it', async () => {
    const heard = await heardBy(async (listen) => {
      const controller = new AbortController();
      const outcome = dispatch(
        (req, res) => {
          listen(req, res);
          setImmediate(() => {
            controller.abort(new Error('client left'));
          });
        },
        { url: '/', signal: controller.signal },
      );
      await expect(outcome).rejects.toThrow('client left');
    });
    expect(heard).toEqual(['req aborted', 'req close', 'req error ECONNRESET', 'res close']);
  });

  test('within the handler', async () => {
    const controller = new AbortController();
    const outcome = dispatch(
      (_req, res) => {
        controller.abort();
        res.end('too late');
      },
      { url: '/', signal: controller.signal },
    );
    await expect(outcome).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('while the body of the request streams ends the source', async () => {
    const controller = new AbortController();
    const source = new Readable({ read: nothing });
    source.push('first');
    const outcome = dispatch(
      (req) =>
        req.once('data', () => {
          controller.abort();
        }),
      { method: 'POST', url: '/', body: source, signal: controller.signal },
    );
    await expect(outcome).rejects.toMatchObject({ name: 'AbortError' });
    if (!source.closed) await once(source, 'close');
    expect(source.destroyed).toBe(true);
  });

  test('while the body of the response streams', async () => {
    const controller = new AbortController();
    let pieces = 0;
    const outcome = dispatch(
      (_req, res) => {
        const write = (): void => {
          if (res.destroyed) return;
          pieces += 1;
          if (pieces === 5) controller.abort();
          res.write('piece');
          setImmediate(write);
        };
        write();
      },
      { url: '/', signal: controller.signal },
    );
    await expect(outcome).rejects.toMatchObject({ name: 'AbortError' });
    expect(pieces).toBe(5);
  });

  test('after the answer changes nothing, and leaves no listener behind', async () => {
    const controller = new AbortController();
    const remove = jest.spyOn(controller.signal, 'removeEventListener');
    const { body } = await dispatch((_req, res) => res.end('done'), { url: '/', signal: controller.signal });
    expect(remove).toHaveBeenCalled();
    controller.abort();
    expect(body.toString()).toBe('done');
  });

  test('with a reason that is no Error still rejects with one', async () => {
    const controller = new AbortController();
    const outcome = dispatch(nothing, { url: '/', signal: controller.signal });
    controller.abort('a text');
    await expect(outcome).rejects.toMatchObject({ cause: 'a text' });
  });
});

describe('a handler that breaks off, over HTTP and by dispatch', () => {
  const breaking: Readonly<Record<string, RawHandler>> = {
    'destroys the socket': (req) => req.socket.destroy(),
    'destroys the socket with an error': (req) => req.socket.destroy(new Error('mine')),
    'ends the socket': (req) => req.socket.end(),
    'destroys the request': (req) => req.destroy(),
    'destroys the response': (_req, res) => res.destroy(),
    'destroys the socket after the headers': (req, res) => {
      res.writeHead(200);
      req.socket.destroy();
    },
    'destroys the socket after a first piece': (req, res) => {
      res.write('partial');
      setImmediate(() => req.socket.destroy());
    },
    'destroys the socket later': (req) => setImmediate(() => req.socket.destroy()),
    'destroys the response with an error, later': (_req, res) => setImmediate(() => res.destroy(new Error('mine'))),
  };
  test.each(Object.entries(breaking))('%s: the client sees a lost connection', async (_name, handler) => {
    const { heard, listen } = ears();
    const watched: RawHandler = (req, res) => {
      listen(req, res);
      // An error given to destroy() is the server's to see, on its socket.
      req.socket.on('error', nothing);
      handler(req, res);
    };
    const server = await serve(watched);
    await expect(server.ask({ url: '/' })).rejects.toMatchObject({ code: 'ECONNRESET' });
    while (!heard.includes('res close')) await new Promise(setImmediate);
    await server.close();
    const overHttp = heard.splice(0).filter((event) => event.startsWith('res'));
    await expect(dispatch(watched, { url: '/' })).rejects.toThrow();
    for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate);
    expect(heard.filter((event) => event.startsWith('res'))).toEqual(overHttp);
  });

  test('an answer after the connection is lost goes nowhere', async () => {
    const { promise, resolve } = withResolvers<unknown[]>();
    const outcome = dispatch(
      (req, res) => {
        req.socket.destroy();
        res.on('close', () => {
          const written = res.write('x');
          res.end('y');
          resolve([written, res.writableEnded, res.headersSent]);
        });
      },
      { url: '/' },
    );
    await expect(outcome).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await promise).toEqual([false, true, expect.any(Boolean)]);
  });
});

describe('a body that is not as long as the handler announced', () => {
  const announce =
    (length: number): RawHandler =>
    (_req, res) => {
      res.setHeader('Content-Length', length);
      res.end('abcdef');
    };

  test('ends where it was said to end', async () => {
    expect(String((await dispatch(announce(3), { url: '/' })).body)).toBe('abc');
  });

  test('is a lost connection if there is less of it', async () => {
    await expect(dispatch(announce(9), { url: '/' })).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  test('may be announced where none is sent', async () => {
    const { headers, body } = await dispatch(announce(9), { method: 'HEAD', url: '/' });
    expect([headers['content-length'], body.length]).toEqual(['9', 0]);
  });
});

describe('a handler that throws', () => {
  const failure = new Error('failed');

  test('before the answer rejects the dispatch with its error', async () => {
    await expect(
      dispatch(
        () => {
          throw failure;
        },
        { url: '/' },
      ),
    ).rejects.toBe(failure);
    await expect(dispatch(() => Promise.reject(failure), { url: '/' })).rejects.toBe(failure);
    await expect(
      dispatch(
        (_req, _res, next) => {
          next(failure);
        },
        { url: '/' },
      ),
    ).rejects.toBe(failure);
  });

  test('late, before the answer, rejects too', async () => {
    const outcome = dispatch(
      async () => {
        await new Promise(setImmediate);
        throw failure;
      },
      { url: '/' },
    );
    await expect(outcome).rejects.toBe(failure);
  });

  test('something else than an Error rejects with an Error that has it as its cause', async () => {
    const outcome = dispatch(() => Promise.reject(Object.assign(Object.create(null), { odd: true }) as Error), { url: '/' });
    await expect(outcome).rejects.toMatchObject({ cause: { odd: true } });
  });

  test.each(['sync', 'async'])('after the answer (%s) leaves the answer as it is, and the process is warned', async (kind) => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(nothing);
    const { body } = await dispatch(
      (_req, res) => {
        res.end('answered');
        if (kind === 'async') return Promise.reject(failure);
        throw failure;
      },
      { url: '/' },
    );
    expect(body.toString()).toBe('answered');
    expect(warned).toHaveBeenCalledWith(failure);
    warned.mockRestore();
  });

  test('after the first bytes rejects: there is no whole answer', async () => {
    const outcome = dispatch(
      (_req, res) => {
        res.write('partial');
        throw failure;
      },
      { url: '/' },
    );
    await expect(outcome).rejects.toBe(failure);
  });
});

describe('a handler that answers too often', () => {
  const twice: Readonly<Record<string, RawHandler>> = {
    'ends twice': (_req, res) => {
      res.end('first');
      res.end('second');
    },
    'writes after the end': (_req, res) => {
      res.end('first');
      res.write('second');
    },
    'writes after the end, later': (_req, res) => {
      res.end('first');
      setImmediate(() => res.write('second'));
    },
    'ends again in a later turn': (_req, res) => {
      res.end('first');
      setImmediate(() => setImmediate(() => res.end('second')));
    },
  };
  test.each(Object.entries(twice))('%s: the first answer counts, and the process stays up', async (_name, handler) => {
    const { body } = await dispatch(handler, { url: '/' });
    for (let turns = 0; turns < 3; turns += 1) await new Promise(setImmediate);
    expect(body.toString()).toBe('first');
  });

  test('calls next twice', async () => {
    const app = express();
    app.use((_req, _res, next) => {
      next();
      next();
    });
    app.use((_req, res) => {
      if (!res.headersSent) res.send('once');
    });
    const { body } = await dispatch(app, { url: '/' });
    expect(body.toString()).toBe('once');
  });
});

describe('a body that streams to the handler', () => {
  const echo: RawHandler = (req, res) => req.pipe(res);
  const pieces = ['a', Buffer.from('b'), new Uint8Array([99])];

  test('may be a stream, an async iterable or a web stream, and arrives in chunks', async () => {
    const bodies = [
      Readable.from(pieces),
      (async function* () {
        for (const piece of pieces) {
          await Promise.resolve();
          yield piece;
        }
      })(),
      new Blob(['abc']).stream(),
    ];
    for (const body of bodies) {
      const answer = await dispatch(
        (req, res) => {
          res.setHeader('X-Encoding', String(req.headers['transfer-encoding']));
          echo(req, res);
        },
        { method: 'POST', url: '/', body },
      );
      expect(answer.body.toString()).toBe('abc');
      expect(answer.headers['x-encoding']).toBe('chunked');
    }
  });

  test('is read to its end, or let go, if the handler does not read it', async () => {
    const source = Readable.from(pieces);
    const { body } = await dispatch((_req, res) => res.end('unread'), { method: 'POST', url: '/', body: source });
    expect(body.toString()).toBe('unread');
    if (!source.closed) await once(source, 'close');
    expect(source.destroyed).toBe(true);
  });

  test('that fails breaks the request off with its error', async () => {
    const source = new Readable({
      read() {
        this.destroy(new Error('source failed'));
      },
    });
    const heard = await heardBy(async (listen) => {
      const outcome = dispatch(
        (req, res) => {
          listen(req, res);
          req.resume();
        },
        { method: 'POST', url: '/', body: source },
      );
      await expect(outcome).rejects.toThrow('source failed');
    });
    expect(heard).toContain('req aborted');
    expect(heard).toContain('res close');
  });

  test('that is given up breaks the request off, as a client does that goes away', async () => {
    const source = new Readable({ read: nothing });
    source.push('half');
    const heard = await heardBy(async (listen) => {
      const outcome = dispatch(
        (req, res) => {
          listen(req, res);
          req.on('data', () => source.destroy());
        },
        { method: 'POST', url: '/', body: source },
      );
      await expect(outcome).rejects.toMatchObject({ code: 'ECONNRESET' });
    });
    expect(heard).toEqual(['req aborted', 'req close', 'req error ECONNRESET', 'res close']);
  });

  test('is not pulled faster than the handler reads', async () => {
    let pulled = 0;
    const source = new Readable({
      highWaterMark: 1_000,
      read() {
        pulled += 1;
        this.push(pulled > 1_000 ? null : Buffer.alloc(1_000));
      },
    });
    let atPause = 0;
    await dispatch(
      (req, res) => {
        req.once('data', () => {
          req.pause();
          setImmediate(() => {
            setImmediate(() => {
              atPause = pulled;
              req.resume().on('end', () => res.end());
            });
          });
        });
      },
      { method: 'POST', url: '/', body: source },
    );
    expect(atPause).toBeLessThan(500);
    expect(pulled).toBe(1_001);
  });
});

describe('a request that can not be one', () => {
  test.each([
    ['an unknown method', { method: 'BREW', url: '/' }],
    ['an empty url', { url: '' }],
    ['blanks in the url', { url: '/a b' }],
    ['a line break in the url', { url: '/a\r\nX: 1' }],
    ['characters beyond ASCII in the url', { url: '/café' }],
    ['an invalid header name', { url: '/', headers: { 'a b': '1' } }],
    ['an invalid header value', { url: '/', headers: { a: '1\r\nb: 2' } }],
  ])('is refused with a TypeError: %s', async (_name, request) => {
    await expect(dispatch(nothing, request)).rejects.toMatchObject({ name: 'TypeError' });
  });
});

test('nothing is left behind: no timer, no handle, whatever the end', async () => {
  const resources = (): string[] => process.getActiveResourcesInfo().filter((kind) => kind !== 'Immediate');
  const endInEveryWay = async (): Promise<void> => {
    await dispatch((_req, res) => res.end('x'), { url: '/' });
    await dispatch((_req, res) => res.end('x'), { method: 'POST', url: '/', body: Readable.from(['a']) });
    await dispatch((req) => req.socket.destroy(), { url: '/' }).catch(nothing);
    await dispatch(nothing, { url: '/', signal: AbortSignal.abort() }).catch(nothing);
    await dispatch(
      (req, res) => {
        req.socket.setTimeout(60_000);
        res.end('x');
      },
      { url: '/' },
    );
    await dispatch((_req, res) => res.end('x'.repeat(100)), { url: '/' }, { maxResponseBytes: 10 }).catch(nothing);
    await dispatch(() => Promise.reject(new Error('x')), { url: '/' }).catch(nothing);
    await new Promise(setImmediate);
  };
  await endInEveryWay();
  const before = resources().length;
  for (let round = 0; round < 20; round += 1) await endInEveryWay();
  // What earlier tests left may be gone by now.
  expect(resources().length).toBeLessThanOrEqual(before);
});

function withResolvers<T>() {
  let resolve: (value: T) => void = nothing;
  const promise = new Promise<T>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}

test('an abort just after the handler has answered comes too late', async () => {
  const controller = new AbortController();
  const { body } = await dispatch(
    (_req, res) => {
      res.end('done');
      controller.abort();
    },
    { url: '/', signal: controller.signal },
  );
  expect(body.toString()).toBe('done');
});

test('a handler whose request does not come in full hears the timeout that it asked for', async () => {
  const { body } = await dispatch(
    (req, res) => {
      req.setTimeout(5, () => res.end('too slow'));
      req.resume();
    },
    { method: 'POST', url: '/', body: new Readable({ read: nothing }) },
  );
  expect(body.toString()).toBe('too slow');
});

test('informational responses do not become part of the answer, one by one or together', async () => {
  const { status, headers, body } = await dispatch(
    (req, res) => {
      res.writeProcessing();
      req.socket.cork();
      res.writeContinue();
      res.writeEarlyHints({ link: '</style.css>; rel=preload' });
      req.socket.uncork();
      res.end('done');
    },
    { url: '/' },
  );
  expect([status, headers['link'], body.toString()]).toEqual([200, undefined, 'done']);
});

test('a plain handler that calls next() is answered by the 404 of Express', async () => {
  const { status, body } = await dispatch(
    (_req, _res, next) => {
      next();
    },
    { url: '/nowhere' },
  );
  expect(status).toBe(404);
  expect(body.toString()).toContain('Cannot GET /nowhere');
});

test.each([
  ['::1', 'IPv6'],
  ['192.0.2.7', 'IPv4'],
])('the socket of a client at %s is one of %s', async (remoteAddress, family) => {
  const { body } = await dispatch(
    ({ socket }, res) => res.end(JSON.stringify([socket.remoteAddress, socket.remoteFamily, socket.localFamily])),
    { url: '/', remoteAddress },
  );
  expect(JSON.parse(body.toString())).toEqual([remoteAddress, family, 'IPv4']);
});

test('a header without a value is not sent', async () => {
  const headers = { 'x-given': 'yes', 'x-left-out': undefined };
  const { body } = await dispatch((req, res) => res.end(req.rawHeaders.join(' ')), { url: '/', headers });
  expect(body.toString()).toBe('x-given yes Host localhost');
});
