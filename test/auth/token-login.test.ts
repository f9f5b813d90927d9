import { generateKeyPairSync } from 'node:crypto';

import express, { type RequestHandler } from 'express';
import { type ChannelsOptions, createChannels, defineConsumer, viewAsConsumer } from 'express-channels';
import { expressjwt } from 'express-jwt';
import { auth } from 'express-oauth2-jwt-bearer';
import createError from 'http-errors';
import jwt, { type SignOptions } from 'jsonwebtoken';
import { Passport } from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';

import { listen, open, refusal, until } from '../support/socket-client.js';

const SECRET = 'a secret of at least some length';
const ISSUER = 'https://issuer.example.com/';
const AUDIENCE = 'wards';
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });

interface Way {
  readonly name: string;
  readonly middleware: () => readonly RequestHandler[];
  readonly sign: (claims: object, options?: SignOptions) => string;
}

/** For a minute, unless the claims say otherwise. */
const ending = (claims: object): SignOptions => ('exp' in claims ? {} : { expiresIn: 60 });

const sign: Way['sign'] = (claims, options) => jwt.sign(claims, SECRET, { ...ending(claims), ...options });

/** Ways to log in by a token that refuse by `next(error)`. */
const ways: readonly Way[] = [
  { name: 'express-jwt', middleware: () => [expressjwt({ secret: SECRET, algorithms: ['HS256'] }) as RequestHandler], sign },
  {
    name: 'express-oauth2-jwt-bearer',
    middleware: () => [
      auth({ issuer: ISSUER, audience: AUDIENCE, secret: SECRET, tokenSigningAlg: 'HS256', clockTolerance: 1 }) as RequestHandler,
    ],
    sign: (claims, options) => sign(claims, { issuer: ISSUER, audience: AUDIENCE, ...options }),
  },
  {
    name: 'passport with failWithError',
    middleware: () => {
      const passport = new Passport();
      const strategy = { secretOrKey: publicKey.export({ type: 'spki', format: 'pem' }), jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken() };
      passport.use(new Strategy(strategy, (payload: object, done) => done(null, payload)));
      return [passport.authenticate('jwt', { session: false, failWithError: true } as object) as RequestHandler];
    },
    sign: (claims, options) => jwt.sign(claims, privateKey, { algorithm: 'RS256', ...ending(claims), ...options }),
  },
]; // prettier-ignore

const authorization = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

async function serve(middleware: readonly RequestHandler[], options: ChannelsOptions = {}) {
  const reported: unknown[] = [];
  const channels = createChannels(undefined, { onError: (error) => reported.push(error), ...options })
    .use(...middleware)
    .route('/ws', defineConsumer({ actions: { whoami: (ctx) => ctx.scope.user ?? null } }))
    .route('/routes', viewAsConsumer(express.Router().get('/', (req, res) => void res.json(req.user ?? req.auth)), { list: 'GET /' })); // prettier-ignore
  return { channels, reported, port: await listen(channels) };
}

