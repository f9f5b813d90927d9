import express, { type Express, type RequestHandler } from 'express';
import session from 'express-session';
import { Passport } from 'passport';
import { Strategy } from 'passport-local';
import request from 'supertest';

export interface TestUser {
  readonly id: number;
  readonly name: string;
  role: string;
}

declare module 'express-session' {
  interface SessionData {
    visits?: number;
    note?: string;
  }
}

/** express-session's own store, which counts what it is asked, and fails when told to. */
export class CountingStore extends session.MemoryStore {
  reads = 0;
  failing: 'get' | 'set' | undefined;
  /** What it says of a session that it does not hold, if it is not just silent. */
  absence: Error | undefined;

  override get(...[id, done]: Parameters<session.MemoryStore['get']>): void {
    this.reads += 1;
    if (this.failing === 'get') done(new Error('canary: the store is away'));
    else
      super.get(id, (error: unknown, data) => {
        if (error === null && data === undefined && this.absence !== undefined) done(this.absence);
        else done(error, data);
      });
  }

  override set(...[id, data, done]: Parameters<session.MemoryStore['set']>): void {
    if (this.failing === 'set') done?.(new Error('canary: the store is away'));
    else super.set(id, data, done);
  }

  /** The sessions that it holds. */
  ids(): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      this.all((error: unknown, sessions) => {
        if (error) reject(error);
        else resolve(Object.keys(sessions ?? {}));
      });
    });
  }
}

export interface LoginApp<Store extends session.Store = CountingStore> {
  readonly app: Express;
  /** For `channels.use`: what the app itself uses. */
  readonly middleware: readonly RequestHandler[];
  readonly store: Store;
  /** Who may log in, by name; the password is the name as well. */
  readonly users: Map<string, TestUser>;
}

type SessionOptions = Partial<Omit<session.SessionOptions, 'store'>>;
export type LoginAppOptions = SessionOptions & { readonly store?: CountingStore };

/** An ordinary application with a login: express-session and passport-local, shared by HTTP and sockets. */
export function createLoginApp({ store = new CountingStore(), ...options }: LoginAppOptions = {}): LoginApp {
  return createLoginAppOn(store, options);
}

/** The same with a store of another kind. */
export function createLoginAppOn<Store extends session.Store>(store: Store, options: SessionOptions = {}): LoginApp<Store> {
  const users = new Map<string, TestUser>([
    ['alice', { id: 1, name: 'alice', role: 'nurse' }],
    ['bob', { id: 2, name: 'bob', role: 'doctor' }],
  ]);
  const passport = new Passport();
  passport.use(
    new Strategy((name, password, done) => {
      const user = users.get(name);
      done(null, user !== undefined && password === name ? { ...user } : false);
    }),
  );
  passport.serializeUser((user, done) => {
    done(null, (user as TestUser).name);
  });
  passport.deserializeUser((name: string, done) => {
    const user = users.get(name);
    done(null, user === undefined ? false : { ...user });
  });
  const remembers = session({ secret: 'test', resave: false, saveUninitialized: false, store, ...options });
  const middleware: RequestHandler[] = [remembers, passport.initialize() as RequestHandler, passport.session() as RequestHandler];
  const app = express();
  app.use(...middleware);
  app.post('/login', express.json(), passport.authenticate('local') as RequestHandler, (req, res) => {
    res.json(req.user);
  });
  app.post('/logout', (req, res, next) => {
    req.logout((error: unknown) => {
      if (error) next(error);
      else res.sendStatus(204);
    });
  });
  app.post('/destroy', (req, res) => {
    req.session.destroy(() => res.sendStatus(204));
  });
  app.post('/regenerate', (req, res) => {
    req.session.regenerate(() => res.sendStatus(204));
  });
  app.get('/session', (req, res) => {
    res.json({ user: req.user ?? null, visits: req.session.visits ?? 0 });
  });
  app.post('/visit', (req, res) => {
    req.session.visits = (req.session.visits ?? 0) + 1;
    res.json(req.session.visits);
  });
  return { app, middleware, store, users };
}

/** The cookie of a response, as a browser would send it back. */
export function cookieOf(headers: Readonly<Record<string, unknown>>): string {
  const [first = ''] = [headers['set-cookie']].flat() as (string | undefined)[];
  return first.split(';')[0] ?? '';
}

/** Logs in over HTTP and returns the session's cookie. */
export async function logIn(port: number, name: string, cookie = ''): Promise<string> {
  const answer = await request(`http://127.0.0.1:${port}`)
    .post('/login')
    .set('Cookie', cookie)
    .send({ username: name, password: name })
    .expect(200);
  return cookieOf(answer.headers);
}

/** A request over HTTP with a session's cookie. */
export function http(port: number, method: 'get' | 'post', path: string, cookie = ''): request.Test {
  return request(`http://127.0.0.1:${port}`)[method](path).set('Cookie', cookie);
}
