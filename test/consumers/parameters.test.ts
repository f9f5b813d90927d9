import express, { type RequestHandler, type Router } from 'express';
import type { MappedActions } from 'express-channels';

import { isExpress4, viewClient } from './view-client.js';

const SEED = Number(process.env['SEED'] ?? String(Date.now() % 1_000_000));
const ROUTERS = 60;
const FRAMES_EACH = 50;

/** mulberry32: small, and the same on every machine. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class Chooser {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomOf(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  of<Value>(values: readonly [Value, ...Value[]]): Value {
    return values[this.below(values.length)] ?? values[0];
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }
}

const SEGMENTS = ['archived', 'admin', 'items', 'a', 'b', '5', 'x.y', 'Users'] as const;

const HOSTILE = [
  '..', '.', '', '/', '//', 'a/b', '../admin', '/admin', 'admin/', './admin', 'admin/../b', '%2e%2e', '%2E%2E%2F', '%2f', '%', '%%', '%zz',
  '%00', '%c0%af', '\0', 'a\0b', '\ud800', '\udc00x', 'a\ud83d', '?', 'a?b=c', '#', 'a#b', ';', 'a;b', ':', '@', '\\', '..\\', 'a\\b', '*', '(', ')',
  '{', '}', '~', '+', ' ', '\t', '\n', '\r\n', '\u00e9', '\u2603', '\u{1f600}', '\u202e', '\ufeff', '\uff0e\uff0e', '\uff0f', '\u2024\u2024', '...', '.x', 'x.',
  'ADMIN', 'Archived', ' admin', 'admin ', 'constructor', '__proto__', 'null', 'undefined', 'x'.repeat(5_000), 'any-value',
] as const; // prettier-ignore

const ODD = [0, 5, -1, 1.5, 1e21, true, false, null, [], ['a'], ['admin'], [['a']], {}, { toString: 'admin' }] as const;

function anyValue(choose: Chooser): unknown {
  if (choose.chance(0.35)) return choose.of(SEGMENTS);
  if (choose.chance(0.15)) return choose.of(ODD);
  if (choose.chance(0.2)) return choose.of(HOSTILE) + choose.of(HOSTILE);
  return choose.of(HOSTILE);
}

/** A router whose routes each answer with their own template, and the mapping of all of them. */
function anyRouter(choose: Chooser): { router: Router; mapping: MappedActions } {
  const mapping: Record<string, MappedActions[string]> = {};
  const templates = new Set<string>();
  const build = (prefix: string, depth: number): Router => {
    const router = express.Router({ mergeParams: true, strict: choose.chance(0.2), caseSensitive: choose.chance(0.2) });
    for (let left = 2 + choose.below(5); left > 0; left -= 1) {
      if (depth < 2 && choose.chance(0.25)) {
        const mount = anyPath(choose, depth, true);
        router.use(mount, build(prefix + mount, depth + 1));
        continue;
      }
      const path = anyPath(choose, depth, false);
      const template = (prefix + path).replace(/(?<=.)\/$/, '');
      // The first of two equal routes is the one that answers: the second one is no route that could be meant.
      if (templates.has(template.toLowerCase())) continue;
      templates.add(template.toLowerCase());
      router.get(path, answering(template));
      mapping[`action${String(templates.size)}`] = `GET /${template.slice(1)}`;
    }
    return router;
  };
  return { router: build('', 0), mapping };
}

function anyPath(choose: Chooser, depth: number, mount: boolean): string {
  if (!mount && choose.chance(0.2)) return '/';
  let path = '';
  for (let part = 0; part <= choose.below(3); part += 1) {
    // Parameters are called by where they stand: of nested routers none hides another's.
    path += choose.chance(0.5) ? `/${choose.of(SEGMENTS)}` : `/:p${String(depth)}${String(part)}`;
  }
  if (!mount && !isExpress4 && choose.chance(0.15)) path += '/*rest';
  return path;
}

function answering(template: string): RequestHandler {
  return (_req, res) => {
    res.json({ template });
  };
}

const ORDINARY = 'ordinary-value';

function parametersOf(template: string, value: (name: string) => unknown): Record<string, unknown> {
  return Object.fromEntries([...template.matchAll(/[:*](\w+)/g)].map(([, name = '']) => [name, value(name)]));
}

