import express, { type RequestHandler, type Router } from 'express';
import { type MappedActions, routeActions, viewAsConsumer } from 'express-channels';

import { matchedPrefix, stackOf } from '../../lib/http/express-stack.js';
import { isExpress4, viewClient } from './view-client.js';

/** A handler that says which route has run. */
function tells(route: string): RequestHandler {
  return (req, res) => {
    res.json({ route, params: req.params });
  };
}

const done = tells('');

function rest(router: Router = express.Router(), parameter = 'pk'): Router {
  router.get('/', done).post('/', done);
  return router
    .get(`/:${parameter}`, done)
    .put(`/:${parameter}`, done)
    .patch(`/:${parameter}`, done)
    .delete(`/:${parameter}`, done);
}

function router(build: (router: Router) => unknown): Router {
  const built = express.Router();
  build(built);
  return built;
}

const REST = {
  list: 'GET /',
  create: 'POST /',
  retrieve: 'GET /:pk',
  update: 'PUT /:pk',
  patch: 'PATCH /:pk',
  delete: 'DELETE /:pk',
};

function restOf(name: string, path: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(REST).map(([verb, spec]) => [
      `${verb}_${name}`,
      spec.replace(/ \/$/, ` ${path}`).replace(' /:', ` ${path}/:`),
    ]),
  );
}

