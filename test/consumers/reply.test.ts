import { gzipSync } from 'node:zlib';

import express, { type Express, type RequestHandler } from 'express';
import { ActionError, ValidationError } from 'express-channels';
import createError from 'http-errors';

import { rawReply } from './raw-reply.js';
import { isExpress4, viewClient, type ViewClientOptions } from './view-client.js';

const BYTES = Buffer.from([0x00, 0xff, 0xfe]);

function route(handler: RequestHandler): express.Router {
  return express.Router().get('/', handler);
}

async function reply(handler: RequestHandler, options: ViewClientOptions = {}): Promise<Record<string, unknown>> {
  return JSON.parse(await rawReply(route(handler), options)) as Record<string, unknown>;
}

function envelope(data: unknown, more: object = {}): object {
  return { errors: [], data, action: 'run', response_status: 200, request_id: 1, ...more };
}

function configured(configure: (app: Express) => unknown): ViewClientOptions {
  const app = express();
  configure(app);
  return { app };
}

describe('JSON is embedded as the handler printed it, byte for byte', () => {
  const texts = [
    '{"a":1.0,"b":1e2,"c":-0,"d":1.50}',
    '12345678901234567890',
    '{"b":1,"a":2,"1":3}',
    '{"a":1,"a":2}',
    '{ "a" : [ 1,\n  2 ] }',
    '  [1]\n',
    '"\\u003cé\\u00e9\\/"',
    '{"__proto__":{"x":1},"constructor":null}',
    '"\u2028"',
    'true',
  ];
  const senders: [name: string, send: (res: express.Response, text: string) => unknown][] = [
    ['res.send', (res, text) => res.type('json').send(text)],
    ['res.send with bytes', (res, text) => res.type('json').send(Buffer.from(text))],
    ['res.end', (res, text) => res.setHeader('Content-Type', 'application/json').end(text)],
    ['res.writeHead', (res, text) => res.writeHead(200, { 'content-type': 'application/json' }).end(text)],
    ['a +json type', (res, text) => res.type('application/vnd.api+json').send(text)],
    ['pieces', (res, text) => { res.type('json'); for (const byte of Buffer.from(text)) res.write(Buffer.from([byte])); res.end(); }],
  ]; // prettier-ignore
  test.each(senders)('by %s', async (_name, send) => {
    for (const text of texts) {
      expect(await rawReply(route((_req, res) => void send(res, text)))).toBe(
        `{"errors":[],"data":${text},"action":"run","response_status":200,"request_id":1}`,
      );
    }
  });

  test('by res.json with the settings of the application', async () => {
    const options = configured((app) => app.set('json spaces', 2).set('json escape', true).set('json replacer', (key: string, value: unknown) => (key === 'secret' ? undefined : value))); // prettier-ignore
    const text = await rawReply(
      route((_req, res) => res.json({ a: '<b>', secret: 1 })),
      options,
    );
    expect(text).toContain('"data":{\n  "a": "\\u003cb\\u003e"\n},"action"');
  });

  test('by res.json on a whole application with settings of its own', async () => {
    const app = express().set('json spaces', 1).get('/', (_req, res) => void res.json([1])); // prettier-ignore
    expect(await rawReply(app)).toContain('"data":[\n 1\n],"action"');
  });

  test('in errors too', async () => {
    expect(await rawReply(route((_req, res) => res.status(400).type('json').send('{"a": 1.0}')))).toBe(
      '{"errors":[{"a": 1.0}],"data":{"a": 1.0},"action":"run","response_status":400,"request_id":1}',
    );
  });
});

