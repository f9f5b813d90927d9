import express, { type Request, type RequestHandler, type Response } from 'express';

import type { DispatchRequest } from '../../../lib/http/dispatch.js';
import { parity, row } from './parity.js';

type Answer = (res: Response, req: Request) => unknown;
type Entry = Answer | readonly [Answer, Partial<DispatchRequest>, number?];

const circular: Record<string, unknown> = {};
circular['self'] = circular;

/** One route per entry, asked with GET unless the entry says otherwise. */
function table(
  title: string,
  entries: Readonly<Record<string, Entry>>,
  configure: (app: express.Application) => void = () => undefined,
): void {
  const rows = Object.entries(entries).map(([name, entry], index) => {
    const [answer, request = {}, status = 200] = typeof entry === 'function' ? [entry] : entry;
    const path = `/${String(index)}`;
    return { path, answer, row: row(name, { ...request, url: path + (request.url ?? '') }, status) };
  });
  parity(
    title,
    () => {
      const app = express();
      app.set('env', 'production');
      configure(app);
      for (const { path, answer } of rows) {
        const handler: RequestHandler = (req, res) => {
          answer(res, req);
        };
        app.all(path, handler);
      }
      return app;
    },
    rows.map((each) => each.row),
  );
}

/** Calls a method with arguments that its types do not know. */
function loosely(res: Response, method: 'set' | 'vary' | 'cookie', ...args: unknown[]): Response {
  const call: unknown = Reflect.get(res, method);
  if (typeof call === 'function') Reflect.apply(call, res, args);
  return res;
}

beforeAll(() => {
  // Cookies carry times: both answers are to be given at the same one.
  jest.useFakeTimers({
    now: new Date('2026-03-04T05:06:07Z'),
    doNotFake: [
      'nextTick',
      'setImmediate',
      'setTimeout',
      'clearTimeout',
      'setInterval',
      'clearInterval',
      'clearImmediate',
      'queueMicrotask',
      'performance',
      'hrtime',
    ],
  });
});
afterAll(() => {
  jest.useRealTimers();
});

table('res.json', {
  'an object': (res) => res.json({ a: 1, b: 'ü☃' }),
  'a list': (res) => res.json([1, 'a', null]),
  null: (res) => res.json(null),
  'a number': (res) => res.json(300),
  text: (res) => res.json('str'),
  true: (res) => res.json(true),
  undefined: (res) => res.json(undefined),
  'with a status': [(res) => res.status(201).json({ id: 1 }), {}, 201],
  'a content type of its own': (res) => res.type('application/vnd.example+json').json({ a: 1 }),
  'a content type set with a charset': (res) => res.set('Content-Type', 'application/json; charset=iso-8859-1').json({ a: 'ü' }),
  'something that cannot be JSON': [(res) => res.json(circular), {}, 500],
  'a BigInt': [(res) => res.json({ n: 1n }), {}, 500],
  toJSON: (res) => res.json({ at: new Date(0), toJSON: undefined }),
  HEAD: [(res) => res.json({ a: 1 }), { method: 'HEAD' }],
  'at 204': [(res) => res.status(204).json({ a: 1 }), {}, 204],
  'at 304': [(res) => res.status(304).json({ a: 1 }), {}, 304],
  'that the client has already': [(res) => res.json({ a: 1 }), { headers: { 'If-None-Match': '*' } }, 304],
});

table(
  'res.json with settings',
  {
    'spaces, replacer and escape': (res) => res.json({ a: '<script>&', _secret: 1, b: [1] }),
    'jsonp with the same': [(res) => res.jsonp({ a: '<', _secret: 1 }), { url: '?cb=f' }],
    'no etag': (res) => res.send('x'),
  },
  (app) => {
    app.set('json spaces', 2);
    app.set('json escape', true);
    app.set('json replacer', (key: string, value: unknown) => (key.startsWith('_') ? undefined : value));
    app.set('jsonp callback name', 'cb');
    app.disable('etag');
    app.disable('x-powered-by');
  },
);

