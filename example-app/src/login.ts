import { randomBytes } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import session, { type Store } from 'express-session';
import authenticator, { type Authenticator } from 'passport';
import { Strategy as LocalStrategy } from 'passport-local';
import { notAuthenticated } from './errors.js';
import { User } from './models.js';
import { verifyPassword } from './password.js';

/** Passport's types leave open what its middleware is. */
export const passport: Pick<
  Authenticator<RequestHandler, RequestHandler>,
  'authenticate' | 'initialize' | 'session'
> = authenticator;

authenticator.use(
  new LocalStrategy((username, password, done) => {
    authenticate(username, password).then((user) => {
      done(null, user);
    }, done);
  }),
);

async function authenticate(username: string, password: string): Promise<User | false> {
  const user = await User.findOne({ where: { username } });
  const matches = await verifyPassword(password, user?.password_hash ?? null);
  return matches && user !== null ? user : false;
}

authenticator.serializeUser((user, done) => {
  done(null, user instanceof User ? user.id : undefined);
});
authenticator.deserializeUser((id: number, done) => {
  User.findByPk(id).then((user) => {
    done(null, user);
  }, done);
});

/** Sessions and who is logged in: for every request, and for every socket. */
export function createLogin(
  store: Store = new session.MemoryStore(),
  secret = randomBytes(32).toString('hex'),
): RequestHandler[] {
  const sessions = session({
    store,
    secret,
    resave: false,
    saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: 'lax' },
  });
  return [sessions, passport.initialize(), passport.session()];
}

export function currentUser(request: Request): User {
  if (request.user instanceof User) return request.user;
  throw notAuthenticated();
}

export const requireLogin: RequestHandler = (request, _response, next) => {
  currentUser(request);
  next();
};