describe('what says JSON and is none is a text', () => {
  const prefixed = configured((app) => {
    Object.assign(app.response, {
      json(this: express.Response, body: unknown) {
        return this.type('json').send(`)]}',\n${JSON.stringify(body)}`);
      },
    });
  });
  const wrapped: RequestHandler = (_req, res) => {
    const send = res.send.bind(res);
    res.send = (body: unknown) => send(typeof body === 'string' ? `)]}',\n${body}` : body);
    res.json({ a: 1 });
  };
  const table: [name: string, handler: RequestHandler, data: string, options?: ViewClientOptions][] = [
    ['half an object', (_req, res) => res.type('json').send('{"a":'), '{"a":'],
    ['an attempt to close the envelope', (_req, res) => res.type('json').send('1,"response_status":200,"x":{}'), '1,"response_status":200,"x":{}'],
    ['NaN', (_req, res) => res.type('json').send('NaN'), 'NaN'],
    ['two values', (_req, res) => res.type('json').send('{}{}'), '{}{}'],
    ['a byte order mark', (_req, res) => res.type('json').send('\ufeff{}'), '\ufeff{}'],
    ['pieces', (_req, res) => { res.type('json').write('{"a":'); res.end(); }, '{"a":'],
    ['white space', (_req, res) => res.type('json').send(' '), ' '],
    ['what an application prints instead', (_req, res) => res.json({ a: 1 }), `)]}',\n{"a":1}`, prefixed],
    ['what a middleware makes of it', wrapped, `)]}',\n{"a":1}`],
  ]; // prettier-ignore
  test.each(table.map(([name, handler, data, options = {}]) => [name, handler, data, options] as const))(
    '%s',
    async (_name, handler, data, options) => {
      expect(await reply(handler, options)).toEqual(envelope(data));
    },
  );
});

