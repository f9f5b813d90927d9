import express, { type Application, type RequestHandler } from 'express';
import { type Consumer, type MappedActions, routeActions, viewAsConsumer, type ViewAsConsumerOptions } from 'express-channels';

const router = express.Router();
const app: Application = express();
const handler: RequestHandler<{ id: string }, { name: string }, { name?: string }, { page?: string }> = (req, res) => {
  res.json({ name: req.params.id + (req.body.name ?? req.query.page ?? '') });
};

// Whatever answers a request.
const consumer: Consumer = viewAsConsumer(router);
viewAsConsumer(app, { list: 'GET /users' });
viewAsConsumer(handler, { list: 'GET /' });
viewAsConsumer((_req, res) => res.end('plain'), { list: 'GET /' });
viewAsConsumer(async (_req, res) => Promise.resolve(res.end()), { list: 'GET /' });

// Methods, alone and with a path.
viewAsConsumer(router, {
  list: 'GET',
  create: 'POST',
  publish: 'POST /:id/publish',
  'odd name': 'DELETE /:id',
  head: 'HEAD /:id',
});
const computed: MappedActions = { ...routeActions(router), archive: 'POST /:id/archive' };
viewAsConsumer(router, computed, {
  timeoutMs: 1_000,
  maxResponseBytes: 1_000,
  exposeHeaders: ['x-total-count'],
  permissions: [],
});
viewAsConsumer(router, undefined, { timeoutMs: 1_000 } satisfies ViewAsConsumerOptions);
const mapping = { list: 'GET /', create: 'POST /' } as const;
viewAsConsumer(router, mapping);

// @ts-expect-error no such method
viewAsConsumer(router, { list: 'FETCH' });
// @ts-expect-error methods are in upper case
viewAsConsumer(router, { list: 'get' });
// @ts-expect-error no such method before a path
viewAsConsumer(router, { list: 'LIST /' });
// @ts-expect-error a path begins with a slash
viewAsConsumer(router, { list: 'GET users' });
// @ts-expect-error a path alone
viewAsConsumer(router, { list: '/users' });
// @ts-expect-error not a list of a method and a path
viewAsConsumer(router, { list: ['GET', '/'] });
// @ts-expect-error nothing that could answer
viewAsConsumer({}, { list: 'GET' });
// @ts-expect-error an option that there is not
viewAsConsumer(router, undefined, { timeout: 1_000 });

export { consumer };
