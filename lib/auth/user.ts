import type { IncomingMessage } from 'node:http';

/** Where login middleware leaves the user: passport at `req.user`, express-jwt at `req.auth`. */
export const USER_PLACES = ['user', 'auth'] as const;

/** The user of a request, where the application does not say who it is. */
export function userOf(req: IncomingMessage): unknown {
  const places = USER_PLACES.map((name): unknown => Reflect.get(req, name));
  return places.find(isPresent);
}

/** Whether a login middleware has found somebody; passport leaves undefined, others null or false. */
export function isPresent(user: unknown): user is Express.User {
  return user !== undefined && user !== null && user !== false;
}
