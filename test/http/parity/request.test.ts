import express, { type Request, type Response } from 'express';

import type { DispatchRequest } from '../../../lib/http/dispatch.js';
import { type Case, parity, row } from './parity.js';

/** An app that answers every request with what `read` sees in it. */
function reading(read: (req: Request, res: Response) => unknown, settings: Readonly<Record<string, unknown>> = {}) {
  return () => {
    const app = express();
    app.set('env', 'production');
    for (const [name, value] of Object.entries(settings)) app.set(name, value);
    app.use((req, res) => {
      const seen = read(req, res);
      if (!res.headersSent) res.json({ seen: seen === undefined ? 'undefined' : seen });
    });
    return app;
  };
}

const sent = (name: string, headers: NonNullable<DispatchRequest['headers']>, url = '/'): Case => row(name, { url, headers });

const origin = (req: Request) => [req.ip, req.ips, req.protocol, req.secure, req.hostname, req.host, req.subdomains];
const originCases = [
  sent('nothing', {}),
  sent('a Host', { Host: 'example.com' }),
  sent('a Host with a port', { Host: 'tobi.ferrets.example.com:3000' }),
  sent('an IPv6 Host', { Host: '[::1]' }),
  sent('an IPv6 Host with a port', { Host: '[::1]:3000' }),
  sent('an IPv4 Host', { Host: '127.0.0.1' }),
  sent('an empty Host', { Host: '' }),
  sent('one proxy', { 'X-Forwarded-For': '10.1.2.3', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'a.b.example.org' }),
  sent('several proxies', {
    'X-Forwarded-For': 'client, 10.0.0.1, 127.0.0.1',
    'X-Forwarded-Proto': 'https, http',
    'X-Forwarded-Host': 'x.org, y.org',
  }),
  sent('repeated headers', { 'X-Forwarded-For': ['1.1.1.1', '2.2.2.2'], 'X-Forwarded-Host': ['x.org', 'y.org'] }),
  sent('an empty protocol', { 'X-Forwarded-Proto': '', 'X-Forwarded-For': '' }),
];
for (const [name, settings] of Object.entries<Readonly<Record<string, unknown>>>({
  'no trust': {},
  'trust in all': { 'trust proxy': true },
  'trust in one hop': { 'trust proxy': 1 },
  'trust in loopback': { 'trust proxy': 'loopback' },
  'trust in subnets': { 'trust proxy': '127.0.0.0/8, 10.0.0.0/8' },
  'trust in a function': { 'trust proxy': (address: string) => address === '127.0.0.1' },
  'a subdomain offset': { 'subdomain offset': 1 },
})) {
  parity(`where a request comes from, with ${name}`, reading(origin, settings), originCases);
}

const lines = (req: Request) => [req.method, req.url, req.originalUrl, req.baseUrl, req.path, req.query, req.params];
const queryCases = [
  '/',
  '/a/b?x=1',
  '/?a=1&a=2&b=',
  '/?a[b]=1&a[c][d]=2',
  '/?a[]=1&a[]=2',
  '/?a[0]=x&a[2]=y',
  '/?a.b=c',
  '/?a=b%20c+d&%C3%BC=%E2%98%83',
  '/?a=%zz&b=%',
  '/?__proto__=x&constructor[prototype][a]=1&hasOwnProperty=1',
  '/?',
  '/?&&=&=x&x',
  '/?a=1;b=2',
  '/?a=1#hash',
  '/?a=1?b=2',
  '//two//slashes?x',
  '/%2F/%2e%2e/..?x=../y',
  '/a;b=c/d',
  'http://other.example/path?x=1',
  `/?${Array.from({ length: 1_100 }, (_, index) => `k${String(index)}=v`).join('&')}`,
].map((url) => row(`the url ${url.slice(0, 60)}`, url));
for (const [name, settings] of Object.entries<Readonly<Record<string, unknown>>>({
  'the default parser': {},
  'the simple parser': { 'query parser': 'simple' },
  'the extended parser': { 'query parser': 'extended' },
  'no parser': { 'query parser': false },
  'a parser of its own': { 'query parser': (text: string | null) => ({ length: text?.length ?? 'none' }) },
})) {
  parity(`the request line, with ${name}`, reading(lines, settings), queryCases);
}

parity(
  'methods',
  reading((req) => [req.method, req.xhr, req.get('Content-Length') ?? null]),
  ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'M-SEARCH', 'LOCK', 'REPORT', 'PURGE', 'TRACE'].map((method) =>
    row(method, { method, url: '/' }),
  ),
);

