import express, { type NextFunction, type Request, type Response } from 'express';
import createError from 'http-errors';

import { onError } from './on-error.js';
import { parity, row } from './parity.js';

/** Answers with the trace that the handlers before left. */
function answer(_req: Request, res: Response): void {
  res.json(res.locals['trace'] ?? []);
}

function trace(step: string) {
  return (_req: Request, res: Response, next: NextFunction): void => {
    res.locals['trace'] = [...((res.locals['trace'] as string[] | undefined) ?? []), step];
    next();
  };
}

const failing = (error: unknown) => (): never => {
  throw error;
};

function production(): express.Application {
  const app = express();
  app.set('env', 'production');
  return app;
}

parity(
  'routes',
  () => {
    const app = production();
    app.use(trace('app'));
    app.get('/plain', trace('one'), [trace('two'), trace('three')], answer);
    app.get('/users/:id', (req, res) => {
      res.json(req.params);
    });
    app.get('/files/:name.:ext', (req, res) => {
      res.json(req.params);
    });
    app.get(/^\/re\/(\d+)-(\w+)$/, (req, res) => {
      res.json({ ...req.params });
    });
    app.get(['/list-a', '/list-b'], (req, res) => {
      res.send(req.path);
    });
    app.all('/all', (req, res) => {
      res.send(req.method);
    });
    app
      .route('/chained')
      .get(trace('get'), answer)
      .post((_req, res) => {
        res.send('post');
      })
      .delete((_req, res) => {
        res.sendStatus(204);
      });
    app.get(
      '/skip',
      trace('first'),
      (_req, _res, next) => {
        next('route');
      },
      trace('never'),
      answer,
    );
    app.get('/skip', trace('second'), answer);
    app.head('/head-only', (_req, res) => {
      res.set('X-Head', '1').end();
    });
    app.get('/head-only', (_req, res) => {
      res.send('get');
    });
    app.options('/options', (_req, res) => {
      res.set('Allow', 'GET').send('mine');
    });
    app.put('/only-put', (_req, res) => {
      res.send('put');
    });
    app.post('/only-put', (_req, res) => {
      res.send('post');
    });
    app.get('/spaces here', (req, res) => {
      res.send(req.path);
    });
    app.get('/async', async (_req, res) => {
      await Promise.resolve();
      res.send('async');
    });
    app.get('/later', (_req, res) => {
      setImmediate(() => {
        res.send('later');
      });
    });

    const router = express.Router({ mergeParams: true });
    router.use(trace('router'));
    router.get('/', trace('root'), answer);
    router.get('/where', (req, res) => {
      res.json([req.baseUrl, req.url, req.originalUrl, req.path, req.params]);
    });
    router.get('/leave', (_req, _res, next) => {
      next('router');
    });
    router.get('/leave', answer);
    router.get('/fall', (_req, _res, next) => {
      next();
    });
    app.use('/mounted/:tenant', router);
    app.use(['/m1', '/m2'], router);
    app.get('/mounted/:tenant/leave', (req, res) => {
      res.send(`left ${req.params.tenant}`);
    });

    const outer = express.Router();
    outer.use('/inner', router);
    app.use('/outer', outer);

    const unmerged = express.Router();
    unmerged.get('/p/:b', (req, res) => {
      res.json(req.params);
    });
    app.use('/merge/:a', unmerged);

    const strict = express.Router({ strict: true, caseSensitive: true });
    strict.get('/Exact', (_req, res) => {
      res.send('exact');
    });
    app.use('/strict', strict);

    const params = express.Router();
    params.param('user', (req, res, next, id: string, name) => {
      if (id === 'bad') {
        next(createError(400, 'bad user'));
        return;
      }
      if (id === 'skip') {
        next('route');
        return;
      }
      res.locals['trace'] = [`${name}=${id}`, ...((res.locals['trace'] as string[] | undefined) ?? [])];
      setImmediate(next);
    });
    params.get('/:user/a', answer);
    params.get('/:user/:user2', answer);
    app.use('/params', params);

    const sub = express();
    sub.set('env', 'production');
    sub.enable('trust proxy');
    sub.get('/', (req, res) => {
      res.json([req.baseUrl, req.ip, req.app === sub, sub.mountpath, res.locals]);
    });
    sub.get('/error', failing(createError(409, 'in the sub-app')));
    sub.get('/view', (_req, res) => {
      res.json(res.app === sub);
    });
    app.use(
      '/sub',
      (req, _res, next) => {
        req.headers['x-seen'] = '1';
        next();
      },
      sub,
    );
    app.get('/after-sub', (req, res) => {
      res.json([req.app === app, req.ip, req.headers['x-seen'] ?? null]);
    });
    app.use('/sub', (_req, res) => {
      res.send('fell out of the sub-app');
    });
    app.get('/rewrite', (req, _res, next) => {
      req.url = '/plain?x=1';
      next();
    });
    app.use((req, res, next) => {
      if (req.path === '/plain' && req.originalUrl !== req.url) {
        res.json([req.url, req.originalUrl]);
        return;
      }
      next();
    });
    return app;
  },
  [
    row('handlers in lists', '/plain'),
    row('a trailing slash', '/plain/'),
    row('another case', '/PLAIN'),
    row('a parameter', '/users/7'),
    row('a parameter to decode', '/users/%E2%98%83%2Fx'),
    row('a parameter that cannot be decoded', '/users/%', 400),
    row('a parameter named like a member of Object', '/users/__proto__'),
    row('dots in a path', '/users/..', 200),
    row('two parameters', '/files/report.v1.pdf'),
    row('a regular expression', '/re/12-ab'),
    row('a regular expression without a match', '/re/ab-12', 404),
    row('a list of paths', '/list-b'),
    row('all', { method: 'PROPFIND', url: '/all' }),
    row('a chain, GET', '/chained'),
    row('a chain, POST', { method: 'POST', url: '/chained' }),
    row('a chain, DELETE', { method: 'DELETE', url: '/chained' }, 204),
    row('a chain, PATCH', { method: 'PATCH', url: '/chained' }, 404),
    row('next route', '/skip'),
    row('HEAD of its own', { method: 'HEAD', url: '/head-only' }),
    row('HEAD by GET', { method: 'HEAD', url: '/plain' }),
    row('HEAD of nothing', { method: 'HEAD', url: '/nothing' }, 404),
    row('OPTIONS of its own', { method: 'OPTIONS', url: '/options' }),
    row('OPTIONS by the routes', { method: 'OPTIONS', url: '/only-put' }),
    row('OPTIONS of a chain', { method: 'OPTIONS', url: '/chained' }),
    row('OPTIONS of nothing', { method: 'OPTIONS', url: '/nothing' }, 404),
    row('OPTIONS *', { method: 'OPTIONS', url: '*' }, 404),
    row('an encoded path', '/spaces%20here', [200, 404]),
    row('an async handler', '/async'),
    row('a late handler', '/later'),
    row('a router', '/mounted/acme/'),
    row('a router, exactly its path', '/mounted/acme'),
    row('urls in a router', '/mounted/acme/where?q=1'),
    row('urls in a nested router', '/outer/inner/where?q=1'),
    row('a router at the second of its paths', '/m2/where'),
    row('next router', '/mounted/acme/leave'),
    row('a fall through a router', '/mounted/acme/fall', 404),
    row('parameters that are not merged', '/merge/1/p/2'),
    row('strict and case-sensitive', '/strict/Exact'),
    row('strict, with a slash', '/strict/Exact/', 404),
    row('case-sensitive, in another case', '/strict/exact', 404),
    row('a param handler', '/params/tobi/a'),
    row('a param handler that fails', '/params/bad/a', 400),
    row('a param handler that skips', '/params/skip/a', 404),
    row('a param handler that is asked once', '/params/tobi/loki'),
    row('a sub-app', { url: '/sub', headers: { 'X-Forwarded-For': '9.9.9.9' } }),
    row('an error in a sub-app', '/sub/error', 409),
    row('a fall through a sub-app', '/sub/nothing'),
    row('the app behind a sub-app', { url: '/after-sub', headers: { 'X-Forwarded-For': '9.9.9.9' } }),
    row('a rewritten url', '/rewrite?y=2'),
    row('nothing', '/nothing?a=<b>', 404),
    row('nothing, POST with a body', { method: 'POST', url: '/nothing', body: 'a'.repeat(100_000) }, 404),
    row('nothing, for JSON', { url: '/nothing', headers: { Accept: 'application/json' } }, 404),
    row('nothing, below an odd path', '/no%C3%A9/"quoted"', 404),
    row('two slashes', '//plain', 404),
  ],
);

