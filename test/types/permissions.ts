import express from 'express';
import {
  allowAny,
  and,
  expressPermission,
  isAuthenticated,
  NotAuthenticated,
  not,
  or,
  type Permission,
  permission,
  PermissionDenied,
  type Scope,
  viewAsConsumer,
} from 'express-channels';

declare global {
  namespace Express {
    interface User {
      id: number;
      role: string;
    }
  }
}

// The application's own user, declared once for HTTP and sockets.
const isNurse: Permission = permission(({ scope }) => scope.user?.role === 'nurse');
permission(async ({ scope }) => Promise.resolve(scope.user?.id === 1));
permission(({ scope, action, args }) => action === 'list' || String(scope.user?.id) === args['user']);
permission({ connect: ({ scope }) => scope.user !== undefined });
permission({ action: () => true, connect: async () => Promise.resolve(false) });
permission(({ scope }) => {
  if (scope.user === undefined) throw new NotAuthenticated();
  if (scope.user.role !== 'nurse') throw new PermissionDenied({ role: 'nurse' });
  return true;
});
permission(() => undefined);
// @ts-expect-error a verdict is a boolean, so that an object can't pass for one
permission(({ scope }) => scope.user);
// @ts-expect-error a property that the user does not have
permission(({ scope }) => scope.user?.rank === 'nurse');
// @ts-expect-error there may be no user
permission(({ scope }) => scope.user.role === 'nurse');
// @ts-expect-error at connect there is no action yet
permission({ connect: ({ action }) => action === 'list' });

// An Express middleware, with the types of Express.
expressPermission((req: express.Request, res: express.Response, next: express.NextFunction) => {
  if (req.user?.role === 'nurse') next();
  else res.sendStatus(403);
});
expressPermission((_req, res, next) => {
  res.setHeader('x-asked', '1');
  next();
});

const permissions = [and(isAuthenticated, or(isNurse, not(allowAny)))];
viewAsConsumer(express.Router(), undefined, { permissions });
// @ts-expect-error a list of permissions
viewAsConsumer(express.Router(), undefined, { permissions: isNurse });

export function read(scope: Scope): readonly (string | undefined)[] {
  const query: string | readonly string[] | undefined = scope.query['page'];
  return [
    scope.path,
    scope.params['team'],
    String(query),
    scope.headers.cookie,
    scope.remoteAddress,
    scope.user?.role,
    scope.request.url,
  ];
}

export function change(scope: Scope): void {
  // @ts-expect-error a scope is read, not written
  scope.user = undefined;
  // @ts-expect-error nor are its parts
  scope.params['team'] = 'x';
}