describe('routeActions names', () => {
  const table: [name: string, build: () => Router, actions: Record<string, string>][] = [
    ['the routes of a resource by convention', () => rest(), REST],
    ['a PUT of the collection as create', () => router((r) => r.put('/', done)), { create: 'PUT /' }],
    [
      'of two creates the second by its method',
      () => rest().put('/', done),
      { ...REST, create_put: 'PUT /' },
    ],
    [
      'a route with literal segments after them',
      () => rest().post('/:pk/publish', done).get('/recently-archived', done).get('/a/b.c/:x/d', done),
      { ...REST, publish: 'POST /:pk/publish', recently_archived: 'GET /recently-archived', a_b_c_d: 'GET /a/b.c/:x/d' },
    ],
    [
      'routes that share their literal segments behind the verb',
      () => rest().get('/:pk/comments', done).post('/:pk/comments', done).delete('/:pk/comments/:comment', done),
      {
        ...REST,
        list_comments: 'GET /:pk/comments',
        create_comments: 'POST /:pk/comments',
        delete_comments: 'DELETE /:pk/comments/:comment',
      },
    ],
    [
      'conventional routes first, whatever is declared first',
      () => router((r) => r.get('/list', done).get('/', done).post('/create', done).post('/', done)),
      { list: 'GET /', create: 'POST /', list_2: 'GET /list', create_2: 'POST /create' },
    ],
    [
      'two routes of one method by their parameters',
      () => router((r) => r.get('/:id', done).get('/:year/:month', done)),
      { retrieve: 'GET /:id', retrieve_by_year_month: 'GET /:year/:month' },
    ],
    ['a route declared twice once', () => router((r) => r.get('/a', done).get('/a', done)), { a: 'GET /a' }],
    ['each path of a list', () => router((r) => r.get(['/a', '/b/:id'], done)), { a: 'GET /a', b: 'GET /b/:id' }],
    [
      'each method of a route',
      () => router((r) => r.route('/a').get(done).post(done).head(done).options(done)),
      { list_a: 'GET /a', create_a: 'POST /a' },
    ],
    [
      'the methods of a route that also has handlers for all of them',
      () => router((r) => r.route('/a').all(tells('guard')).get(done)),
      { a: 'GET /a' },
    ],
    [
      'nothing after routes for all methods, or of regular expressions',
      () => router((r) => r.all('/a', done).get(/^\/b(\d+)$/, done).get('/c', done)),
      { c: 'GET /c' },
    ],
    [
      'segments that are no words, and words of other languages',
      () => router((r) => r.get('/__proto__', done).get('/constructor', done).get('/größe', done).get('/-/:id', done)),
      { retrieve: 'GET /-/:id', proto: 'GET /__proto__', constructor: 'GET /constructor', größe: 'GET /größe' },
    ],
    [
      'several parameters in one segment',
      () => router((r) => r.get('/:from-:to', done)),
      { retrieve: 'GET /:from-:to' },
    ],
    [
      'an optional parameter as the list that it may leave',
      () => router((r) => r.get(isExpress4 ? '/:page?' : '/{:page}', done)),
      { list: isExpress4 ? 'GET /:page?' : 'GET /{:page}' },
    ],
    [
      'the routes of mounted routers with their full paths',
      () => router((r) => r.use('/users', rest()).use('/posts', rest()).use(rest())),
      { ...REST, ...restOf('users', '/users'), ...restOf('posts', '/posts') },
    ],
    [
      'routers in routers, with parameters on the way',
      () => router((r) => r.use('/teams/:team', router((team) => team.use('/members', rest(express.Router({ mergeParams: true })))))),
      restOf('teams_members', '/teams/:team/members'),
    ],
    [
      'a parameter that is called like one before it apart',
      () => router((r) => r.use('/:id/notes', router((notes) => notes.get('/:id', done)))),
      { notes: 'GET /:id/notes/:id_2' },
    ],
    [
      'a whole application, through its middleware',
      () => {
        const app = express();
        app.use(express.json());
        app.use('/api', (_req, _res, next) => next());
        app.use('/api/users', rest());
        app.get('/health', done);
        app.use((_req, res) => void res.status(404).end());
        return app;
      },
      { ...restOf('api_users', '/api/users'), health: 'GET /health' },
    ],
  ]; // prettier-ignore
  test.each(table)('%s', (_name, build, actions) => {
    expect(routeActions(build())).toEqual(actions);
  });

  test('routes so that each answers under its name', async () => {
    const inner = router((r) => r.get('/', tells('notes')).get('/:id', tells('note')));
    const outer = router((r) => r.get('/', tells('list')).get('/:id', tells('one')).use('/:id/notes', inner));
    const client = await viewClient(outer, routeActions(outer));
    const run = async (action: string, parameters: object) => (await client.request({ action, parameters }))['data'];
    expect(await run('list', {})).toEqual({ route: 'list', params: {} });
    expect(await run('retrieve', { id: 1 })).toEqual({ route: 'one', params: { id: '1' } });
    expect(await run('list_notes', { id: 1 })).toEqual({ route: 'notes', params: {} });
    expect(await run('retrieve_notes', { id: 1, id_2: 2 })).toEqual({ route: 'note', params: { id: '2' } });
  });

  if (!isExpress4) {
    test('routers under several paths, and wildcards', () => {
      const built = router((r) =>
        r
          .use(
            ['/a', '/b'],
            router((inner) => inner.get('/x', done)),
          )
          .get('/files/*path', done),
      );
      expect(routeActions(built)).toEqual({ a_x: 'GET /a/x', b_x: 'GET /b/x', files: 'GET /files/*path' });
    });
  }
});

