import { once } from 'node:events';
import type { Router } from 'express';
import { routeActions, viewAsConsumer, type MappedAction } from 'express-channels';
import request from 'supertest';
import { WebSocket } from 'ws';
import { Patient, User } from '../../example-app/src/models.js';
import { patientsRouter } from '../../example-app/src/patients.router.js';
import { onEachDatabase } from './databases.js';
import { startExample, type Example } from './server.js';

jest.setTimeout(30_000);

type Route = `${'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'} /${string}`;
interface Input {
  pk?: string | number;
  query?: Record<string, string | string[]>;
  data?: unknown;
}

const patient = { first_name: 'Lise', last_name: 'Meitner', admission_date: '2026-11-20T09:30:00Z' };
const badPatients: Input[] = [
  {},
  { data: {} },
  { data: null },
  { data: ['a list'] },
  { data: 'a text' },
  { data: { ...patient, first_name: ' ', admission_date: 'yesterday' } },
  { data: { ...patient, last_name: 'x'.repeat(241), dismissal_date: 7 } },
];
const badUsers: Input[] = [
  {},
  { data: [] },
  { data: 7 },
  { data: { username: 'ada' } },
  { data: { username: 'a b', email: 'nope', password: 'short' } },
];
const missing: Input[] = [{ pk: 99 }, { pk: 0 }, { pk: 'one' }, { pk: '1 ' }, { pk: '2147483648' }];
const withPk = (pk: number, inputs: Input[]): Input[] => inputs.map((input) => ({ pk, ...input }));

/** Good and bad input for every route of the example app. */
const cases: Record<Route, Input[]> = {
  'POST /api/auth/login': [
    { data: { username: 'ada', password: 'ada-demo' } },
    { data: { username: 'ada', password: 'wrong' } },
    { data: { username: 'nobody', password: 'wrong' } },
    { data: { username: 7 } },
    {},
  ],
  'POST /api/auth/logout': [{}],
  'GET /api/auth/me': [{}],

  'GET /api/users/': [{}, { query: { unknown: 'x' } }],
  'POST /api/users/': [{ data: { username: 'emmy', email: 'emmy@example.com', password: 'noether1918' } }, ...badUsers],
  'PUT /api/users/': [{ data: { username: 'emmy' } }, ...badUsers],
  'GET /api/users/:pk': [{ pk: 1 }, { pk: '2' }, ...missing],
  'PUT /api/users/:pk': [{ pk: 2, data: { username: 'hopper', email: '' } }, ...withPk(2, badUsers), ...missing],
  'PATCH /api/users/:pk': [
    { pk: 2, data: { email: 'hopper@example.com' } },
    { pk: 3, data: { role: 'doctor' } },
    ...withPk(2, badUsers),
    ...missing,
  ],
  'DELETE /api/users/:pk': [{ pk: 2 }, ...missing],

  'GET /api/patients/': [{}, { query: { last_name: 'Curie' } }, { query: { last_name: ['Franklin', 'é & ü'] } }],
  'POST /api/patients/': [
    { data: patient },
    { data: { ...patient, ward: 'South' } },
    { data: { ...patient, first_name: 'Zoë 😀', id: 77 } },
    ...badPatients,
  ],
  'GET /api/patients/:pk': [{ pk: 1 }, ...missing],
  'PUT /api/patients/:pk': [{ pk: 1, data: patient }, ...withPk(1, badPatients), ...missing],
  'PATCH /api/patients/:pk': [
    { pk: 1, data: { first_name: 'Maria' } },
    { pk: 2, data: { dismissal_date: '2026-11-21' } },
    { pk: 2, data: { ward: 'South' } },
    { pk: 2, data: { ward: 'East', note: 7 } },
    { pk: 4, data: { note: 'Of another ward, except for ada.' } },
    ...withPk(1, badPatients),
    ...missing,
  ],
  'DELETE /api/patients/:pk': [{ pk: 3 }, ...missing],
};

