import { fileURLToPath } from 'node:url';
import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { authRouter } from './auth.router.js';
import { answerErrors, answerNotFound } from './errors.js';
import { patientsRouter } from './patients.router.js';
import { usersRouter } from './users.router.js';

const pages = fileURLToPath(new URL('../public', import.meta.url));

/** The REST API and the pages, without a port. */
export function createApp(login: RequestHandler[]): Express {
  const app = express();
  // The pages are served without TLS when they are tried at home.
  app.use(helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } }));
  app.use(express.static(pages, { extensions: ['html'] }));
  // JSON that is no object is valid JSON: the routers say what they expect instead.
  app.use(express.json({ strict: false }));
  app.use(...login);
  app.use('/api/auth', authRouter);
  app.use('/api/users', usersRouter);
  app.use('/api/patients', patientsRouter);
  app.use('/api', answerNotFound);
  app.use(answerUnknownPage, answerErrors);
  return app;
}

/** A browser is shown a page; whoever has not asked for HTML gets JSON, as from the API. */
const answerUnknownPage: RequestHandler = (request, response, next) => {
  if (request.accepts(['json', 'html']) === 'html') response.status(404).sendFile('404.html', { root: pages });
  else answerNotFound(request, response, next);
};