describe('a body becomes data', () => {
  const table: [name: string, handler: RequestHandler, expected: object][] = [
    ['res.json', (_req, res) => res.json({ a: [1, null, 'é☃😀'] }), envelope({ a: [1, null, 'é☃😀'] })],
    ['res.json of null', (_req, res) => res.json(null), envelope(null)],
    ['res.json of nothing', (_req, res) => res.json(undefined), envelope(null)],
    ['res.json with a type of its own', (_req, res) => res.type('application/problem+json').json({ a: 1 }), envelope({ a: 1 })],
    ['res.json with a type that is none of JSON', (_req, res) => res.type('text/plain').json({ a: 1 }), envelope('{"a":1}')],
    ['res.send of an object', (_req, res) => res.send({ a: 1 }), envelope({ a: 1 })],
    ['res.jsonp without a callback', (_req, res) => res.jsonp({ a: 1 }), envelope({ a: 1 })],
    ['res.send of a text', (_req, res) => res.send('<p>é'), envelope('<p>é')],
    ['a text without a type', (_req, res) => void res.end('plain'), envelope('plain')],
    ['res.sendStatus', (_req, res) => res.sendStatus(200), envelope('OK')],
    ['an empty text', (_req, res) => res.send(''), envelope(null)],
    ['no body', (_req, res) => void res.end(), envelope(null)],
    ['204', (_req, res) => res.status(204).json({ never: 'sent' }), envelope(null, { response_status: 204 })],
    ['205', (_req, res) => res.status(205).send('never sent'), envelope(null, { response_status: 205 })],
    ['201', (_req, res) => res.status(201).location('/1').json({ id: 1 }), envelope({ id: 1 }, { response_status: 201 })],
    ['an unusual status', (_req, res) => res.status(299).json(1), envelope(1, { response_status: 299 })],
    ['a status that is changed too late', (_req, res) => { res.json(1); res.statusCode = 500; }, envelope(1)],
    ['latin1', (_req, res) => res.set('Content-Type', 'text/plain; charset=ISO-8859-1').send(Buffer.from('é', 'latin1')), envelope('é')],
    ['UTF-16', (_req, res) => res.set('Content-Type', 'text/plain; charset="utf-16le"').send(Buffer.from('é☃', 'utf16le')), envelope('é☃')],
    ['JSON in latin1', (_req, res) => res.set('Content-Type', 'application/json; charset=latin1').send(Buffer.from('{"a":"é"}', 'latin1')), envelope({ a: 'é' })],
    ['a charset that nobody knows', (_req, res) => res.set('Content-Type', 'text/plain; charset=nope').send(BYTES), envelope('AP/+', { encoding: 'base64' })],
    ['bytes that are no UTF-8', (_req, res) => res.set('Content-Type', 'text/plain').send(BYTES), envelope('AP/+', { encoding: 'base64' })],
    ['JSON that is no UTF-8', (_req, res) => res.set('Content-Type', 'application/json').send(BYTES), envelope('AP/+', { encoding: 'base64' })],
    ['bytes', (_req, res) => res.send(BYTES), envelope('AP/+', { encoding: 'base64' })],
    ['an image', (_req, res) => res.type('png').send(BYTES), envelope('AP/+', { encoding: 'base64' })],
    ['bytes that could be text', (_req, res) => res.type('application/octet-stream').send(Buffer.from('abc')), envelope('YWJj', { encoding: 'base64' })],
    ['an SVG', (_req, res) => res.type('svg').send(Buffer.from('<svg/>')), envelope('<svg/>')],
    ['XML', (_req, res) => res.type('application/atom+xml').send(Buffer.from('<a/>')), envelope('<a/>')],
    ['NDJSON', (_req, res) => res.type('application/x-ndjson').send(Buffer.from('1\n2\n')), envelope('1\n2\n')],
    ['any type with a charset', (_req, res) => res.set('Content-Type', 'application/sql; charset=utf-8').send(Buffer.from('select 1')), envelope('select 1')],
    ['a content that is encoded already', (_req, res) => res.type('json').set('Content-Encoding', 'gzip').send(gzipSync('{"a":1}')), envelope(gzipSync('{"a":1}').toString('base64'), { encoding: 'base64' })],
    ['characters cut by pieces', (_req, res) => { res.type('text/plain'); for (const byte of Buffer.from('é☃😀')) res.write(Buffer.from([byte])); res.end(); }, envelope('é☃😀')],
    ['half a character of JavaScript', (_req, res) => res.json({ a: '\ud800' }), envelope({ a: '\ud800' })],
  ]; // prettier-ignore
  test.each(table)('%s', async (_name, handler, expected) => {
    expect(await reply(handler)).toEqual(expected);
  });

  test('res.jsonp with a callback is JavaScript', async () => {
    const app = express().get('/', (req, res) => {
      req.url = '/?callback=f';
      Object.defineProperty(req, 'query', { value: { callback: 'f' } });
      res.jsonp({ a: 1 });
    });
    expect((await reply(app))['data']).toBe(`/**/ typeof f === 'function' && f({"a":1});`);
  });

  test('of HEAD there is none', async () => {
    const router = express.Router().get('/', (_req, res) => void res.status(200).json({ a: 1 }));
    router.head('/bad', (_req, res) => void res.status(404).json({ a: 1 }));
    const client = await viewClient(router, { head: 'HEAD /', bad: 'HEAD /bad' });
    expect(await client.request({ action: 'head' })).toMatchObject({ errors: [], data: null, response_status: 200 });
    expect(await client.request({ action: 'bad' })).toMatchObject({ errors: ['Not Found'], data: null, response_status: 404 });
  });
});

describe('a middleware that rewrites the body has the last word', () => {
  const table: [name: string, handler: RequestHandler, data: unknown][] = [
    ['by res.json', (_req, res) => { const json = res.json.bind(res); res.json = (body: unknown) => json({ wrapped: body }); res.json([1]); }, { wrapped: [1] }],
    ['by res.send', (_req, res) => { const send = res.send.bind(res); res.send = (body: unknown) => send(`[${String(body)}]`); res.json([1]); }, [[1]]],
    ['by res.end', (_req, res) => { const end = res.end.bind(res); Object.assign(res, { end: () => { res.removeHeader('Content-Length'); return end('{"other":true}'); } }); res.json([1]); }, { other: true }],
    ['by res.write', (_req, res) => { const end = res.end.bind(res); Object.assign(res, { end: (chunk: string) => { res.removeHeader('Content-Length'); res.write(' '); res.write(chunk); return end(); } }); res.json([1]); }, [1]],
    ['after an answer that was not sent', (_req, res) => { const send = res.send.bind(res); res.send = (body: unknown) => (body === '[1]' ? res : send(body)); res.json([1]); res.json([2]); }, [2]],
  ]; // prettier-ignore
  test.each(table)('%s', async (_name, handler, data) => {
    expect(await reply(handler)).toEqual(envelope(data));
  });
});