table('res.jsonp', {
  'without a callback': (res) => res.jsonp({ a: 1 }),
  'with a callback': [(res) => res.jsonp({ a: 1 }), { url: '?callback=something' }],
  'with a callback in brackets': [(res) => res.jsonp({ a: 1 }), { url: '?callback=callbacks[123]' }],
  'with a callback that is cleaned': [(res) => res.jsonp({}), { url: '?callback=foo;bar()' }],
  'with two callbacks': [(res) => res.jsonp({ a: 1 }), { url: '?callback=a&callback=b' }],
  'with a callback that is an object': [(res) => res.jsonp({ a: 1 }), { url: '?callback[a]=b' }],
  'line separators': [(res) => res.jsonp({ s: '\u2028 \u2029 woot' }), { url: '?callback=f' }],
  undefined: [(res) => res.jsonp(undefined), { url: '?callback=f' }],
  null: [(res) => res.jsonp(null), { url: '?callback=f' }],
  'with a type of its own': [(res) => res.set('Content-Type', 'text/plain').jsonp({ a: 1 }), { url: '?callback=f' }],
  'with a status': [(res) => res.status(400).jsonp({ a: 1 }), { url: '?callback=f' }, 400],
});

table('res.send', {
  nothing: (res) => res.send(),
  undefined: (res) => res.send(undefined),
  null: (res) => res.send(null),
  text: (res) => res.send('<p>hey ☃</p>'),
  'empty text': (res) => res.send(''),
  'long text': (res) => res.send('long ☃ '.repeat(2_000)),
  'text with a type': (res) => res.set('Content-Type', 'text/plain').send('hey'),
  'text with another charset': (res) => res.set('Content-Type', 'text/plain; charset=iso-8859-1').send('Hé'),
  'text with an unusual type': (res) => res.type('application/x-bogus').send('hey'),
  'a buffer': (res) => res.send(Buffer.from('hello')),
  'an empty buffer': (res) => res.send(Buffer.alloc(0)),
  'a buffer with a type': (res) => res.set('Content-Type', 'text/plain; charset=utf-8').send(Buffer.from('hey')),
  'a Uint8Array': (res) => res.send(new Uint8Array([1, 2, 3])),
  'a number': (res) => res.type('text').send(String(7)),
  true: (res) => res.send(true),
  'an object': (res) => res.send({ a: 1 }),
  'a list': (res) => res.send([1, 2]),
  'an ETag of its own': (res) => res.set('ETag', '"asdf"').send('x'),
  'an ETag of its own that matches': [
    (res) => res.set('ETag', '"asdf"').send('x'),
    { headers: { 'If-None-Match': '"asdf"' } },
    304,
  ],
  'with a matching ETag on POST': [
    (res) => res.set('ETag', '"asdf"').send('x'),
    { method: 'POST', headers: { 'If-None-Match': '"asdf"' } },
  ],
  'with a matching ETag at 412': [
    (res) => res.status(412).set('ETag', '"asdf"').send('x'),
    { headers: { 'If-None-Match': '"asdf"' } },
    412,
  ],
  'with a matching ETag and no-cache': [
    (res) => res.set('ETag', '"asdf"').send('x'),
    { headers: { 'If-None-Match': '"asdf"', 'Cache-Control': 'no-cache' } },
  ],
  'not modified since': [
    (res) => res.set('Last-Modified', 'Thu, 01 Jan 2026 00:00:00 GMT').send('x'),
    { headers: { 'If-Modified-Since': 'Fri, 02 Jan 2026 00:00:00 GMT' } },
    304,
  ],
  'modified since': [
    (res) => res.set('Last-Modified', 'Sat, 03 Jan 2026 00:00:00 GMT').send('x'),
    { headers: { 'If-Modified-Since': 'Fri, 02 Jan 2026 00:00:00 GMT' } },
  ],
  HEAD: [(res) => res.send('yay'), { method: 'HEAD' }],
  'HEAD of a buffer': [(res) => res.send(Buffer.from('yay')), { method: 'HEAD' }],
  'at 204': [(res) => res.status(204).set('Transfer-Encoding', 'chunked').send('foo'), {}, 204],
  'at 205': [(res) => res.status(205).set('Transfer-Encoding', 'chunked').send('foo'), {}, 205],
  'at 304': [(res) => res.status(304).set('Transfer-Encoding', 'chunked').send('foo'), {}, 304],
  PUT: [(res) => res.send('put'), { method: 'PUT' }],
  OPTIONS: [(res) => res.send('options'), { method: 'OPTIONS' }],
  PROPFIND: [(res) => res.send('props'), { method: 'PROPFIND' }],
  // Express destroys the socket behind them.
  twice: [(res) => res.send('one').send('two'), { headers: { Connection: 'close' } }],
  'a header after it': [(res) => res.send('one').set('X-Late', '1'), { headers: { Connection: 'close' } }],
});