/** Under which name the example app's own sockets have a route. */
const sockets: Record<string, { prefix: string; actions: Record<string, MappedAction> }> = {
  '/ws/user': {
    prefix: '/api/users',
    actions: { list: 'GET /', retrieve: 'GET /:pk', create: 'PUT /', update: 'PATCH /:pk' },
  },
  '/ws/patients': { prefix: '/api/patients', actions: routeActions(patientsRouter) },
};

const accounts = ['nobody', 'grace', 'ada'] as const;
type Account = (typeof accounts)[number] | 'alan';

interface Answer {
  status: number;
  body: unknown;
}

onEachDatabase((reset, database) => {
  let example: Example;
  const cookies = new Map<Account, string>();
  let changed = true;

  beforeAll(async () => {
    example = await startExample();
    // The whole app as a consumer: its routes are its actions.
    const all = Object.keys(cases) as Route[];
    example.channels.route('/ws/app', viewAsConsumer(example.app, Object.fromEntries(all.map((route) => [route, route]))));
    // The clock stands still, so that what both store as "now" agrees.
    jest.useFakeTimers({ now: new Date('2026-11-21T12:00:00Z'), doNotFake: everythingButDate });
  });
  afterAll(async () => {
    jest.useRealTimers();
    await example.channels.close();
  });

  async function cookieOf(account: Account): Promise<string> {
    if (account === 'nobody') return '';
    const known = cookies.get(account);
    if (known !== undefined) return known;
    const credentials = { username: account, password: `${account}-demo` };
    const { headers } = await request(`http://${example.host}`).post('/api/auth/login').send(credentials).expect(200);
    const [cookie = ''] = String(headers['set-cookie']).split(';', 1);
    cookies.set(account, cookie);
    return cookie;
  }

  async function overHttp(route: Route, { pk, query = {}, data }: Input, account: Account): Promise<Answer> {
    const [method, template] = splitRoute(route);
    const path = template.replace(':pk', encodeURIComponent(String(pk)));
    const client = request(`http://${example.host}`);
    const sent = client[method](path)
      .query(query)
      .set('Cookie', await cookieOf(account));
    const { status, text } = await (data === undefined ? sent : sent.type('json').send(JSON.stringify(data)));
    return { status, body: text === '' ? null : (JSON.parse(text) as unknown) };
  }

  async function overSocket(path: string, frame: object, account: Account): Promise<Answer & { errors: unknown }> {
    const socket = new WebSocket(`ws://${example.host}${path}`, { headers: { cookie: await cookieOf(account) } });
    await once(socket, 'open');
    const replied = once(socket, 'message');
    socket.send(JSON.stringify({ ...frame, request_id: 'parity' }));
    const [message] = (await replied) as [Buffer];
    const reply = JSON.parse(message.toString()) as Record<string, unknown>;
    socket.terminate();
    expect(Object.keys(reply)).toEqual(['errors', 'data', 'action', 'response_status', 'request_id']);
    expect(reply).toMatchObject({ request_id: 'parity' });
    return { status: Number(reply['response_status']), body: reply['data'], errors: reply['errors'] };
  }

  /** The answer, and every row that there is afterwards. */
  async function observe<T extends Answer>(route: Route, act: () => Promise<T>): Promise<{ answer: T; rows: unknown }> {
    if (changed) await reset();
    const answer = await act();
    changed = !route.startsWith('GET ') && ![401, 403, 404].includes(answer.status);
    // Both log the account in or out: its session is another one from here.
    if (route.startsWith('POST /api/auth')) cookies.clear();
    const users = await User.findAll({ attributes: { exclude: ['password_hash'] }, order: ['id'], raw: true });
    const patients = await Patient.findAll({ order: ['id'], raw: true });
    return { answer, rows: { users, patients } };
  }

  test('there is a case for every route of the app', () => {
    expect(Object.keys(cases).sort()).toEqual(routesOf(example.app.router).sort());
  });

  async function expectTheSame(route: Route, inputs: Input[], account: Account): Promise<void> {
    for (const input of inputs) {
      const http = await observe(route, () => overHttp(route, input, account));
      const { status, body } = http.answer;
      const expected = { ...http, answer: { status, body, errors: status < 400 ? [] : [body] }, input };
      for (const { path, frame } of framesOf(route, input)) {
        const socket = await observe(route, () => overSocket(path, frame, account));
        expect({ ...socket, input }).toEqual(expected);
      }
    }
  }

  describe.each(Object.entries(cases) as [Route, Input[]][])('%s', (route, inputs) => {
    // One account shows that it makes no difference which database there is.
    const each = database === 'SQLite' ? accounts : (['grace'] as const);
    test.each(each)('answers %s over the socket as over HTTP', (account) => expectTheSame(route, inputs, account));
  });

  test('answers alan, who as a nurse edits alone, over the socket as over HTTP', async () => {
    const routes: Route[] = ['POST /api/patients/', 'PATCH /api/patients/:pk', 'DELETE /api/patients/:pk'];
    for (const route of routes) await expectTheSame(route, cases[route]?.slice(0, 5) ?? [], 'alan');
  });

  test('good input succeeds and bad input fails, so that the agreement means something', async () => {
    await reset();
    expect((await overHttp('GET /api/patients/', {}, 'nobody')).status).toBe(401);
    expect((await overHttp('GET /api/patients/', {}, 'grace')).status).toBe(200);
    expect((await overHttp('GET /api/patients/:pk', { pk: 4 }, 'grace')).status).toBe(404);
    expect((await overHttp('POST /api/patients/', { data: patient }, 'alan')).status).toBe(403);
    expect((await overHttp('DELETE /api/users/:pk', { pk: 1 }, 'grace')).status).toBe(403);
    expect((await overHttp('POST /api/patients/', { data: patient }, 'grace')).status).toBe(201);
    expect((await overHttp('POST /api/patients/', {}, 'grace')).status).toBe(400);
  });
});