describe('from status 400 on, errors tell the body', () => {
  function failed(status: number, errors: unknown[], data: unknown): object {
    return envelope(data, { errors, response_status: status });
  }
  const table: [name: string, handler: RequestHandler, expected: object][] = [
    ['an object', (_req, res) => res.status(400).json({ name: ['no'] }), failed(400, [{ name: ['no'] }], { name: ['no'] })],
    ['a list', (_req, res) => res.status(422).json(['one', { two: 2 }]), failed(422, ['one', { two: 2 }], ['one', { two: 2 }])],
    ['a text', (_req, res) => res.status(400).type('text').send('bad'), failed(400, ['bad'], 'bad')],
    ['a text that looks like a list', (_req, res) => res.status(400).type('text').send('[1]'), failed(400, ['[1]'], '[1]')],
    ['a scalar', (_req, res) => res.status(400).json(5), failed(400, [5], 5)],
    ['nothing', (_req, res) => void res.status(403).end(), failed(403, ['Forbidden'], null)],
    ['nothing, with a status text', (_req, res) => { res.statusMessage = 'Keep out'; res.status(403).end(); }, failed(403, ['Keep out'], null)],
    ['null', (_req, res) => res.status(409).json(null), failed(409, ['Conflict'], null)],
    ['HTML', (_req, res) => res.status(500).send('<h1>Oops</h1>'), failed(500, ['<h1>Oops</h1>'], '<h1>Oops</h1>')],
    ['bytes', (_req, res) => res.status(400).send(BYTES), { ...failed(400, ['AP/+'], 'AP/+'), encoding: 'base64' }],
    ['res.sendStatus', (_req, res) => res.sendStatus(418), failed(418, ["I'm a Teapot"], "I'm a Teapot")],
    ['an unusual status', (_req, res) => res.status(599).json({ a: 1 }), failed(599, [{ a: 1 }], { a: 1 })],
  ]; // prettier-ignore
  test.each(table)('%s', async (_name, handler, expected) => {
    expect(await reply(handler)).toEqual(expected);
  });
});

describe('an error that nobody answers', () => {
  const secret = new Error('secret');
  const table: [name: string, error: unknown, status: number, errors: unknown[]][] = [
    ['is a neutral 500', secret, 500, ['A server error occurred.']],
    ['is told if it says expose', createError(418, 'teapot'), 418, ['teapot']],
    ['is told by its status alone if it does not', createError(503, 'secret'), 503, ['Service Unavailable']],
    ['is told by its status alone', Object.assign(new Error('secret'), { status: 404 }), 404, ['Not Found']],
    ['is told by its statusCode alone', Object.assign(new Error('secret'), { statusCode: 409 }), 409, ['Conflict']],
    ['is told with statusCode', Object.assign(new Error('gone'), { statusCode: 410, expose: true }), 410, ['gone']],
    ['is told as an ActionError', new ValidationError({ name: ['no'] }), 400, [{ name: ['no'] }]],
    ['is told with the status of an ActionError', new ActionError('teapot', { status: 418 }), 418, ['teapot']],
    ['may be no Error', 'secret', 500, ['A server error occurred.']],
  ];
  test.each(table)('%s', async (_name, error, status, errors) => {
    const expected = envelope(null, { errors, response_status: status });
    const throwing: RequestHandler = () => {
      throw error;
    };
    const passing: RequestHandler = (_req, _res, next) => {
      next(error);
    };
    expect(await reply(throwing)).toEqual(expected);
    expect(await reply(passing)).toEqual(expected);
  });

  test('never shows its text or stack', async () => {
    for (const failing of [createError(503, 'secret'), secret, new Error('secret', { cause: secret })]) {
      const text = await rawReply(route((_req, _res, next) => next(failing)));
      expect(text).not.toMatch(/secret|at .*\.ts/);
    }
  });

  test('may be falsy: the router falls through, as over HTTP', async () => {
    expect(await reply((_req, _res, next) => next(null))).toEqual(
      envelope(null, { errors: ['Not found.'], response_status: 404 }),
    );
  });

  test('of a rejection is told as if it was thrown, where Express looks at promises', async () => {
    const rejection = Promise.reject(createError(418, 'teapot'));
    // Express 4 does not look at it: over HTTP, too, nobody is answered, and Node ends a process that does not handle it.
    rejection.catch(() => undefined);
    const answered = await reply(() => rejection, { timeoutMs: 50 });
    if (isExpress4) expect(answered).toMatchObject({ data: null, response_status: 504 });
    else expect(answered).toEqual(envelope(null, { errors: ['teapot'], response_status: 418 }));
  });
});