describe.each(ways)('with $name', ({ middleware, sign: tokenOf }) => {
  test('a token logs in, and its claims are the user', async () => {
    const { channels, port } = await serve(middleware());
    const client = await open(port, '/ws', authorization(tokenOf({ sub: 'alice' })));
    expect(JSON.stringify(await client.act('whoami'))).toContain('"sub":"alice"');
    await channels.close();
  });

  test.each<[string, object]>([
    ['no token', {}],
    ['a token that is none', authorization('nonsense')],
    ['an expired token', authorization(tokenOf({ sub: 'alice' }, { expiresIn: -10 }))],
  ])('%s is refused with a status below 500, and nobody is bothered', async (_name, options) => {
    const { channels, port, reported } = await serve(middleware());
    const { status } = await refusal(port, '/ws', options);
    expect([400, 401]).toContain(status);
    expect(reported).toEqual([]);
    await channels.close();
  });

  test('a token that is refused in reauthenticate is a 401, and the socket goes on', async () => {
    const { channels, port, reported } = await serve(middleware(), { reauthenticate: true });
    const client = await open(port, '/ws', authorization(tokenOf({ sub: 'alice' })));
    expect(await client.act('reauthenticate', { token: 'nonsense' })).toMatchObject({ response_status: 401 });
    expect(await client.act('reauthenticate', { token: tokenOf({ sub: 'bob' }) })).toMatchObject({ response_status: 403 });
    expect(await client.act('reauthenticate', { token: tokenOf({ sub: 'alice' }) })).toMatchObject({ response_status: 200 });
    expect(reported).toEqual([]);
    await channels.close();
  });

  test('a socket ends with 4401 when its token does, and not at the next revalidation', async () => {
    const { channels, port, reported } = await serve(middleware(), { revalidate: { everyMs: 1_000_000 } });
    const exp = Math.ceil(Date.now() / 1000) + 1;
    const client = await open(port, '/ws', authorization(tokenOf({ sub: 'alice', exp })));
    expect(await client.closed).toBe(4401);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
    expect(Date.now()).toBeLessThan((exp + 10) * 1000);
    expect(reported).toEqual([]);
    await channels.close();
  });
});

test('a revalidation within the leeway of a token does not put its end off', async () => {
  const { channels, port } = await serve(
    [expressjwt({ secret: SECRET, algorithms: ['HS256'], clockTolerance: 2 }) as RequestHandler],
    {
      revalidate: { everyMs: 4_500 },
    },
  );
  const exp = Math.ceil(Date.now() / 1000) + 3;
  const client = await open(port, '/ws', authorization(sign({ sub: 'alice', exp })));
  // It runs 4.5 s after the handshake, when the token has ended and is still let in; the next one would be 9 s after it.
  expect(await client.closed).toBe(4401);
  expect(Date.now()).toBeLessThan((exp + 4) * 1000);
  await channels.close();
});

test('a renewed token puts the end off', async () => {
  const { channels, port } = await serve(ways[0]?.middleware() ?? [], { reauthenticate: true, revalidate: false });
  const exp = Math.ceil(Date.now() / 1000) + 1;
  const client = await open(port, '/ws', authorization(sign({ sub: 'alice', exp })));
  await client.act('reauthenticate', { token: sign({ sub: 'alice' }) });
  await until(() => Date.now() > (exp + 1) * 1000);
  expect(await client.act('whoami')).toMatchObject({ response_status: 200 });
  await channels.close();
});

test.each([
  [401, 4401],
  [403, 4403],
  [400, 4401],
])('a revalidation that is refused by an error of %i closes with %i', async (status, code) => {
  let isRefused = false;
  const { channels, port, reported } = await serve(
    [(_req, _res, next) => { next(isRefused ? createError(status) : undefined); }], // prettier-ignore
    { revalidate: { everyMs: 20 } },
  );
  const client = await open(port, '/ws');
  isRefused = true;
  expect(await client.closed).toBe(code);
  expect(reported).toEqual([]);
  await channels.close();
});

test.each([500, 503])('a revalidation that fails by an error of %i is an outage', async (status) => {
  let isAway = false;
  const { channels, port, reported } = await serve(
    [(_req, _res, next) => { next(isAway ? createError(status) : undefined); }], // prettier-ignore
    { revalidate: { everyMs: 20 } },
  );
  const client = await open(port, '/ws');
  isAway = true;
  await until(() => reported.length >= 2);
  isAway = false;
  expect(await client.act('whoami')).toMatchObject({ response_status: 200 });
  await channels.close();
});

