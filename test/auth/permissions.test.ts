import express, { type RequestHandler } from 'express';
import {
  type ActionRequest,
  allowAny,
  and,
  AuthenticationFailed,
  createChannels,
  expressPermission,
  isAuthenticated,
  not,
  NotAuthenticated,
  NotFound,
  or,
  type Permission,
  permission,
  PermissionDenied,
  viewAsConsumer,
} from 'express-channels';
import { connect, HandshakeRefused, type TestFrame } from 'express-channels/testing';
import createError from 'http-errors';

import { createLoginApp, logIn } from '../support/login-app.js';
import { listen, open } from '../support/socket-client.js';

const ACTIONS = {
  create: 'PUT /',
  update: 'PATCH /',
  patch: 'PATCH /',
  delete: 'DELETE /',
  list: 'GET /',
  retrieve: 'GET /',
  publish: 'POST /',
} as const;

/** What a handshake, and one action on the socket if there is one, come to under some permissions. */
async function ask(
  permissions: readonly Permission[],
  frame: Readonly<Record<string, unknown>> = { action: 'list' },
  user?: object,
) {
  const router = express.Router().all('/', (_req, res) => void res.json('done'));
  const reported: unknown[] = [];
  const channels = createChannels(undefined, { onError: (error) => reported.push(error) })
    .use((req, _res, next) => {
      if (user !== undefined) Object.assign(req, { user });
      next();
    })
    .route('/ws', viewAsConsumer(router, ACTIONS, { permissions }));
  try {
    const client = await connect(channels, '/ws');
    const reply = await client.request(frame);
    return { connect: 101, action: Number(reply['response_status']), reply, reported };
  } catch (error) {
    if (!(error instanceof HandshakeRefused)) throw error;
    return { connect: error.status, action: undefined, body: error.body, reported };
  } finally {
    await channels.close();
  }
}

test('by default, and with allowAny, everybody may connect and act', async () => {
  expect(await ask([])).toMatchObject({ connect: 101, action: 200 });
  expect(await ask([allowAny])).toMatchObject({ connect: 101, action: 200 });
});

test.each([
  ['nobody', 403, undefined],
  ['a user', 200, { id: 1 }],
])('isAuthenticated lets %s connect, and answers actions with %s', async (_name, action, user) => {
  expect(await ask([isAuthenticated], undefined, user)).toMatchObject({ connect: 101, action });
});

test('a function alone is the rule for actions; connect and action have one each', async () => {
  expect(await ask([permission(() => false)])).toMatchObject({ connect: 101, action: 403 });
  expect(await ask([permission({ connect: () => false })])).toMatchObject({ connect: 403 });
  expect(await ask([permission({ connect: () => true })])).toMatchObject({ connect: 101, action: 200 });
  expect(await ask([permission({ action: () => Promise.resolve(false) })])).toMatchObject({ connect: 101, action: 403 });
  expect(() => permission('yes' as never)).toThrow(
    new TypeError("Expected a function or { connect, action } for permission(), got 'yes'."),
  );
});

test('only true allows', async () => {
  for (const verdict of [undefined, null, 1, 'true', {}]) {
    const rule = () => verdict as never;
    expect(await ask([permission({ connect: rule })])).toMatchObject({ connect: 403 });
    expect(await ask([permission(rule)])).toMatchObject({ connect: 101, action: 403 });
    expect(await ask([permission(not(permission(rule)))])).toMatchObject({ connect: 101, action: 200 });
  }
});

test('a rule sees who asks, for which action and with which arguments, before the action is looked up', async () => {
  const asked: Omit<ActionRequest, 'passes'>[] = [];
  const spy = permission((request) => {
    asked.push(request);
    return request.args['token'] === 'let-me-in';
  });
  const frame = { action: 'nope', request_id: 7, token: 'no', pk: 3 };
  expect((await ask([spy], frame, { id: 9 })).reply).toEqual({
    errors: ['You do not have permission to perform this action.'],
    data: null,
    action: 'nope',
    response_status: 403,
    request_id: 7,
  });
  expect((await ask([spy], { ...frame, token: 'let-me-in' })).reply).toMatchObject({
    errors: ['Method "nope" not allowed.'],
    response_status: 405,
  });
  expect(asked[0]).toMatchObject({ action: 'nope', args: { token: 'no', pk: 3 }, scope: { user: { id: 9 }, path: '/ws' } });
  expect((await ask([spy], { request_id: 8 })).reply).toMatchObject({
    errors: ['Unable to find action in message body.'],
    action: null,
    response_status: 405,
  });
  expect(asked).toHaveLength(2);
});