const errors: Readonly<Record<string, unknown>> = {
  error: new Error('plain'),
  teapot: createError(418, 'short and stout'),
  hidden: createError(503, 'secret detail'),
  exposed: createError(502, 'shown', { expose: true }),
  headers: createError(429, 'slow', { headers: { 'Retry-After': '7', 'X-A': ['1', '2'] } }),
  statusCode: Object.assign(new Error('by statusCode'), { statusCode: 404 }),
  'status-low': Object.assign(new Error('status 200'), { status: 200 }),
  'status-text': Object.assign(new Error('status as text'), { status: '400' }),
  text: 'a text',
  number: 42,
  object: { message: 'no Error', status: 402 },
  empty: Object.assign(new Error(''), { status: 400 }),
  html: createError(400, '<script>alert(1)</script>'),
  'type-error': new TypeError('typed'),
};
const statusOf: Readonly<Record<string, number>> = {
  teapot: 418,
  hidden: 503,
  exposed: 502,
  headers: 429,
  statusCode: 404,
  object: 402,
  empty: 400,
  html: 400,
};

parity(
  'errors that reach the last handler',
  () => {
    const app = production();
    for (const [name, error] of Object.entries(errors)) {
      app.get(`/throw/${name}`, failing(error));
      app.get(`/next/${name}`, (_req, _res, next) => {
        next(error);
      });
      app.get(`/reject/${name}`, async (_req, _res, next) => {
        // Express 4 does not look at what a handler returns.
        try {
          await Promise.resolve().then(failing(error));
        } catch (caught) {
          next(caught);
        }
      });
    }
    app.get('/headers-lost', (_req, res) => {
      res.set({ 'X-Lost': '1', 'Set-Cookie': 'a=1', 'Content-Length': '3', 'Content-Encoding': 'gzip' });
      throw createError(400, 'mine');
    });
    app.get('/status-kept', (_req, res) => {
      res.status(451);
      throw new Error('mine');
    });
    app.get('/falsy', (_req, _res, next) => {
      next('');
    });
    app.get('/null', (_req, _res, next) => {
      next(null);
    });
    app.post('/with-body', failing(new Error('before the body is read')));
    return app;
  },
  [
    ...['throw', 'next', 'reject'].flatMap((way) =>
      Object.keys(errors).map((name) => row(`${way} ${name}`, `/${way}/${name}`, statusOf[name] ?? 500)),
    ),
    row('headers are lost', '/headers-lost', 400),
    row('a status is kept', '/status-kept', 451),
    row('next of an empty text', '/falsy', 404),
    row('next of null', '/null', 404),
    row('HEAD', { method: 'HEAD', url: '/throw/teapot' }, 418),
    row('a body that nobody read', { method: 'POST', url: '/with-body', body: 'b'.repeat(200_000) }, 500),
  ],
);

