import path from 'node:path';

import express, { type RequestHandler } from 'express';

import { parity, row } from './parity.js';
import { site } from './site.js';

const root = site();
const file = (name: string): string => path.join(root, name);

/** A handler that tells what a call with a callback was told. */
const reporting =
  (call: (res: express.Response, callback: (error?: Error) => void) => void): RequestHandler =>
  (_req, res) => {
    call(res, (error) => {
      if (res.headersSent) return;
      const status = error !== undefined && 'status' in error ? error.status : undefined;
      res.status(200).send(`${String(error?.name)} ${String(status)}`);
    });
  };

function fileApp(): express.Application {
  const app = express();
  app.set('env', 'production');
  app.get('/send', (_req, res) => {
    res.sendFile(file('nums.txt'));
  });
  app.get('/send-root', (_req, res) => {
    res.sendFile('nums.txt', { root });
  });
  app.get('/send-dir', (_req, res) => {
    res.sendFile(root);
  });
  app.get('/send-missing', (_req, res) => {
    res.sendFile(file('missing'));
  });
  app.get('/send-relative', (_req, res) => {
    res.sendFile('nums.txt');
  });
  app.get('/send-empty', (_req, res) => {
    res.sendFile(file('empty.txt'));
  });
  app.get('/send-large', (_req, res) => {
    res.sendFile(file('large.bin'));
  });
  app.get('/send-snow', (_req, res) => {
    res.sendFile(file('snow ☃.txt'));
  });
  app.get('/send-dot', (_req, res) => {
    res.sendFile('.env', { root });
  });
  app.get('/send-dot-allow', (_req, res) => {
    res.sendFile('.env', { root, dotfiles: 'allow' });
  });
  app.get('/send-dot-deny', (_req, res) => {
    res.sendFile('.env', { root, dotfiles: 'deny' });
  });
  app.get('/send-up', (_req, res) => {
    res.sendFile('../../etc/passwd', { root });
  });
  app.get('/send-encoded', (_req, res) => {
    res.sendFile('%2e%2e/x', { root });
  });
  app.get('/send-headers', (_req, res) => {
    res.sendFile(file('nums.txt'), { headers: { 'X-A': '1', 'Content-Type': 'text/x-nums' } });
  });
  app.get('/send-cache', (_req, res) => {
    res.sendFile(file('nums.txt'), { maxAge: 3_600_000, immutable: true, lastModified: false });
  });
  app.get('/send-no-cache', (_req, res) => {
    res.sendFile(file('nums.txt'), { cacheControl: false, etag: false, acceptRanges: false });
  });
  app.get('/send-type', (_req, res) => {
    res.type('html').sendFile(file('nums.txt'));
  });
  app.get('/send-status', (_req, res) => {
    res.status(201).sendFile(file('nums.txt'));
  });
  app.get(
    '/send-callback',
    reporting((res, done) => {
      res.sendFile(file('nums.txt'), done);
    }),
  );
  app.get(
    '/send-callback-missing',
    reporting((res, done) => {
      res.sendFile(file('missing'), done);
    }),
  );
  app.get(
    '/send-callback-dir',
    reporting((res, done) => {
      res.sendFile(file('docs'), done);
    }),
  );
  app.get('/download', (_req, res) => {
    res.download(file('nums.txt'));
  });
  app.get('/download-name', (_req, res) => {
    res.download(file('nums.txt'), 'numbers é.txt');
  });
  app.get('/download-latin1-large', (_req, res) => {
    res.download(file('large.bin'), 'größe.bin');
  });
  app.get('/download-options', (_req, res) => {
    res.download('nums.txt', 'n.txt', { root, maxAge: '1h', headers: { 'X-A': '1', 'Content-Disposition': 'ignored' } });
  });
  app.get('/download-missing', (_req, res) => {
    res.download(file('missing'));
  });
  app.get(
    '/download-callback-missing',
    reporting((res, done) => {
      res.download(file('missing'), 'x.txt', done);
    }),
  );
  app.use('/static', express.static(root, { redirect: true }));
  app.use('/dots', express.static(root, { dotfiles: 'allow' }));
  app.use('/denied', express.static(root, { dotfiles: 'deny' }));
  app.use(
    '/plain',
    express.static(root, {
      etag: false,
      lastModified: false,
      acceptRanges: false,
      cacheControl: false,
      index: false,
      redirect: false,
    }),
  );
  app.use('/cached', express.static(root, { maxAge: '1d', immutable: true }));
  app.use('/ext', express.static(root, { extensions: ['html', 'txt'] }));
  app.use('/own-index', express.static(root, { index: ['nothing.html', 'nums.txt'] }));
  app.use(
    '/headers',
    express.static(root, {
      setHeaders: (res: express.Response, name: string) => {
        res.set('X-Name', path.basename(name));
      },
    }),
  );
  app.use('/final', express.static(root, { fallthrough: false }));
  return app;
}

