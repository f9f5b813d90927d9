import express, { type RequestHandler, type Router } from 'express';
import { createChannels, viewAsConsumer } from 'express-channels';
import { connect } from 'express-channels/testing';

const isExpress4 = 'lazyrouter' in express();
const answer: RequestHandler = (req, res) => void res.json({ url: req.originalUrl, params: req.params });

async function ask(router: Router, route: `GET /${string}`, parameters: Readonly<Record<string, unknown>> = {}) {
  const channels = createChannels().route('/ws', viewAsConsumer(router, { read: route }));
  const client = await connect(channels, '/ws');
  const reply = await client.request({ action: 'read', parameters });
  await channels.close();
  return reply;
}

test.each([
  ['an application without routes', express(), 'It has no routes yet'],
  ['a router without routes', express.Router(), 'It has no routes yet'],
])('%s is told from one whose routes are others', (_name, handler, message) => {
  expect(() => viewAsConsumer(handler, { read: 'GET /things' })).toThrow(message);
});

test('a handler with a stack of its own, which is no router, is run as any handler', async () => {
  const handler = Object.assign(answer, { stack: ['plates'] });
  const channels = createChannels().route('/ws', viewAsConsumer(handler, { read: 'GET /things' }));
  const client = await connect(channels, '/ws');
  expect(await client.request({ action: 'read' })).toMatchObject({ data: { url: '/things' } });
  await channels.close();
});

test.each(isExpress4 ? ['*', '/*'] : ['/*any', '/{*any}', '{/*any}'])(
  'middleware mounted under %s runs before the routes after it, and leads nowhere else',
  async (everything) => {
    const ran: string[] = [];
    const router = express.Router();
    router.use(everything, (req, _res, next) => {
      ran.push(req.originalUrl);
      next();
    });
    router.get('/things/:id', answer);
    expect(await ask(router, 'GET /things/:id', { id: 7 })).toMatchObject({ data: { url: '/things/7' } });
    expect(ran).toEqual(['/things/7']);
  },
);

test.each(isExpress4 ? ['/:id(\\d+)', /^\/(\d+)/] : [/^\/(\d+)/])(
  'a router mounted under %s, a pattern, is reached by the values that the pattern takes alone',
  async (mount) => {
    const router = express.Router().use(mount, express.Router().get('/things', answer));
    expect(await ask(router, 'GET /:id/things', { id: 7 })).toMatchObject({ data: { url: '/7/things' } });
    expect(await ask(router, 'GET /:id/things', { id: 'seven' })).toMatchObject({ response_status: 404 });
  },
);

test.each(['utf8', 'utf-8', 'hex', 'base64'] as const)(
  'an answer whose text was written as %s arrives as the client of an HTTP server would read it',
  async (encoding) => {
    const json = Buffer.from('{"name":"Zoë"}').toString(encoding);
    const router = express.Router().get('/', (_req, res) => void res.type('json').end(json, encoding));
    expect(await ask(router, 'GET /')).toMatchObject({ data: { name: 'Zoë' } });
  },
);