describe('headers', () => {
  test('are not told', async () => {
    const answered = await reply((_req, res) => res.set('X-Thing', 'x').cookie('a', 'b').location('/x').json(1));
    expect(answered).toEqual(envelope(1));
  });

  test('of a redirect are its location', async () => {
    expect(await reply((_req, res) => { res.redirect('/a b?c=é'); })).toMatchObject({ response_status: 302, errors: [], headers: { location: '/a%20b?c=%C3%A9' } }); // prettier-ignore
    expect(await reply((_req, res) => { res.redirect(308, 'https://example.com/'); })).toMatchObject({ response_status: 308, headers: { location: 'https://example.com/' } }); // prettier-ignore
    expect(await reply((_req, res) => void res.writeHead(303, { Location: '/x' }).end(), configured((app) => app.disable('x-powered-by')))).toEqual(envelope(null, { response_status: 303, headers: { location: '/x' } })); // prettier-ignore
  });

  test('of 304 are none', async () => {
    expect(await reply((_req, res) => void res.status(304).end())).toEqual(envelope(null, { response_status: 304 }));
  });

  test('are told if they are exposed, and there', async () => {
    const exposeHeaders = ['X-Total', 'link', 'Set-Cookie', 'X-Absent', 'Location'];
    const handler: RequestHandler = (_req, res) => {
      res.setHeader('x-total', 5).links({ next: '/2' }).cookie('a', 'b').cookie('c', 'd');
      res.json([]);
    };
    expect(await reply(handler, { exposeHeaders })).toEqual(
      envelope([], { headers: { 'x-total': '5', link: '</2>; rel="next"', 'set-cookie': ['a=b; Path=/', 'c=d; Path=/'] } }),
    );
    expect(await reply((_req, res) => res.status(400).set('X-Total', '0').json({ a: 1 }), { exposeHeaders })).toEqual(
      envelope({ a: 1 }, { errors: [{ a: 1 }], response_status: 400, headers: { 'x-total': '0' } }),
    );
    expect(await reply((_req, res) => void res.status(400).set('X-Total', '0').end(), { exposeHeaders })).toEqual(
      envelope(null, { errors: ['Bad Request'], response_status: 400, headers: { 'x-total': '0' } }),
    );
  });
});

describe('limits', () => {
  test('no answer in time is 504', async () => {
    expect(await reply(() => undefined, { timeoutMs: 20 })).toEqual(
      envelope(null, { errors: ['No answer within 20 ms.'], response_status: 504 }),
    );
  });

  test('an answer above the size is 500', async () => {
    expect(await reply((_req, res) => res.send('x'.repeat(1_001)), { maxResponseBytes: 1_000 })).toEqual(
      envelope(null, { errors: ['The response is too large.'], response_status: 500 }),
    );
    expect(await reply((_req, res) => res.send('x'.repeat(1_000)), { maxResponseBytes: 1_000 })).toEqual(
      envelope('x'.repeat(1_000)),
    );
  });

  test('a destroyed socket is 500', async () => {
    expect(await reply((req) => void req.socket.destroy())).toMatchObject({ data: null, response_status: 500 });
  });
});