table('res.status, res.sendStatus', {
  'status 200': (res) => res.status(200).end(),
  'status 403': [(res) => res.status(403).end(), {}, 403],
  'status 700': [(res) => res.status(700).end(), {}, 700],
  'status 0': [(res) => res.status(0).end(), {}, 500],
  'status 1000': [(res) => res.status(1000).end(), {}, 500],
  'sendStatus 200': (res) => res.sendStatus(200),
  'sendStatus 201': [(res) => res.sendStatus(201), {}, 201],
  'sendStatus 204': [(res) => res.sendStatus(204), {}, 204],
  'sendStatus 205': [(res) => res.sendStatus(205), {}, 205],
  'sendStatus 304': [(res) => res.sendStatus(304), {}, 304],
  'sendStatus 404': [(res) => res.sendStatus(404), {}, 404],
  'sendStatus 418': [(res) => res.sendStatus(418), {}, 418],
  'sendStatus 599': [(res) => res.sendStatus(599), {}, 599],
  'sendStatus HEAD': [(res) => res.sendStatus(404), { method: 'HEAD' }, 404],
  'a status message with sendStatus': [(res) => ((res.statusMessage = 'Mine'), res.sendStatus(400)), {}, 400],
});

table('headers', {
  set: (res) => res.set('X-A', '1').end(),
  'set with an object': (res) => res.set({ 'X-A': '1', 'X-B': 'b' }).end(),
  'set with a list': (res) => res.set('X-A', ['1', '2']).end(),
  'set of a type without a charset': (res) => res.set('Content-Type', 'text/html').end(),
  'set of an unusual type': (res) => res.set('Content-Type', 'application/x-thing').end(),
  'set of a number': (res) => loosely(res, 'set', 'X-N', 5).end(),
  header: (res) => res.header('X-A', '1').end(),
  get: (res) => res.set('X-A', '1').send(res.get('x-a')),
  append: (res) => (res.append('X-A', '1'), res.append('X-A', ['2', '3']), res.end()),
  'append to Set-Cookie': (res) => (res.cookie('a', '1'), res.append('Set-Cookie', 'b=2'), res.end()),
  'append and set': (res) => (res.append('Link', '<a>'), res.set('Link', '<b>'), res.append('Link', '<c>'), res.end()),
  vary: (res) => res.vary('Accept').end(),
  'vary twice': (res) => res.vary('Accept').vary('Accept-Encoding').vary('accept').end(),
  'vary with a list': (res) => loosely(res, 'vary', ['Accept', 'Origin']).end(),
  'vary *': (res) => res.vary('*').vary('Accept').end(),
  links: (res) => res.links({ next: 'http://a/?page=2', last: 'http://a/?page=5' }).end(),
  'links twice': (res) => (res.links({ next: '/2' }), res.links({ prev: '/1' }), res.end()),
  location: (res) => res.location('http://google.com/').end(),
  'location with characters to encode': (res) => res.location('https://google.com?q=☃ §10').end(),
  'location that is encoded already': (res) => res.location('https://google.com?q=%A710').end(),
  'location without a path': (res) => res.location('https://user:pw@host.example').end(),
  'location back': [(res) => res.location('back').end(), { headers: { Referer: '/some/page' } }],
  'location with a backslash': (res) => res.location('http://apple.com\\@evil.com').end(),
  'location empty': (res) => res.location('').end(),
  'type by extension': (res) => res.type('json').end(),
  'type by file name': (res) => res.type('foo.js').end('var name = "tj";'),
  'type in full': (res) => res.type('text/x-y').end(),
  'type html': (res) => res.type('html').end(),
  'type unknown': (res) => res.type('rawr').end(),
  contentType: (res) => res.contentType('png').end(),
  attachment: (res) => res.attachment().send('foo'),
  'attachment with a name': (res) => res.attachment('/path/to/image.png').send('foo'),
  'attachment with utf-8': (res) => res.attachment('/locales/日本語.txt').send('japanese'),
  'attachment in latin1, text': (res) => res.attachment('café.txt').send('x'),
  'attachment in latin1, json': (res) => res.attachment('café.json').json({ a: 1 }),
  'attachment in latin1, end': (res) => res.attachment('café.txt').end('x'),
  'attachment in latin1, no body': (res) => res.attachment('café.txt').end(),
  'attachment in latin1, written': (res) => (res.attachment('café.txt').write('a'), res.end('b')),
  'attachment with quotes': (res) => res.attachment('the "file".html').send('x'),
});