describe('who the user is', () => {
  const place =
    (name: string, value: unknown): RequestHandler =>
    (req, _res, next) => {
      Object.assign(req, { [name]: value });
      next();
    };

  test.each<[name: string, middleware: RequestHandler, options: ChannelsOptions]>([
    ['req.user', place('user', { id: 1 }), {}],
    ['req.auth', place('auth', { id: 1 }), {}],
    ['where the option `user` finds it', place('account', { id: 1 }), { user: (req): unknown => Reflect.get(req, 'account') }],
  ])('is %s', async (_name, middleware, options) => {
    const { channels, port } = await serve([middleware], options);
    const client = await open(port, '/ws');
    expect(await client.act('whoami')).toMatchObject({ data: { id: 1 } });
    await channels.close();
  });

  test('cannot be said by a promise, or by an option that throws: the handshake is a 500, and reported', async () => {
    for (const user of [
      () => Promise.resolve({ id: 1 }),
      () => {
        throw new Error('mine');
      },
    ]) {
      // prettier-ignore
      const { channels, port, reported } = await serve([], { user });
      expect((await refusal(port, '/ws')).status).toBe(500);
      expect(reported).toEqual([expect.any(Error)]);
      await channels.close();
    }
  });

  const sameUser = (one: unknown, other: unknown) => Reflect.get(Object(one), 'name') === Reflect.get(Object(other), 'name');
  test.each<[name: string, before: unknown, after: unknown, isSame: boolean, options?: ChannelsOptions]>([
    ['another role', { id: 1, role: 'a' }, { id: 1, role: 'b' }, true],
    ['another id', { id: 1 }, { id: 2 }, false],
    ['an id as a text', { id: 1 }, { id: '1' }, true],
    ['another time of a token with a userId', { userId: 7, iat: 1 }, { userId: 7, iat: 2 }, true],
    ['another userId', { userId: 7 }, { userId: 8 }, false],
    ['a time of last sight', { userId: 7, lastSeen: 1 }, { userId: 7, lastSeen: 2 }, true],
    [
      'another time of a token without an id',
      { name: 'a', iat: 1, exp: 5, jti: 'x' },
      { name: 'a', iat: 2, exp: 6, jti: 'y' },
      true,
    ],
    ['other content without an id', { name: 'a' }, { name: 'b' }, false],
    ['another tenant', { id: 1, tenant: 'a' }, { id: 1, tenant: 'b' }, false],
    ['another tenantId', { id: 1, tenantId: 1 }, { id: 1, tenantId: 2 }, false],
    ['another organisation of a token', { sub: '1', org_id: 'a' }, { sub: '1', org_id: 'b' }, false],
    ['another issuer', { sub: '1', iss: 'a' }, { sub: '1', iss: 'b' }, false],
    ['no tenant any more', { id: 1, tenant: 'a' }, { id: 1 }, false],
    ['a row of the tenant that was read again', { id: 1, tenant: { id: 5, at: 1 } }, { id: 1, tenant: { id: 5, at: 2 } }, true],
    [
      'another id in the claims',
      { payload: { sub: 'a', iat: 1 }, token: 'x' },
      { payload: { sub: 'b', iat: 1 }, token: 'y' },
      false,
    ],
    [
      'another token with the same claims',
      { payload: { sub: 'a', iat: 1 }, token: 'x' },
      { payload: { sub: 'a', iat: 2 }, token: 'y' },
      true,
    ],
    ['ids that are objects', { id: { a: 1 } }, { id: { a: 2 } }, false],
    ['another name, which is asked for by `sameUser`', { id: 1, name: 'a' }, { id: 1, name: 'b' }, false, { sameUser }],
    ['another id, which `sameUser` does not ask for', { id: 1, name: 'a' }, { id: 2, name: 'a' }, true, { sameUser }],
  ])('with %s', async (_name, before, after, isSame, options = {}) => {
    let user = before;
    let runs = 0;
    const { channels, port } = await serve(
      [(req, _res, next) => { runs += 1; Object.assign(req, { user }); next(); }], // prettier-ignore
      { revalidate: { everyMs: 20 }, ...options },
    );
    const client = await open(port, '/ws');
    user = after;
    const seen = runs;
    if (isSame) {
      await until(() => runs > seen + 2);
      expect(await client.act('whoami')).toMatchObject({ data: after });
    } else expect(await client.closed).toBe(4401);
    await channels.close();
  });
});