test(`whatever a parameter is, the mapped route runs or the frame is refused (seed ${String(SEED)})`, async () => {
  const choose = new Chooser(SEED);
  const counts = { ran: 0, refused: 0 };
  for (let left = ROUTERS; left > 0; left -= 1) {
    const { router, mapping } = anyRouter(choose);
    const actions = Object.entries(mapping);
    const [first, ...others] = actions;
    if (first === undefined) continue;
    const client = await viewClient(router, mapping);
    const usual = new Map<string, unknown>();
    for (const [action, spec] of actions) {
      const { data } = await client.request({ action, parameters: parametersOf(spec, () => ORDINARY) });
      usual.set(action, data);
    }
    const frames = Array.from({ length: FRAMES_EACH }, () => {
      const [action, spec] = choose.of([first, ...others]);
      return { action, parameters: parametersOf(spec, () => anyValue(choose)) };
    });
    for (const frame of frames) client.send(frame);
    for (const { action, parameters } of frames) {
      const reply = await client.receive();
      const what = { seed: SEED, mapping, action, parameters, reply };
      if (reply['response_status'] === 200) {
        counts.ran += 1;
        // Where an earlier route takes every value (`/:a` before `/:b`), Express comes to it whatever the value: so it does here.
        expect({ ...what, data: reply['data'] }).toEqual({ ...what, data: usual.get(action) });
      } else {
        counts.refused += 1;
        const kind = Math.floor(Number(reply['response_status']) / 100);
        expect({ ...what, kind, data: reply['data'] }).toEqual({ ...what, kind: 4, data: null });
      }
    }
    await client.close();
  }
  expect(counts.ran).toBeGreaterThan(200);
  expect(counts.refused).toBeGreaterThan(200);
}, 60_000);

describe('a value that another route takes is refused, and no other', () => {
  const table: [name: string, path: string | RegExp, refused: string[], ran: string[]][] = [
    ['a static segment', '/archived', ['archived', 'ARCHIVED', 'Archived'], ['archive', 'archived-2', '../archived']],
    ['an expression for digits', /^\/\d+$/, ['5', '007'], ['x', '5x', '-1']],
    ['an expression for words', /^\/[\w-]+$/, ['x', '5', 'a-b'], ['a b', 'é', 'a/b']],
  ]; // prettier-ignore
  test.each(table)('%s before a parameter', async (_name, path, refused, ran) => {
    const router = express.Router().get(path, answering('another')).get('/:id', answering('mapped'));
    const client = await viewClient(router, { retrieve: 'GET /:id' });
    for (const pk of refused)
      expect(await client.request({ action: 'retrieve', pk })).toMatchObject({ response_status: 404, data: null });
    for (const pk of ran) expect((await client.request({ action: 'retrieve', pk }))['data']).toEqual({ template: 'mapped' });
  });

  test('a middleware of its own path before a parameter', async () => {
    const router = express.Router().use('/admin', answering('another')).get('/:id', answering('mapped'));
    const client = await viewClient(router, { retrieve: 'GET /:id' });
    expect(await client.request({ action: 'retrieve', pk: 'admin' })).toMatchObject({ response_status: 404, data: null });
    expect((await client.request({ action: 'retrieve', pk: 'x' }))['data']).toEqual({ template: 'mapped' });
  });

  test('a mounted router before a parameter, as far as it has a route', async () => {
    const inner = express.Router().get('/', answering('another'));
    const router = express.Router().use('/inner', inner).use('/empty', express.Router()).get('/:id', answering('mapped'));
    const client = await viewClient(router, { retrieve: 'GET /:id' });
    expect(await client.request({ action: 'retrieve', pk: 'inner' })).toMatchObject({ response_status: 404, data: null });
    expect((await client.request({ action: 'retrieve', pk: 'empty' }))['data']).toEqual({ template: 'mapped' });
  });

  test('guards that take some or all values leave them alone', async () => {
    const goesOn: RequestHandler = (_req, _res, next) => {
      next();
    };
    const router = express
      .Router()
      .use(goesOn)
      .use(/^\/\d+/, goesOn)
      .use('/:id', goesOn)
      .all('/:id', goesOn)
      .get('/:id', answering('mapped'));
    const client = await viewClient(router, { retrieve: 'GET /:id' });
    for (const pk of ['5', 'x', 'é']) {
      expect((await client.request({ action: 'retrieve', pk }))['data']).toEqual({ template: 'mapped' });
    }
  });

  test("a route of another method is in nobody's way", async () => {
    const router = express.Router().post('/archived', answering('another')).get('/:id', answering('mapped'));
    const client = await viewClient(router, { retrieve: 'GET /:id', head: 'HEAD /:id' });
    expect((await client.request({ action: 'retrieve', pk: 'archived' }))['data']).toEqual({ template: 'mapped' });
    expect(await client.request({ action: 'head', pk: 'archived' })).toMatchObject({ response_status: 200, data: null });
  });
});

test('a wildcard takes a list of segments, each of them safe', async () => {
  if (isExpress4) return;
  const router = express
    .Router()
    .get('/files/:name/raw', answering('another'))
    .get('/files/*path', (req, res) => {
      res.json(req.params.path);
    });
  const client = await viewClient(router, { read: 'GET /files/*path' });
  const read = (path: unknown) => client.request({ action: 'read', parameters: { path } });
  expect((await read(['a', 'b/c', 'd e']))['data']).toEqual(['a', 'b/c', 'd e']);
  expect((await read('x'))['data']).toEqual(['x']);
  for (const path of [['a', 'raw'], ['a', '..', 'b'], ['a', ''], [], [['a']], '..']) {
    expect(Math.floor(Number((await read(path))['response_status']) / 100)).toBe(4);
  }
});
