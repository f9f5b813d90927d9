import type { Request, RequestHandler } from 'express';
import {
  allowAny,
  and,
  type Consumer,
  defineConsumer,
  expressPermission,
  isAuthenticated,
  not,
  NotAuthenticated,
  or,
  type Permission,
  permission,
  PermissionDenied,
  reply,
  type Scope,
} from 'express-channels';

/** The consumers `ws/perm/*`, by the last part of their paths. */
export function permissionConsumers(): ReadonlyMap<string, Consumer> {
  const consumers = new Map(Object.entries(PERMISSIONS).map(([name, permissions]) => [name, guarded(permissions)]));
  return consumers.set('rest-method-probe', methodProbe());
}

const auth = isAuthenticated;
const alice = named('alice');
const bob = named('bob');
const refuse = permission({ connect: () => false });

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);
const restAuthenticated = passes((req) => req.user !== undefined);
const restAuthenticatedOrReadOnly = passes((req) => req.user !== undefined || SAFE_METHODS.has(req.method));

const PERMISSIONS: Readonly<Record<string, readonly Permission[]>> = {
  'allow-any': [allowAny],
  none: [],
  authenticated: [auth],
  'not-authenticated': [not(auth)],
  'not-alice': [not(alice)],
  'authenticated-and-alice': [and(auth, alice)],
  'alice-or-bob': [or(alice, bob)],
  'authenticated-and-not-bob': [and(auth, not(bob))],
  'three-and': [and(auth, alice, allowAny)],
  'or-and': [and(or(alice, bob), auth)],
  'not-or': [not(or(alice, bob))],
  'double-not': [not(not(alice))],
  'two-classes': [auth, alice],
  'refuse-connect': [refuse],
  'connect-authenticated': [permission({ connect: ({ scope }) => scope.user !== undefined })],
  'connect-raises-permission-denied': [permission({ connect: raise(() => new PermissionDenied()) })],
  'connect-raises-not-authenticated': [permission({ connect: raise(() => new NotAuthenticated()) })],
  'connect-raises-value-error': [permission({ connect: raise(() => new Error('oops')) })],
  'refuse-connect-or-allow': [or(refuse, allowAny)],
  'refuse-connect-and-allow': [and(refuse, allowAny)],
  'not-refuse-connect': [not(refuse)],
  'deny-secret': [permission(({ action }) => action !== 'secret')],
  'deny-by-kwarg': [permission(({ args }) => args['token'] === 'let-me-in')],
  'sync-allow': [permission({ connect: () => true, action: () => true })],
  'default-base': [permission(() => undefined)],
  'raise-not-authenticated': [permission(raise(() => new NotAuthenticated()))],
  'raise-value-error': [permission(raise(() => new Error('oops')))],
  'rest-authenticated': [restAuthenticated],
  'rest-authenticated-or-read-only': [restAuthenticatedOrReadOnly],
  'rest-composed': [or(restAuthenticated, restAuthenticatedOrReadOnly)],
  'rest-not-authenticated': [not(restAuthenticated)],
  'mixed-and': [and(allowAny, restAuthenticated)],
};

/** A consumer of the four actions behind permissions. */
export function guarded(permissions: readonly Permission[]): Consumer {
  return defineConsumer({
    permissions,
    actions: {
      echo: (_ctx, args) => reply(args),
      list: () => reply([]),
      create: () => reply({}, 201),
      secret: () => reply('secret'),
    },
  });
}

/** The consumer that refuses every handshake. */
export const refused = guarded([refuse]);

function methodProbe(): Consumer {
  const methods = new WeakMap<Scope, string>();
  const noting: Permission = {
    connect: () => true,
    action: (request) =>
      passes(({ method }) => {
        methods.set(request.scope, method);
        return true;
      }).action(request),
  };
  const names = ['create', 'update', 'patch', 'delete', 'list', 'retrieve'];
  return defineConsumer({
    permissions: [noting],
    actions: Object.fromEntries(names.map((name) => [name, ({ scope }: { scope: Scope }) => reply(methods.get(scope))])),
  });
}

function named(username: string): Permission {
  return permission(({ scope }) => Reflect.get(Object(scope.user), 'username') === username);
}

function passes(test: (req: Request) => boolean): Permission {
  const middleware: RequestHandler = (req, res, next) => {
    if (test(req)) next();
    else res.sendStatus(403);
  };
  return expressPermission(middleware);
}

function raise(error: () => Error): () => never {
  return () => {
    throw error();
  };
}