/** The frames that reach a route: by the whole app, and by the example's own sockets where they expose it. */
function framesOf(route: Route, { pk, query, data }: Input): { path: string; frame: object }[] {
  const [method, template] = route.split(' ');
  const common = { ...(query && { query }), ...(data !== undefined && { data }) };
  const whole = { action: route, ...common, ...(pk !== undefined && { parameters: { pk } }) };
  const own = Object.entries(sockets).flatMap(([path, { prefix, actions }]) =>
    Object.entries(actions)
      .filter(([, action]) => action.replace(' ', ` ${prefix}`) === `${method ?? ''} ${template ?? ''}`)
      .map(([action]) => ({ path, frame: { action, ...common, ...(pk !== undefined && { pk }) } })),
  );
  return [{ path: '/ws/app', frame: whole }, ...own];
}

const methods = { GET: 'get', POST: 'post', PUT: 'put', PATCH: 'patch', DELETE: 'delete' } as const;

function splitRoute(route: Route): [(typeof methods)[keyof typeof methods], string] {
  const [method, path] = route.split(' ') as [keyof typeof methods, string];
  return [methods[method], path];
}

/** Every route of the app. Express 5.3 tells at which path a router is mounted. */
function routesOf({ stack }: Pick<Router, 'stack'>, prefix = ''): string[] {
  return stack.flatMap((layer) => {
    if (layer.route) {
      const { path, stack: handlers } = layer.route;
      return [...new Set(handlers.map(({ method }) => `${method.toUpperCase()} ${prefix}${path}`))];
    }
    const mounted = 'rawPath' in layer ? `${prefix}${String(layer.rawPath)}` : prefix;
    return isRouter(layer.handle) ? routesOf(layer.handle, mounted) : [];
  });
}

const isRouter = (handler: object): handler is Router => 'stack' in handler;

const everythingButDate: FakeableAPI[] = [
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
];
