import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';

import express, { type Request } from 'express';

import type { DispatchRequest } from '../../../lib/http/dispatch.js';
import { onError } from './on-error.js';
import { type Case, parity, row } from './parity.js';

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';

function bodyApp(): express.Application {
  const app = express();
  app.set('env', 'production');
  const parsers = {
    '/json': express.json(),
    '/json-small': express.json({ limit: 20 }),
    '/json-loose': express.json({ strict: false }),
    '/json-any': express.json({ type: '*/*' }),
    '/json-fn': express.json({ type: (req) => req.headers['x-json'] === 'yes' }),
    '/json-flat': express.json({ inflate: false }),
    '/json-reviver': express.json({
      reviver: (_key: string, value: unknown): unknown => (typeof value === 'number' ? value + 1 : value),
    }),
    '/json-verify': express.json({
      verify: (_req, _res, bytes) => {
        if (bytes[0] === 0x5b) throw new Error('no lists');
      },
    }),
    '/form': express.urlencoded({ extended: false }),
    '/form-extended': express.urlencoded({ extended: true }),
    '/form-few': express.urlencoded({ extended: true, parameterLimit: 3 }),
    '/form-small': express.urlencoded({ extended: false, limit: '10b' }),
    '/text': express.text(),
    '/text-latin1': express.text({ defaultCharset: 'iso-8859-1' }),
    '/text-any': express.text({ type: '*/*', limit: 50 }),
    '/raw': express.raw(),
    '/raw-any': express.raw({ type: () => true, limit: '1kb' }),
  };
  for (const [path, parser] of Object.entries(parsers)) app.use(path, parser);
  app.use('/both', express.json(), express.urlencoded({ extended: true }));
  app.use('/twice', express.json(), express.json({ type: '*/*' }));
  app.use((req: Request, res) => {
    const body: unknown = req.body;
    if (Buffer.isBuffer(body)) res.json({ bytes: body.toString('hex').slice(0, 200), length: body.length });
    else res.json({ body: body === undefined ? 'undefined' : body, type: typeof body });
  });
  // What an application's own error handler sees of a parser's errors.
  app.use(
    onError((error, res) => {
      res
        .status('status' in error ? Number(error.status) : 500)
        .json(Object.assign({}, error, { name: error.name, message: error.message }));
    }),
  );
  return app;
}

function post(
  name: string,
  url: string,
  type: string | undefined,
  body: DispatchRequest['body'],
  status: Case['status'] = 200,
  headers: DispatchRequest['headers'] = {},
): Case {
  return row(
    name,
    {
      method: 'POST',
      url,
      ...(body !== undefined && { body }),
      headers: { ...(type !== undefined && { 'Content-Type': type }), ...headers },
    },
    status,
  );
}

const encoded = (encoding: string) => ({ 'Content-Encoding': encoding });
const json = JSON.stringify({ name: '论' });