const range = (value: string): { Range: string } => ({ Range: value });
const MODIFIED = 'Fri, 02 Jan 2026 03:04:05 GMT';
const ETAG = 'W/"9-19b7c9a7b88"';

parity('res.sendFile', fileApp, [
  row('a file', '/send'),
  row('a file below a root', '/send-root'),
  row('HEAD', { method: 'HEAD', url: '/send' }),
  row('a directory', '/send-dir', 404),
  row('a missing file', '/send-missing', 404),
  row('a relative path without a root', '/send-relative', 500),
  row('an empty file', '/send-empty'),
  row('a large file', '/send-large'),
  row('a name beyond ASCII', '/send-snow'),
  row('a dotfile', '/send-dot', 404),
  row('a dotfile that is allowed', '/send-dot-allow'),
  row('a dotfile that is denied', '/send-dot-deny', 403),
  row('a path out of the root', '/send-up', 403),
  row('an encoded path', '/send-encoded', 404),
  row('headers', '/send-headers'),
  row('caching', '/send-cache'),
  row('no caching', '/send-no-cache'),
  row('a type set before', '/send-type'),
  row('a status set before', '/send-status', 201),
  row('a callback', '/send-callback'),
  row('a callback for a missing file', '/send-callback-missing'),
  row('a callback for a directory', '/send-callback-dir'),
  row('a range', { url: '/send', headers: range('bytes=0-4') }, 206),
  row('a range from', { url: '/send', headers: range('bytes=4-') }, 206),
  row('a range of the last', { url: '/send', headers: range('bytes=-3') }, 206),
  row('a range of one byte', { url: '/send', headers: range('bytes=0-0') }, 206),
  row('a range beyond the end', { url: '/send', headers: range('bytes=2-100') }, 206),
  row('a range that cannot be met', { url: '/send', headers: range('bytes=9-10') }, 416),
  row('a range without sense', { url: '/send', headers: range('asdf') }),
  row('a range in other units', { url: '/send', headers: range('items=0-1') }),
  row('two ranges', { url: '/send', headers: range('bytes=0-1,3-4') }),
  row('a range of a large file', { url: '/send-large', headers: range('bytes=100-150000') }, 206),
  row('a range, HEAD', { method: 'HEAD', url: '/send', headers: range('bytes=0-4') }, 206),
  row('a range of an empty file', { url: '/send-empty', headers: range('bytes=0-4') }, 416),
  row('a range without accept-ranges', { url: '/send-no-cache', headers: range('bytes=0-4') }),
  row('if-none-match *', { url: '/send', headers: { 'If-None-Match': '*' } }, 304),
  row('if-none-match of another', { url: '/send', headers: { 'If-None-Match': '"other"' } }),
  row('if-match of another', { url: '/send', headers: { 'If-Match': '"other"' } }, 412),
  row('if-match *', { url: '/send', headers: { 'If-Match': '*' } }),
  row('if-modified-since the same', { url: '/send', headers: { 'If-Modified-Since': MODIFIED } }, 304),
  row('if-modified-since before', { url: '/send', headers: { 'If-Modified-Since': 'Thu, 01 Jan 2026 00:00:00 GMT' } }),
  row('if-unmodified-since the same', { url: '/send', headers: { 'If-Unmodified-Since': MODIFIED } }),
  row('if-unmodified-since before', { url: '/send', headers: { 'If-Unmodified-Since': 'Thu, 01 Jan 2026 00:00:00 GMT' } }, 412),
  row('if-range, the same date', { url: '/send', headers: { ...range('bytes=0-2'), 'If-Range': MODIFIED } }, 206),
  row('if-range, an older date', {
    url: '/send',
    headers: { ...range('bytes=0-2'), 'If-Range': 'Thu, 01 Jan 2026 00:00:00 GMT' },
  }),
  row('if-range, another ETag', { url: '/send', headers: { ...range('bytes=0-2'), 'If-Range': '"other"' } }),
  row('if-range, a weak ETag', { url: '/send', headers: { ...range('bytes=0-2'), 'If-Range': ETAG } }, 200),
]);

parity('res.download', fileApp, [
  row('a file', '/download'),
  row('HEAD', { method: 'HEAD', url: '/download' }),
  row('another name', '/download-name'),
  row('a name in latin1, in pieces', '/download-latin1-large'),
  row('options', '/download-options'),
  row('a missing file', '/download-missing', 404),
  row('a callback for a missing file', '/download-callback-missing'),
  row('a range', { url: '/download', headers: range('bytes=0-2') }, 206),
]);

