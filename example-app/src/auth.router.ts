import { Router, type RequestHandler } from 'express';
import { answerErrors, authenticationFailed } from './errors.js';
import { currentUser, passport } from './login.js';
import { User } from './models.js';
import { leads, wardsOf } from './roles.js';
import { text, validate } from './validation.js';

const credentials = { username: text({ max: 150 }), password: text({ max: 1024 }) };

/** What users are told about themselves: which patients they see, and whether they admit, move and dismiss. */
const account = (user: User) => ({ ...user.serialize(), role: user.role, wards: wardsOf(user), leads: leads(user) });

const logIn: RequestHandler = (request, response, next) => {
  validate(credentials, request.body);
  const answer = (error: unknown, user?: Express.User | false | null) => {
    if (error || !(user instanceof User)) {
      next(error ?? authenticationFailed());
      return;
    }
    request.login(user, (failure: unknown) => {
      if (failure) next(failure);
      else response.json(account(user));
    });
  };
  void passport.authenticate('local', answer)(request, response, next);
};

export const authRouter = Router();

authRouter.post('/login', logIn);

authRouter.post('/logout', (request, response, next) => {
  request.logout((error: unknown) => {
    if (error) next(error);
    else response.sendStatus(204);
  });
});

authRouter.get('/me', (request, response) => {
  response.json(account(currentUser(request)));
});

authRouter.use(answerErrors);