parity('express.json', bodyApp, [
  post('an object', '/json', JSON_TYPE, '{"user":"tobi"}'),
  post('a list', '/json', JSON_TYPE, '["user"]'),
  post('blanks around', '/json', JSON_TYPE, '\r\n  [ "user" ]'),
  post('text where an object is wanted', '/json', JSON_TYPE, '"user"', 400),
  post('true where an object is wanted', '/json', JSON_TYPE, 'true', 400),
  post('null where an object is wanted', '/json', JSON_TYPE, 'null', 400),
  post('text, loosely', '/json-loose', JSON_TYPE, '"user"'),
  post('true, loosely', '/json-loose', JSON_TYPE, 'true'),
  post('null, loosely', '/json-loose', JSON_TYPE, 'null'),
  post('malformed', '/json', JSON_TYPE, '{:', 400),
  post('cut off', '/json', JSON_TYPE, '{"user"', 400),
  post('an empty body', '/json', JSON_TYPE, ''),
  post('no body', '/json', JSON_TYPE, undefined),
  post('no body, DELETE', '/json', JSON_TYPE, undefined),
  row('GET without a body', { url: '/json', headers: { 'Content-Type': JSON_TYPE } }),
  row('GET with a body', { url: '/json', headers: { 'Content-Type': JSON_TYPE }, body: '{"a":1}' }),
  row('DELETE with a body', { method: 'DELETE', url: '/json', headers: { 'Content-Type': JSON_TYPE }, body: '{"a":1}' }),
  post('only blanks', '/json', JSON_TYPE, '   ', 400),
  post('a content length of 0', '/json', JSON_TYPE, undefined, 200, { 'Content-Length': '0' }),
  post('in chunks', '/json', JSON_TYPE, '{"a":1}', 200, { 'Transfer-Encoding': 'chunked' }),
  post('duplicate keys and __proto__', '/json', JSON_TYPE, '{"a":1,"a":2,"__proto__":{"b":1}}'),
  post('within the limit', '/json-small', JSON_TYPE, '{"a":"1234567890"}'),
  post('above the limit', '/json-small', JSON_TYPE, '{"a":"123456789012345"}', 413),
  post('above the limit in chunks', '/json-small', JSON_TYPE, '{"a":"123456789012345"}', 413, { 'Transfer-Encoding': 'chunked' }),
  post('inflated above the limit', '/json-small', JSON_TYPE, gzipSync(`{"a":"${'b'.repeat(500)}"}`), 413, encoded('gzip')),
  post('large', '/json', JSON_TYPE, JSON.stringify({ a: 'x'.repeat(90_000) })),
  post('above the default limit', '/json', JSON_TYPE, JSON.stringify({ a: 'x'.repeat(110_000) }), 413),
  post('another type', '/json', 'text/plain', '{"a":1}'),
  post('a JSON dialect', '/json', 'application/vnd.api+json', '{"a":1}'),
  post('any type', '/json-any', 'text/x-thing', '{"a":1}'),
  post('no type', '/json', undefined, '{"a":1}'),
  post('a type by function', '/json-fn', 'text/plain', '{"a":1}', 200, { 'X-Json': 'yes' }),
  post('not the type, by function', '/json-fn', JSON_TYPE, '{"a":1}'),
  post('a reviver', '/json-reviver', JSON_TYPE, '{"a":1}'),
  post('verified', '/json-verify', JSON_TYPE, '{"a":1}'),
  post('not verified', '/json-verify', JSON_TYPE, '[1]', 403),
  post('utf-8', '/json', 'application/json; charset=utf-8', json),
  post('utf-16le', '/json', 'application/json; charset=utf-16le', Buffer.from(json, 'utf16le')),
  post('utf-16 with a BOM', '/json', 'application/json; charset=utf-16', Buffer.from(`\ufeff${json}`, 'utf16le')),
  post('a utf-8 BOM', '/json', JSON_TYPE, `\ufeff${json}`),
  post('iso-8859-1', '/json', 'application/json; charset=iso-8859-1', '{"a":1}', 415),
  post('an unknown charset', '/json', 'application/json; charset=koi8-r', '{"a":1}', 415),
  post('a charset in capitals', '/json', 'application/json; charset=UTF-8', json),
  post('gzip', '/json', JSON_TYPE, gzipSync(json), 200, encoded('gzip')),
  post('deflate', '/json', JSON_TYPE, deflateSync(json), 200, encoded('deflate')),
  post('br', '/json', JSON_TYPE, brotliCompressSync(json), [200, 415], encoded('br')),
  post('identity', '/json', JSON_TYPE, json, 200, encoded('identity')),
  post('an encoding in capitals', '/json', JSON_TYPE, gzipSync(json), 200, encoded('GZIP')),
  post('an unknown encoding', '/json', JSON_TYPE, json, 415, encoded('nulls')),
  post('malformed gzip', '/json', JSON_TYPE, 'no gzip', 400, encoded('gzip')),
  post('truncated gzip', '/json', JSON_TYPE, gzipSync(json).subarray(0, 15), 400, encoded('gzip')),
  post('gzip that is not to be inflated', '/json-flat', JSON_TYPE, gzipSync(json), 415, encoded('gzip')),
  post('parsed twice', '/twice', JSON_TYPE, '{"a":1}'),
  post('JSON where forms are taken too', '/both', JSON_TYPE, '{"a":1}'),
  post('a form where JSON is taken too', '/both', FORM_TYPE, 'a=1'),
]);