parity(
  'freshness',
  reading((req, res) => {
    res.set({ ETag: '"12345"', 'Last-Modified': 'Thu, 01 Jan 2026 00:00:00 GMT' });
    return [req.fresh, req.stale];
  }),
  [
    sent('nothing', {}),
    row('the same ETag', { url: '/', headers: { 'If-None-Match': '"12345"' } }, 304),
    row('the same ETag, weak', { url: '/', headers: { 'If-None-Match': 'W/"12345"' } }, 304),
    row('one of several ETags', { url: '/', headers: { 'If-None-Match': '"a", "12345"' } }, 304),
    sent('another ETag', { 'If-None-Match': '"other"' }),
    row('not modified', { url: '/', headers: { 'If-Modified-Since': 'Fri, 02 Jan 2026 00:00:00 GMT' } }, 304),
    sent('modified', { 'If-Modified-Since': 'Wed, 31 Dec 2025 00:00:00 GMT' }),
    sent('another ETag, not modified', { 'If-None-Match': '"other"', 'If-Modified-Since': 'Fri, 02 Jan 2026 00:00:00 GMT' }),
    sent('a date without sense', { 'If-Modified-Since': 'yesterday' }),
    sent('no-cache', { 'If-None-Match': '"12345"', 'Cache-Control': 'no-cache' }),
    row('the same ETag, HEAD', { method: 'HEAD', url: '/', headers: { 'If-None-Match': '"12345"' } }, 304),
    row('the same ETag, DELETE', { method: 'DELETE', url: '/', headers: { 'If-None-Match': '"12345"' } }),
  ],
);

parity(
  'headers',
  reading((req) =>
    [
      req.get('Referrer'),
      req.get('X-A'),
      req.header('content-type'),
      req.xhr,
      req.accepts(),
      req.accepts('json'),
      req.accepts('text/html', 'json'),
      req.acceptsCharsets('utf-8', 'iso-8859-1'),
      req.acceptsEncodings('gzip', 'deflate', 'identity'),
      req.acceptsLanguages('en', 'de'),
      req.acceptsLanguages(),
      req.range(120) ?? null,
      Reflect.apply(req.range.bind(req), req, [120, { combine: true }]) ?? null,
    ].map((value) => (value === undefined ? 'undefined' : value)),
  ),
  [
    sent('none', {}),
    sent('a referer', { Referer: 'http://a.example/' }),
    sent('a referrer', { Referrer: 'http://b.example/', 'X-A': 'b' }),
    sent('a repeated header', { 'X-A': ['1', '2'] }),
    sent('XMLHttpRequest', { 'X-Requested-With': 'XMLHttpRequest' }),
    sent('xmlhttprequest', { 'x-requested-with': 'xmlhttprequest' }),
    sent('Accept', { Accept: 'application/json;q=0.5, text/html' }),
    sent('Accept of everything', { Accept: '*/*' }),
    sent('Accept of nothing known', { Accept: 'image/png' }),
    sent('Accept that is malformed', { Accept: ';;;, /, q=1' }),
    sent('Accept-Charset', { 'Accept-Charset': 'utf-8;q=.2, iso-8859-1' }),
    sent('Accept-Encoding', { 'Accept-Encoding': 'deflate, gzip;q=0.2' }),
    sent('Accept-Encoding of nothing', { 'Accept-Encoding': 'identity;q=0' }),
    sent('Accept-Language', { 'Accept-Language': 'de-AT, de;q=0.9, en;q=.5' }),
    sent('a Range', { Range: 'bytes=0-50,60-100' }),
    sent('a Range to combine', { Range: 'bytes=0-50,51-100,-10' }),
    sent('a Range that cannot be met', { Range: 'bytes=500-999' }),
    sent('a malformed Range', { Range: 'bytes' }),
  ],
);

parity(
  'req.is',
  reading((req) => [
    req.is('json'),
    req.is('text/*'),
    req.is(['application/*+json', 'urlencoded']),
    req.is('*/*'),
    req.is('multipart'),
  ]),
  [
    row('no body', { method: 'POST', url: '/', headers: { 'Content-Type': 'application/json' } }),
    row('GET without a body', { url: '/', headers: { 'Content-Type': 'application/json' } }),
    row('JSON', { method: 'POST', url: '/', headers: { 'Content-Type': 'application/json' }, body: '{}' }),
    row('JSON with a charset', {
      method: 'POST',
      url: '/',
      headers: { 'Content-Type': 'application/json; charset=utf-8' },
      body: '{}',
    }),
    row('a JSON dialect', { method: 'PUT', url: '/', headers: { 'Content-Type': 'application/vnd.api+json' }, body: '{}' }),
    row('text', { method: 'POST', url: '/', headers: { 'Content-Type': 'text/plain' }, body: 'x' }),
    row('a form', { method: 'POST', url: '/', headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: 'a=1' }),
    row('multipart', { method: 'POST', url: '/', headers: { 'Content-Type': 'multipart/form-data; boundary=x' }, body: '--x--' }),
    row('no type', { method: 'POST', url: '/', body: 'x' }),
    row('a malformed type', { method: 'POST', url: '/', headers: { 'Content-Type': ';;' }, body: 'x' }),
  ],
);
