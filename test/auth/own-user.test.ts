import express, { type Request, type RequestHandler } from 'express';
import { createChannels, defineConsumer, permission, viewAsConsumer } from 'express-channels';
import { connect } from 'express-channels/testing';
import { DataTypes, Sequelize } from 'sequelize';

import * as sqlite from '../../example-app/src/sqlite.js';

class Role {
  name = 'user';
}

class Person {
  readonly id = 1;
  role = 'user';
  roles = [new Role()];
  rights = { pages: ['own'], since: new Date(0), tags: new Set(['a']), more: new Map([['x', { y: 1 }]]) };
  #sudo = false;

  constructor(withPrivate = false) {
    this.#sudo = withPrivate;
  }

  isAdmin(): boolean {
    return this.role === 'admin';
  }

  /** Works on no copy. */
  hasSudo(): boolean {
    return this.#sudo;
  }
}

class OpenPerson {
  readonly id = 1;
  role = 'user';
  roles = [new Role()];
  rights = { pages: ['own'], since: new Date(0), tags: new Set(['a']), more: new Map([['x', { y: 1 }]]) };
  isAdmin(): boolean {
    return this.role === 'admin';
  }
}

const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
const Account = sequelize.define('Account', { role: DataTypes.STRING, rights: DataTypes.JSON });

const users: readonly [name: string, make: () => object][] = [
  ['plain data', () => ({ id: 1, role: 'user', roles: [{ name: 'user' }], rights: { pages: ['own'] } })],
  ['an instance of a class', () => new OpenPerson()],
  ['a row of Sequelize', () => Account.build({ id: 1, role: 'user', rights: { pages: ['own'] } }, { isNewRecord: false })],
  ['without a prototype', () => Object.assign(Object.create(null) as object, { id: 1, role: 'user' })],
  ['one that refers to itself', () => { const user = { id: 1, role: 'user', me: {} }; user.me = user; return user; }], // prettier-ignore
];

/** Lets somebody become an admin in every way. */
const sudo = (user: Readonly<Record<string, unknown>> & { role?: string }): void => {
  user.role = 'admin';
  const { roles, rights } = user as {
    roles?: { name: string }[];
    rights?: { pages: string[]; tags?: Set<string>; since?: Date };
  };
  if (roles?.[0] !== undefined) roles[0].name = 'admin';
  rights?.pages.push('all');
  rights?.tags?.add('admin');
  rights?.since?.setTime(1);
};

const shown = (user: unknown): string => JSON.stringify(user, (key, value: unknown) => (key === 'me' ? 'me' : value));

const place =
  (name: 'user' | 'auth', value: object): RequestHandler =>
  (req, _res, next) => {
    Object.assign(req, { [name]: value });
    next();
  };

describe.each(['user', 'auth'] as const)('what an action writes on `req.%s`', (name) => {
  const of = (req: Request): Record<string, unknown> => Reflect.get(req, name) as Record<string, unknown>;

  test.each(users)('ends with the action, as over HTTP, where it is %s', async (_kind, make) => {
    const before = shown(make());
    const asked: string[] = [];
    const router = express
      .Router()
      .get('/sudo', (req, res) => {
        sudo(of(req));
        res.json(of(req)['role']);
      })
      .get('/', (req, res) => void res.json(shown(of(req))));
    const channels = createChannels()
      .use(place(name, make()))
      .route(
        '/ws',
        viewAsConsumer(
          router,
          { sudo: 'GET /sudo', list: 'GET /' },
          {
            permissions: [permission(({ scope }) => { asked.push(shown(scope.user)); return true; })], // prettier-ignore
          },
        ),
      );
    const client = await connect(channels, '/ws');
    expect(await client.request({ action: 'sudo' })).toMatchObject({ data: 'admin' });
    expect(await client.request({ action: 'list' })).toMatchObject({ data: before });
    if (name === 'user') expect(new Set(asked)).toEqual(new Set([before]));
    await channels.close();
  });
});

test('what a handler writes on `scope.user` ends with the action', async () => {
  const make = () => new OpenPerson();
  const channels = createChannels()
    .use(place('user', make()))
    .route(
      '/ws',
      defineConsumer({
        actions: {
          sudo: (ctx) => { sudo(ctx.scope.user as OpenPerson & Record<string, unknown>); return shown(ctx.scope.user); }, // prettier-ignore
          list: (ctx) => shown(ctx.scope.user),
          isAdmin: (ctx) => (ctx.scope.user as OpenPerson).isAdmin(),
        },
      }),
    );
  const client = await connect(channels, '/ws');
  expect(JSON.stringify(await client.request({ action: 'sudo' }))).toContain('admin');
  expect(await client.request({ action: 'list' })).toMatchObject({ data: shown(make()) });
  expect(await client.request({ action: 'isAdmin' })).toMatchObject({ data: false });
  await channels.close();
});

test('the user that the option `user` finds elsewhere is a copy, too', async () => {
  const router = express.Router().get('/', (req, res) => {
    const account = Reflect.get(req, 'account') as { role: string };
    const { role } = account;
    account.role = 'admin';
    res.json(role);
  });
  const share: RequestHandler = (req, _res, next) => {
    Object.assign(req, { account: { id: 1, role: 'user' } });
    next();
  };
  const channels = createChannels(undefined, { user: (req): unknown => Reflect.get(req, 'account') })
    .use(share)
    .route('/ws', viewAsConsumer(router, { list: 'GET /' }));
  const client = await connect(channels, '/ws');
  for (let time = 0; time < 2; time += 1) expect(await client.request({ action: 'list' })).toMatchObject({ data: 'user' });
  await channels.close();
});

test('a guard of an action and its handler have the same user', async () => {
  const guard: RequestHandler = (req, _res, next) => {
    (req.user as unknown as { seen: boolean }).seen = true;
    next();
  };
  const router = express
    .Router()
    .use(guard)
    .get('/', (req, res) => void res.json(req.user));
  const channels = createChannels()
    .use(place('user', { id: 1 }))
    .route('/ws', viewAsConsumer(router, { list: 'GET /' }));
  const client = await connect(channels, '/ws');
  expect(await client.request({ action: 'list' })).toMatchObject({ data: { id: 1, seen: true } });
  await channels.close();
});

test('a user with private fields keeps its methods', async () => {
  const router = express.Router().get('/', (req, res) => void res.json((req.user as unknown as Person).hasSudo()));
  const channels = createChannels()
    .use(place('user', new Person(true)))
    .route('/ws', viewAsConsumer(router, { list: 'GET /' }));
  const client = await connect(channels, '/ws');
  expect(await client.request({ action: 'list' })).toMatchObject({ data: true, response_status: 200 });
  await channels.close();
});

test('what middleware shares on purpose stays the same object', async () => {
  const shared = { count: 0, list: [1] };
  const router = express.Router().get('/', (req, res) => {
    const { shared: own } = req as unknown as { shared: typeof shared };
    own.count += 1;
    res.json(own === shared);
  });
  const share: RequestHandler = (req, _res, next) => {
    Object.assign(req, { shared });
    next();
  };
  const channels = createChannels()
    .use(share)
    .route('/ws', viewAsConsumer(router, { list: 'GET /' }));
  const client = await connect(channels, '/ws');
  expect(await client.request({ action: 'list' })).toMatchObject({ data: true });
  expect(shared.count).toBe(1);
  await channels.close();
});