parity('express.urlencoded', bodyApp, [
  post('simple', '/form', FORM_TYPE, 'user=tobi&a=1&a=2'),
  post('nested, simply', '/form', FORM_TYPE, 'user[name]=tobi'),
  post('nested, extended', '/form-extended', FORM_TYPE, 'user[name][first]=Tobi&list[]=1&list[]=2'),
  post('deep, extended', '/form-extended', FORM_TYPE, `a${'[b]'.repeat(10)}=1`),
  post('too deep', '/form-extended', FORM_TYPE, `a${'[b]'.repeat(60)}=1`, 400),
  post('percent and plus', '/form', FORM_TYPE, 'a=b%20c+d&%C3%BC=%E2%98%83'),
  post('malformed percents', '/form-extended', FORM_TYPE, 'a=%zz&b=%'),
  post('charset sentinels', '/form-extended', FORM_TYPE, 'utf8=%E2%9C%93&user=%C3%B8'),
  post('empty', '/form', FORM_TYPE, ''),
  post('as many as allowed', '/form-few', FORM_TYPE, 'a=1&b=2&c=3'),
  post('too many', '/form-few', FORM_TYPE, 'a=1&b=2&c=3&d=4', 413),
  post('above the limit', '/form-small', FORM_TYPE, 'aaaaaaaaaaaaaaaaaaaa=1', 413),
  post('gzip', '/form', FORM_TYPE, gzipSync('a=1'), 200, encoded('gzip')),
  post('an unknown charset', '/form', `${FORM_TYPE}; charset=koi8-r`, 'a=1', 415),
  post('another type', '/form', JSON_TYPE, 'a=1'),
  post('prototypes', '/form-extended', FORM_TYPE, '__proto__[a]=1&constructor[prototype][b]=2&hasOwnProperty=3'),
]);

parity('express.text and express.raw', bodyApp, [
  post('text', '/text', 'text/plain', 'user is tobi ☃'),
  post('text in utf-16', '/text', 'text/plain; charset=utf-16le', Buffer.from('hé', 'utf16le')),
  post('text in latin1', '/text', 'text/plain; charset=iso-8859-1', Buffer.from('hé', 'latin1')),
  post('text in windows-1252', '/text', 'text/plain; charset=windows-1252', Buffer.from([0x80])),
  post('text in the default charset', '/text-latin1', 'text/plain', Buffer.from('hé', 'latin1')),
  post('text in an unknown charset', '/text', 'text/plain; charset=x-bogus', 'a', 415),
  post('text of another type', '/text', 'text/html', 'user'),
  post('text of any type', '/text-any', 'text/html', '<b>'),
  post('text above the limit', '/text-any', 'text/html', 'x'.repeat(51), 413),
  post('empty text', '/text', 'text/plain', ''),
  post('text, deflated', '/text', 'text/plain', deflateSync('hello'), 200, encoded('deflate')),
  post('bytes', '/raw', 'application/octet-stream', Buffer.from([0, 1, 255])),
  post('bytes of another type', '/raw', 'text/plain', Buffer.from([0, 1, 255])),
  post('bytes of any type', '/raw-any', undefined, Buffer.from('x')),
  post('bytes above the limit', '/raw-any', 'image/png', Buffer.alloc(1_025), 413),
  post('bytes, gzipped', '/raw', 'application/octet-stream', gzipSync('hello'), 200, encoded('gzip')),
  post('a large body of bytes', '/raw', 'application/octet-stream', Buffer.alloc(80_000, 7)),
]);