table('res.cookie, res.clearCookie', {
  'a cookie': (res) => res.cookie('name', 'tobi').end(),
  'two cookies': (res) => res.cookie('name', 'tobi').cookie('age', '1').end(),
  'a cookie set twice': (res) => res.cookie('name', 'tobi').cookie('name', 'loki').send('x'),
  options: (res) =>
    res.cookie('name', 'tobi', { secure: true, httpOnly: true, sameSite: 'lax', domain: 'example.com', path: '/a' }).end(),
  expires: (res) => res.cookie('name', 'tobi', { expires: new Date('2030-01-01') }).end(),
  maxAge: (res) => res.cookie('name', 'tobi', { maxAge: 1_000 }).end(),
  'maxAge that is no number': [(res) => loosely(res, 'cookie', 'name', 'tobi', { maxAge: 'foobar' }), {}, 500],
  'partitioned and priority': (res) => res.cookie('name', 'tobi', { partitioned: true, secure: true, priority: 'high' }).end(),
  'an object': (res) => res.cookie('user', { name: 'tobi' }).end(),
  'unusual characters': (res) => res.cookie('name', 'ü;, "x"').end(),
  encode: (res) => res.cookie('name', 'a b', { encode: (value) => `<${value}>`.replace(/[<> ]/g, '_') }).end(),
  'an invalid name': [(res) => res.cookie('na me;', 'x'), {}, 500],
  'signed without a secret': [(res) => res.cookie('name', 'tobi', { signed: true }), {}, 500],
  'sameSite true': (res) => res.cookie('name', 'tobi', { sameSite: true }).end(),
  clearCookie: (res) => res.clearCookie('sid').end(),
  'clearCookie with options': (res) => res.clearCookie('sid', { path: '/admin', maxAge: 900, expires: new Date() }).end(),
});