test.each<[string, () => never, number, unknown, boolean]>([
  ['PermissionDenied', thrower(new PermissionDenied('not you')), 403, ['not you'], false],
  ['NotAuthenticated', thrower(new NotAuthenticated()), 401, ['Authentication credentials were not provided.'], false],
  ['AuthenticationFailed', thrower(new AuthenticationFailed()), 401, ['Incorrect authentication credentials.'], false],
  ['NotFound', thrower(new NotFound()), 404, ['Not found.'], false],
  ['an error that says expose', thrower(createError(402, 'pay first')), 402, ['pay first'], false],
  ['any other error', thrower(new Error('canary')), 500, ['A server error occurred.'], true],
])('a rule that throws %s refuses with its status and text', async (_name, rule, status, errors, reported) => {
  const atConnect = await ask([permission({ connect: rule })]);
  expect(atConnect.connect).toBe(status);
  expect(JSON.parse(atConnect.body ?? '')).toEqual({ errors });
  const inAction = await ask([permission(rule)]);
  expect(inAction.reply).toMatchObject({ errors, data: null, response_status: status });
  expect([atConnect.reported.length, inAction.reported.length]).toEqual(reported ? [1, 1] : [0, 0]);
});

describe('and, or, not are plain logic, to any depth, whether a rule says no or throws it', () => {
  interface Term {
    readonly text: string;
    readonly permission: Permission;
    readonly connect: boolean;
    readonly action: boolean;
  }
  const verdicts = [true, false];
  const leaves = verdicts.flatMap((mayConnect) =>
    verdicts.flatMap((mayAct): Term[] => {
      const no = thrower(new PermissionDenied());
      const leaf = { text: `${Number(mayConnect)}${Number(mayAct)}`, connect: mayConnect, action: mayAct };
      return [
        { ...leaf, permission: permission({ connect: () => mayConnect, action: () => Promise.resolve(mayAct) }) },
        {
          ...leaf,
          text: `${leaf.text}!`,
          permission: permission({ connect: () => mayConnect || no(), action: () => mayAct || no() }),
        },
      ];
    }),
  );

  function combine(terms: readonly Term[], others: readonly Term[]): Term[] {
    const combined: Term[] = terms.map((one) => ({
      text: `not(${one.text})`,
      permission: not(one.permission),
      connect: true,
      action: !one.action,
    }));
    for (const one of terms) {
      for (const other of others) {
        const [connect, action] = [one.connect && other.connect, one.action && other.action];
        combined.push({
          text: `and(${one.text},${other.text})`,
          permission: and(one.permission, other.permission),
          connect,
          action,
        });
        const [orConnect, orAction] = [one.connect || other.connect, one.action || other.action];
        const either = or(one.permission, other.permission);
        combined.push({ text: `or(${one.text},${other.text})`, permission: either, connect: orConnect, action: orAction });
      }
    }
    return combined;
  }

  const depth2 = combine(leaves, leaves);
  const depth3 = combine(depth2, leaves);

  test.each([
    ['1', leaves],
    ['2', depth2],
    ['3', depth3],
  ])('depth %s', async (_depth, terms) => {
    const scope = {} as ActionRequest['scope'];
    const passes = () => Promise.resolve(true);
    for (const { text, permission: composed, connect: mayConnect, action: mayAct } of terms) {
      const verdict = {
        connect: await settled(() => composed.connect({ scope, passes })),
        action: await settled(() => composed.action({ scope, passes, action: 'list', args: {} })),
      };
      expect({ text, ...verdict }).toEqual({ text, connect: mayConnect, action: mayAct });
    }
  });

  test('without any permission, and allows and or refuses', async () => {
    expect(await ask([and()])).toMatchObject({ connect: 101, action: 200 });
    expect(await ask([or()])).toMatchObject({ connect: 403 });
  });

  test('if none allows, the first reason that was given is told', async () => {
    const reasons = or(
      permission(thrower(new NotFound())),
      permission(thrower(new NotAuthenticated())),
      permission(() => false),
    );
    expect(await ask([reasons])).toMatchObject({ connect: 101, action: 404 });
  });

  test('an error that is no refusal is never taken for one', async () => {
    const broken = permission(thrower(new Error('canary')));
    for (const composed of [not(broken), or(broken, allowAny), and(allowAny, broken)]) {
      expect(await ask([composed])).toMatchObject({ connect: 101, action: 500 });
    }
  });
});