const tellError = onError((error, res) => {
  res.status(555).json({ handled: error.message });
});

parity(
  'error handlers',
  () => {
    const app = production();
    const router = express.Router();
    router.get('/own', failing(new Error('own')));
    router.use(
      onError((error, res, next) => {
        next(new Error(`${error.message}, twice`));
      }),
    );
    app.get(
      '/direct',
      failing(new Error('direct')),
      onError((_error, res) => {
        res.send('in the route');
      }),
    );
    app.get(
      '/undefined',
      (_req, _res, next) => {
        next(undefined);
      },
      (_req, res) => {
        res.send('went on');
      },
    );
    app.get(
      '/recover',
      failing(new Error('x')),
      (_error: unknown, _req: Request, _res: Response, next: NextFunction) => {
        next();
      },
      (_req: Request, res: Response) => {
        res.send('recovered');
      },
    );
    app.get('/after-write', (_req, res, next) => {
      res.write('partial');
      next(new Error('but answered'));
    });
    app.use('/router', router);
    app.get('/json', express.json(), answer);
    app.use(
      onError((error, res, next) => {
        if (!res.headersSent) {
          next(error);
          return;
        }
        res.end(` ${error.message}`);
      }),
    );
    app.use(tellError);
    return app;
  },
  [
    row('in the route', '/direct'),
    row('next(undefined)', '/undefined'),
    row('recovery', '/recover'),
    row('from handler to handler', '/router/own', 555),
    row('after the first bytes', '/after-write'),
    row('a parameter that cannot be decoded', '/router/%zz', [404]),
  ],
);

parity(
  'an app without x-powered-by and with settings',
  () => {
    const app = production();
    app.disable('x-powered-by').set('etag', 'strong').enable('strict routing').enable('case sensitive routing');
    app.get('/a', (_req, res) => {
      res.send('strong etag');
    });
    app.get('/b', (_req, res) => {
      app.set('etag', false);
      res.send('x');
      app.set('etag', 'strong');
    });
    return app;
  },
  [row('a strong ETag', '/a'), row('no ETag', '/b'), row('strict routing', '/a/', 404), row('case', '/A', 404)],
);