table('res.redirect', {
  'to a path': [
    (res) => {
      res.redirect('/login');
    },
    {},
    302,
  ],
  'to a url': [
    (res) => {
      res.redirect('http://google.com');
    },
    {},
    302,
  ],
  'with a status': [
    (res) => {
      res.redirect(303, 'http://google.com');
    },
    {},
    303,
  ],
  permanently: [
    (res) => {
      res.redirect(301, '/new');
    },
    {},
    301,
  ],
  'to a relative path': [
    (res) => {
      res.redirect('../x?y=1&z=<b>');
    },
    {},
    302,
  ],
  'with characters to encode': [
    (res) => {
      res.redirect('https://google.com?q=☃ §10');
    },
    {},
    302,
  ],
  HEAD: [
    (res) => {
      res.redirect('/login');
    },
    { method: 'HEAD' },
    302,
  ],
  'for HTML': [
    (res) => {
      res.redirect("/<la'me>");
    },
    { headers: { Accept: 'text/html' } },
    302,
  ],
  'for HTML, with a query': [
    (res) => {
      res.redirect('/?a=1&b="2"');
    },
    { headers: { Accept: 'text/html' } },
    302,
  ],
  'for text': [
    (res) => {
      res.redirect('http://example.com/?param=<script>');
    },
    { headers: { Accept: 'text/plain, */*' } },
    302,
  ],
  'for another type': [
    (res) => {
      res.redirect('http://google.com');
    },
    { headers: { Accept: 'application/octet-stream' } },
    302,
  ],
  'with a type set before': [
    (res) => {
      res.type('json');
      res.redirect('/x');
    },
    { headers: { Accept: 'application/octet-stream' } },
    302,
  ],
  'after POST': [
    (res) => {
      res.redirect(307, '/x');
    },
    { method: 'POST', body: 'a=1' },
    307,
  ],
  back: [
    (res) => {
      res.redirect('back');
    },
    { headers: { Referrer: '/there' } },
    302,
  ],
  'with latin1 headers': [
    (res) => {
      res.set('X-A', 'é').redirect('/x');
    },
    { headers: { Accept: 'text/html' } },
    302,
  ],
});

const formats: Answer = (res) => {
  res.format({
    'text/plain': () => res.send('hey'),
    'text/html': () => res.send('<p>hey</p>'),
    'application/json': () => res.send({ message: 'hey' }),
  });
};
const shortFormats: Answer = (res) => {
  res.format({ text: () => res.send('hey'), json: () => res.send({ hey: 1 }), default: () => res.status(299).send('default') });
};
table('res.format', {
  'no Accept': [formats, {}],
  json: [formats, { headers: { Accept: 'application/json' } }],
  'by quality': [formats, { headers: { Accept: 'text/plain;q=.5, application/*, */*; q=.1' } }],
  'by wildcard': [formats, { headers: { Accept: '*/html; q=.5, application/json' } }],
  'not acceptable': [formats, { headers: { Accept: 'foo/bar' } }, 406],
  'the default': [shortFormats, { headers: { Accept: 'image/png' } }, 299],
  'by extension': [shortFormats, { headers: { Accept: 'text/*' } }],
  HEAD: [formats, { method: 'HEAD', headers: { Accept: 'text/html' } }],
});

table('the life of a response', {
  'headersSent, before and after': (res) => {
    const before = res.headersSent;
    res.write(String(before));
    res.end(String(res.headersSent));
  },
  locals: (res) => res.json({ locals: res.locals, proto: Object.getPrototypeOf(res.locals) === null }),
  'req.res and res.req': (res, req) => res.json([req.res === res, res.req === req, typeof res.app, req.app === res.app]),
  'own keys that a handler sees': (res, req) => res.json([Object.keys(req.headers), req.httpVersion]),
  'pieces by setImmediate': (res) => {
    res.type('txt');
    setImmediate(() => {
      res.write('a');
      setImmediate(() => res.end('b'));
    });
  },
  'json after writeHead': (res) => {
    res.writeHead(200, { 'Content-Type': 'application/json' });
    res.end('{"a":1}');
  },
  'writeHead of another status after status()': [
    (res) => {
      res.status(201).set('X-A', '1');
      res.writeHead(202, { 'x-a': '2' });
      res.end();
    },
    {},
    202,
  ],
  'an event stream that ends': (res) => {
    res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    res.flushHeaders();
    res.write('data: 1\n\n');
    res.write('data: 2\n\n');
    res.end();
  },
});