describe('expressPermission', () => {
  test('asks a middleware with HEAD at connect, and with a method of its own for each action', async () => {
    for (const [action, method] of Object.entries({ ...ACTIONS, subscribe: 'POST' })) {
      const methods: string[] = [];
      const spy: RequestHandler = (req, _res, next) => {
        methods.push(req.method);
        next();
      };
      await ask([expressPermission(spy)], { action });
      expect([action, ...methods]).toEqual([action, 'HEAD', method.split(' ')[0]]);
    }
  });

  test.each<[string, RequestHandler, number, unknown]>([
    ['next()', (_req, _res, next) => next(), 200, []],
    ['next(error) with a 402', (_req, _res, next) => next(createError(402, 'pay first')), 402, ['pay first']],
    ['next(error)', (_req, _res, next) => next(new Error('canary')), 500, ['A server error occurred.']],
    ['a throw', thrower(new Error('canary')), 500, ['A server error occurred.']],
    ['401', (_req, res) => void res.status(401).json('canary'), 401, ['Authentication credentials were not provided.']],
    ['403', (_req, res) => void res.sendStatus(403), 403, ['You do not have permission to perform this action.']],
    ['200', (_req, res) => void res.send('canary'), 403, ['You do not have permission to perform this action.']],
    ['a redirect', (_req, res) => res.redirect('/login'), 403, ['You do not have permission to perform this action.']],
  ])('a middleware that answers %s decides so', async (_name, middleware, status, errors) => {
    const inActions: RequestHandler = (req, res, next) => (req.method === 'HEAD' ? next() : middleware(req, res, next));
    const inAction = await ask([expressPermission(inActions)]);
    expect(inAction.reply).toMatchObject({ response_status: status, errors });
    const atConnect = await ask([expressPermission(middleware)]);
    expect(atConnect.connect).toBe(status === 200 ? 101 : status);
  });

  test('sees user, session and headers of the socket, and what it writes to the session is kept, whether it allows or refuses', async () => {
    const { app, middleware } = createLoginApp();
    const seen: unknown[] = [];
    const guard: RequestHandler = (req, res, next) => {
      seen.push([req.method, req.user && 'name' in req.user && req.user.name, req.isAuthenticated(), req.get('x-api-key')]);
      if (req.method === 'HEAD') {
        next();
        return;
      }
      req.session.visits = (req.session.visits ?? 0) + 1;
      if (req.session.visits === 2) res.sendStatus(403);
      else next();
    };
    const channels = createChannels(app, { forwardHeaders: ['x-api-key'] })
      .use(...middleware)
      .route(
        '/ws',
        viewAsConsumer(app, { session: 'GET /session', visit: 'POST /visit' }, { permissions: [expressPermission(guard)] }),
      );
    const port = await listen(channels);
    const client = await open(port, '/ws', { headers: { cookie: await logIn(port, 'alice'), 'x-api-key': 'k' } });
    const replies: TestFrame[] = [];
    for (const action of ['session', 'session', 'visit', 'session']) replies.push(await client.act(action));
    expect(replies.map((reply) => reply['response_status'])).toEqual([200, 403, 200, 200]);
    expect(replies.map((reply) => reply['data'])).toEqual([{ user: alice, visits: 1 }, null, 4, { user: alice, visits: 5 }]);
    expect(seen.slice(0, 2)).toEqual([
      ['HEAD', 'alice', true, 'k'],
      ['POST', 'alice', true, 'k'],
    ]);
    await channels.close();
  });
});

const alice = { id: 1, name: 'alice', role: 'nurse' };

function thrower(error: unknown): () => never {
  return () => {
    throw error;
  };
}

/** A verdict as a socket would feel it: what throws a refusal refuses. */
async function settled(ask: () => unknown): Promise<boolean> {
  try {
    return (await ask()) === true;
  } catch (error) {
    if (error instanceof PermissionDenied) return false;
    throw error;
  }
}
