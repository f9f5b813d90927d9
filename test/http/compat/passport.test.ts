import express, { type RequestHandler } from 'express';
import session from 'express-session';
import { Authenticator } from 'passport';
import { Strategy as LocalStrategy } from 'passport-local';

import { agree, form, maskCookies } from './sequence.js';

/** passport's types do not say that it makes middleware. */
function middleware(made: unknown): RequestHandler {
  if (typeof made !== 'function') throw new TypeError('That is no middleware.');
  return (req, res, next) => {
    Reflect.apply(made, undefined, [req, res, next]);
  };
}

test('passport logs in, remembers by the session, and logs out', async () => {
  const build = () => {
    const passport = new Authenticator();
    passport.use(
      new LocalStrategy((username, password, done) => {
        done(null, password === 'right' ? { username } : false);
      }),
    );
    passport.serializeUser((user, done) => {
      done(null, 'username' in user ? user.username : '');
    });
    passport.deserializeUser((username: string, done) => {
      done(null, { username });
    });
    const app = express();
    app.use(express.urlencoded({ extended: false }));
    app.use(
      session({ secret: 'secret', resave: false, saveUninitialized: false }),
      passport.initialize(),
      middleware(passport.session()),
    );
    app.post('/login', middleware(passport.authenticate('local', { successRedirect: '/me', failureRedirect: '/denied' })));
    app.post('/token', middleware(passport.authenticate('local', { session: false })), (req, res) => {
      res.json({ user: req.user });
    });
    app.get('/me', (req, res) => {
      res.json({ user: req.user ?? null, authenticated: req.isAuthenticated() });
    });
    app.get('/logout', (req, res, next) => {
      req.logout((error) => {
        if (error) next(error);
        else res.redirect('/me');
      });
    });
    return app;
  };
  const answers = await agree(
    build,
    [
      { url: '/me' },
      form('/login', { username: 'tobi', password: 'wrong' }),
      form('/login', { username: 'tobi' }),
      form('/login', { username: 'tobi', password: 'right' }),
      { url: '/me' },
      { url: '/logout' },
      { url: '/me' },
      form('/token', { username: 'tobi', password: 'wrong' }),
      form('/token', { username: 'tobi', password: 'right' }),
    ],
    maskCookies,
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 302, 302, 302, 200, 302, 200, 401, 200]);
  expect(answers[4]?.body).toBe('{"user":{"username":"tobi"},"authenticated":true}');
  expect(answers[6]?.body).toBe('{"user":null,"authenticated":false}');
});