describe('routeActions asks for templates where', () => {
  const unreadable: [name: string, build: () => Router][] = [
    ['an application is mounted', () => express().use('/sub', express().use('/users', rest()))],
    ['an application is mounted at the root', () => express().use(express().use('/users', rest()))],
    ['a router is mounted under an expression', () => router((r) => r.use(/^\/u(sers)?/, rest()))],
    ['Express does not tell where a router is mounted', () => withoutPaths(router((r) => r.use('/users', rest())))],
  ];
  test.each(unreadable)('%s', (_name, build) => {
    expect(() => routeActions(build())).toThrow(TypeError);
    expect(() => routeActions(build())).toThrow(/can't be read.*by templates, e\.g\. { list: 'GET \/things' }/);
  });

  const empty: [name: string, handler: RequestHandler, message: RegExp][] = [
    ['there are no routes yet', express.Router(), /no routes yet: map the actions after the routes have been added/],
    ['there is a bare handler', done, /Expected a Router or an application, got \[Function/],
    ['no route can be named', router((r) => r.all('/a', done).head('/b', done)), /Its routes are: ALL \/a; HEAD \/b\./],
    ['no path can be read', router((r) => r.get(/^\/x$/, done)), /None of its routes has a path that can be read/],
  ];
  test.each(empty)('%s', (_name, handler, message) => {
    expect(() => routeActions(handler)).toThrow(TypeError);
    expect(() => routeActions(handler)).toThrow(message);
  });
});

describe('viewAsConsumer tells at start-up', () => {
  const things = rest();
  const table: [name: string, handler: unknown, mapping: unknown, message: string | RegExp][] = [
    ['a template without a route', things, { publish: 'POST /:pk/publish' }, 'Action "publish": There is no route "POST /:pk/publish". Its routes are: GET /; POST /; GET /:pk; PUT /:pk; PATCH /:pk; DELETE /:pk.'],
    ['a template with other parameters', things, { retrieve: 'GET /:id' }, 'There is no route "GET /:id".'],
    ['a template of another method', things, { x: 'OPTIONS /:pk' }, 'There is no route "OPTIONS /:pk".'],
    ['a method without a route', things, { x: 'OPTIONS' }, 'Action "x": there is no OPTIONS route.'],
    ['a typing error below a mounted middleware', express().use('/api', (_req, _res, next) => next()).use('/api/things', rest()), { list: 'GET /api/thigns' }, 'There is no route "GET /api/thigns".'],
    ['a typing error before a handler of what is left over', express().use('/things', rest()).use((_req, res) => void res.status(404).end()), { list: 'GET /thigns' }, 'There is no route "GET /thigns".'],
    ['a default mapping of which nothing fits', router((r) => r.post('/', done)), undefined, 'None of the actions create, update, list, retrieve has a route.'],
    ['an empty mapping', things, {}, 'Expected at least one action.'],
    ['a router that has no routes yet', express.Router(), { list: 'GET' }, 'map the actions after the routes have been added'],
    ['an unknown method', things, { x: 'FETCH /' }, 'Expected action "x" to be mapped to a method and path such as "GET" or "GET /:id", got \'FETCH /\'.'],
    ['a path without a slash', things, { x: 'GET things' }, 'Expected action "x" to be mapped'],
    ['something that is no text', things, { x: 5 }, 'Expected action "x" to be mapped'],
    ['a mapping that is no object', things, 'GET', 'Expected `mappedActions` to be an object such as { list: \'GET /\' }, got \'GET\'.'],
    ['a path that can be no template', things, { x: 'GET /(a|b)' }, 'Expected a path such as "/:id/comments", got "/(a|b)".'],
    ['a handler that is none', 'things', undefined, 'Expected a Router, an application or a handler, got \'things\'.'],
  ]; // prettier-ignore
  test.each(table)('%s', (_name, handler, mapping, message) => {
    // As JavaScript would call it.
    const start = (): unknown => Reflect.apply(viewAsConsumer, undefined, [handler, mapping]);
    expect(start).toThrow(TypeError);
    expect(start).toThrow(message);
  });
});

describe('viewAsConsumer accepts', () => {
  const table: [name: string, handler: RequestHandler, mapping: MappedActions | undefined][] = [
    ['the default mapping as far as it has routes', router((r) => r.get('/', done)), undefined],
    ['a trailing slash more or less', router((r) => r.get('/a/', done)), { a: 'GET /a' }],
    ['HEAD for a route of GET', router((r) => r.get('/a', done)), { a: 'HEAD /a', b: 'HEAD' }],
    ['any method for a route of all', router((r) => r.all('/a', done)), { a: 'DELETE /a', b: 'OPTIONS /a' }],
    ['a template that leads into an application', express().use('/sub', express()), { x: 'GET /sub/things/:id' }],
    ['a template that leads to a function', express().use('/sub', (_req, res) => void res.end()), { x: 'GET /sub/things/:id' }],
    ['a template for a route of a regular expression', router((r) => r.get(/^\/a(\d+)$/, done)), { x: 'GET /a:n' }],
    ['a template for a bare handler', done, { x: 'GET /things/:id' }],
    [
      'a template where Express does not tell a path',
      withoutPaths(router((r) => r.use('/users', rest()))),
      { x: 'GET /users/:pk' },
    ],
  ];
  test.each(table)('%s', (_name, handler, mapping) => {
    expect(() => viewAsConsumer(handler, mapping)).not.toThrow();
  });
});

describe('the default mapping', () => {
  test('takes the route whose parameters are exactly those given', async () => {
    const built = router((r) =>
      r.get('/', tells('list')).get('/archived', tells('archived')).get('/:pk', tells('one')).get('/:pk/parts/:part', tells('part')).put('/', tells('create')),
    ); // prettier-ignore
    const client = await viewClient(built);
    const run = async (frame: object) => (await client.request(frame))['data'];
    expect(await run({ action: 'list' })).toMatchObject({ route: 'list' });
    expect(await run({ action: 'retrieve', parameters: { pk: 1 } })).toMatchObject({ route: 'one' });
    expect(await run({ action: 'retrieve', pk: 1 })).toMatchObject({ route: 'one' });
    expect(await run({ action: 'list', parameters: { part: 2, pk: 1 } })).toMatchObject({ route: 'part' });
    expect(await run({ action: 'create', data: {} })).toMatchObject({ route: 'create' });
    expect(await client.request({ action: 'list', parameters: { part: 2 } })).toMatchObject({ response_status: 404, data: null });
    expect(await client.request({ action: 'update', pk: 1 })).toMatchObject({ response_status: 405, data: null });
  });

  test('takes a top-level pk as the sole parameter, whatever the route calls it', async () => {
    const built = router((r) => r.get('/:username', tells('user')).get('/:username/:tab', tells('tab')));
    const client = await viewClient(built);
    expect((await client.request({ action: 'retrieve', pk: 'alice' }))['data']).toEqual({
      route: 'user',
      params: { username: 'alice' },
    });
  });
});

describe('where Express does not tell under which path a router is mounted', () => {
  const built = withoutPaths(
    router((r) => {
      r.use('/users', router((users) => users.get('/archived', tells('archived')).get('/:id', tells('one'))));
      r.use('/legacy', (_req, res) => void res.json({ route: 'legacy' }));
      r.get('/:slug', tells('slug'));
    }), // prettier-ignore
  );

  test('a template leads to its route, and no value to another', async () => {
    const client = await viewClient(built, { user: 'GET /users/:id', slug: 'GET /:slug' });
    const run = (action: string, pk: string) => client.request({ action, pk });
    expect(await run('user', '7')).toMatchObject({ data: { route: 'one', params: { id: '7' } } });
    expect(await run('user', 'archived')).toMatchObject({ response_status: 404, data: null });
    expect(await run('slug', 'x')).toMatchObject({ data: { route: 'slug' } });
    expect(await run('slug', 'users')).toMatchObject({ data: { route: 'slug' } });
    expect(await run('slug', 'legacy')).toMatchObject({ response_status: 404, data: null });
  });

  test('a bare method takes a route of the router itself', async () => {
    const client = await viewClient(built, { retrieve: 'GET' });
    expect(await client.request({ action: 'retrieve', pk: 'x' })).toMatchObject({ data: { route: 'slug' } });
    expect(() => viewAsConsumer(built, { create: 'PUT' })).toThrow('Name its route by a template, e.g. "PUT /things".');
  });
});

/** The same router with layers as Express 5.0 to 5.2 has them: they do not tell their path, and say what they matched in properties. */
function withoutPaths(original: Router): Router {
  const stack = (stackOf(original) ?? []).map((layer) => {
    const { handle, name, route } = layer;
    const copy = {
      handle,
      name,
      route,
      path: '',
      match(path: string): boolean {
        const prefix = matchedPrefix(layer, path);
        copy.path = prefix ?? '';
        return prefix !== undefined;
      },
    };
    return copy;
  });
  const handler: RequestHandler = (req, res, next) => {
    original(req, res, next);
  };
  return Object.assign(handler, original, { stack });
}