parity('express.static', fileApp, [
  row('a file', '/static/nums.txt'),
  row('JSON', '/static/data.json'),
  row('HEAD', { method: 'HEAD', url: '/static/nums.txt' }),
  row('POST', { method: 'POST', url: '/static/nums.txt', body: 'x' }, 404),
  row('OPTIONS', { method: 'OPTIONS', url: '/static/nums.txt' }, 404),
  row('the index', '/static/'),
  row('the mount path', '/static', 301),
  row('a directory without a slash', '/static/docs', 301),
  row('a directory without a slash, with a query', '/static/docs?a=1&b=<2>', 301),
  row('a directory with a slash', '/static/docs/'),
  row('a directory without an index', '/static/bare/', 404),
  row('two slashes', '/static//docs', 301),
  row('slashes that look like a host', '/static///evil.example/%2e%2e', 301),
  row('blanks in a name', '/static/foo%20bar'),
  row('a name beyond ASCII', '/static/snow%20%E2%98%83.txt'),
  row('an empty file', '/static/empty.txt'),
  row('a large file', '/static/large.bin'),
  row('a missing file', '/static/missing', 404),
  row('a malformed path', '/static/%', 404),
  row('a NUL in a path', '/static/nums%00.txt', 404),
  row('a path out of the root', '/static/../package.json', 404),
  row('an encoded path out of the root', '/static/%2e%2e/%2e%2e/etc/passwd', 404),
  row('a trailing slash after a file', '/static/nums.txt/', 404),
  row('a dotfile', '/static/.env', 404),
  row('a dotfile that is allowed', '/dots/.env'),
  row('a hidden directory that is allowed', '/dots/.hidden/a.txt'),
  row('a dotfile that is denied', '/denied/.env', 404),
  row('without its extras', '/plain/nums.txt'),
  row('without an index', '/plain/', 404),
  row('without a redirect', '/plain/docs', 404),
  row('cached', '/cached/nums.txt'),
  row('by an extension', '/ext/nums'),
  row('by an extension in a directory', '/ext/docs/page'),
  row('by an extension that is none', '/ext/nothing', 404),
  row('an index of its own', '/own-index/'),
  row('headers of its own', '/headers/nums.txt'),
  row('a missing file without fallthrough', '/final/missing', 404),
  row('POST without fallthrough', { method: 'POST', url: '/final/nums.txt' }, 405),
  row('a malformed path without fallthrough', '/final/%ff', 400),
  row('a path too long', `/static/${'a'.repeat(5_000)}`, 404),
  row('a range', { url: '/static/nums.txt', headers: range('bytes=1-3') }, 206),
  row('a range that cannot be met', { url: '/static/nums.txt', headers: range('bytes=50-') }, 416),
  row('a conditional request', { url: '/static/nums.txt', headers: { 'If-Modified-Since': MODIFIED } }, 304),
  row('a conditional request that wants no cache', {
    url: '/static/nums.txt',
    headers: { 'If-Modified-Since': MODIFIED, 'Cache-Control': 'no-cache' },
  }),
]);

parity(
  'res.render',
  () => {
    const app = express();
    app.set('env', 'production').set('views', file('views')).set('view engine', 'ejs');
    app.locals['user'] = 'tobi & loki';
    app.get('/page', (_req, res) => {
      res.render('page', { title: '<ü>' });
    });
    app.get('/locals', (_req, res) => {
      res.locals['title'] = 'from locals';
      res.locals['user'] = 'me';
      res.render('page.ejs');
    });
    app.get('/callback', (_req, res) => {
      res.render('page', { title: 't' }, (error: Error | null, html) => {
        res
          .status(201)
          .type('text')
          .send(error === null ? html.toUpperCase() : error.name);
      });
    });
    app.get('/missing', (_req, res) => {
      res.render('nothing');
    });
    app.get('/missing-callback', (_req, res) => {
      res.render('nothing', (error: Error) => {
        res.send(error.message.slice(0, 30));
      });
    });
    app.get('/broken', (_req, res) => {
      res.render('broken');
    });
    app.get('/no-engine', (_req, res) => {
      res.render('page.html');
    });
    return app;
  },
  [
    row('a view', '/page'),
    row('a view, HEAD', { method: 'HEAD', url: '/page' }),
    row('a view that the client has', { url: '/page', headers: { 'If-None-Match': '*' } }, 304),
    row('locals', '/locals'),
    row('a callback', '/callback', 201),
    row('a missing view', '/missing', 500),
    row('a missing view with a callback', '/missing-callback'),
    row('a broken view', '/broken', 500),
    row('an unknown engine', '/no-engine', 500),
  ],
);
