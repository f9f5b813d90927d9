import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { types } from 'node:util';

import type { DispatchRequest } from '../../../lib/http/dispatch.js';
import { parity, row } from './parity.js';
import { site } from './site.js';

type RawHandler = (req: IncomingMessage, res: ServerResponse) => void;

const root = site();

/** Plain node handlers, each asked once with GET (or with the request that is given). */
const handlers: Readonly<Record<string, RawHandler | readonly [RawHandler, Partial<DispatchRequest>?, number?]>> = {
  'end() alone': (_req, res) => res.end(),
  'end(text)': (_req, res) => res.end('hello'),
  'end(text, encoding)': (_req, res) => res.end('aGVsbG8=', 'base64'),
  'end(hex)': (_req, res) => res.end('68656c6c6f', 'hex'),
  'end(latin1)': (_req, res) => res.end('é', 'latin1'),
  'end(utf16le)': (_req, res) => res.end('hé', 'utf16le'),
  'end(empty text)': (_req, res) => res.end(''),
  'end(empty buffer)': (_req, res) => res.end(Buffer.alloc(0)),
  'end(buffer)': (_req, res) => res.end(Buffer.from([0, 255, 128, 10])),
  'end(Uint8Array)': (_req, res) => res.end(new Uint8Array([1, 2, 3])),
  'end(a view into a larger buffer)': (_req, res) => res.end(new Uint8Array(Buffer.from('abcdef').buffer, 0, 4).subarray(1)),
  'end(callback)': (_req, res) => res.end(() => undefined),
  'end(multi-byte text)': (_req, res) => res.end('☃ € 𝒳'),
  'end with a lone surrogate': (_req, res) => res.end('a\ud800b'),
  'write and end in pieces': (_req, res) => {
    res.write('a');
    res.write(Buffer.from('b'));
    res.end('c');
  },
  'write with encodings': (_req, res) => {
    res.write('YQ==', 'base64');
    res.write('62', 'hex');
    res.write('é', 'latin1');
    res.end('é');
  },
  'write of an empty text': (_req, res) => {
    res.write('');
    res.end();
  },
  'write, then end with nothing': (_req, res) => {
    res.write('abc');
    res.end();
  },
  'write over several ticks': (_req, res) => {
    res.write('1');
    setImmediate(() => {
      res.write('2');
      process.nextTick(() => res.end('3'));
    });
  },
  'write with callbacks': (_req, res) => {
    res.write('1', () => res.write('2', 'utf8', () => res.end('3')));
  },
  'writes with a known length': (_req, res) => {
    res.setHeader('Content-Length', 4);
    res.write('ab');
    res.end('cd');
  },
  'writes of zero length with a known length': (_req, res) => {
    res.setHeader('Content-Length', '0');
    res.end();
  },
  'a large body': (_req, res) => res.end('x'.repeat(300_000)),
  'large writes that wait for drain': (_req, res) => {
    res.write(Buffer.alloc(300_000, 1));
    res.once('drain', () => res.end('end'));
  },
  'a loop that writes until it is told to wait': (_req, res) => {
    let written = 0;
    while (written < 50 && res.write('y'.repeat(20_000))) written += 1;
    res.once('drain', () => res.end(written < 50 ? '!' : '?'));
  },
  'a piped file': (_req, res) => {
    createReadStream(path.join(root, 'large.bin')).pipe(res);
  },
  'a pipeline': (_req, res) => {
    pipeline(Readable.from(['a', 'b', Buffer.from('c')]), res, () => undefined);
  },
  'corked writes': (_req, res) => {
    res.cork();
    res.write('a');
    res.write('b');
    res.uncork();
    res.end('c');
  },
  'flushHeaders before the body': (_req, res) => {
    res.setHeader('X-Early', '1');
    res.flushHeaders();
    res.end('late');
  },
  'flushHeaders without a body': (_req, res) => {
    res.flushHeaders();
    res.end();
  },
  'headersSent and the like, told in the body': (_req, res) => {
    const before = [res.headersSent, res.writableEnded, res.statusCode];
    res.write(JSON.stringify(before));
    res.end(JSON.stringify([res.headersSent, res.writableEnded, res.writableFinished, res.getHeaderNames()]));
  },
  'getHeaders after writeHead alone': (_req, res) => {
    res.writeHead(200, { 'X-A': '1' });
    res.end(JSON.stringify([res.getHeaders(), res.hasHeader('x-a'), res.getHeader('x-a') ?? null]));
  },
  'getHeaders after setHeader and writeHead': (_req, res) => {
    res.setHeader('X-A', '1');
    res.writeHead(200, { 'X-B': '2' });
    res.end(JSON.stringify([res.getHeaders(), res.getHeaderNames(), res.hasHeader('x-b')]));
  },
  'setting a header too late': (_req, res) => {
    res.write('a');
    try {
      res.setHeader('X-Late', '1');
    } catch (error) {
      res.end(String(error));
    }
  },
  'removing a header too late': (_req, res) => {
    res.write('a');
    try {
      res.removeHeader('X-Late');
    } catch (error) {
      res.end(String(error));
    }
  },
  'writeHead twice': (_req, res) => {
    res.writeHead(200);
    try {
      res.writeHead(202);
    } catch (error) {
      res.end(String(error));
    }
  },
  'a status that is changed after the headers': (_req, res) => {
    res.write('a');
    res.statusCode = 500;
    res.statusMessage = 'Too late';
    res.end('b');
  },
  'a status that is changed after the end': (_req, res) => {
    res.end('b');
    res.statusCode = 500;
    res.statusMessage = 'Too late';
  },
  // status
  'statusCode 201': [(_req, res) => ((res.statusCode = 201), res.end('made')), {}, 201],
  'a status message of its own': (_req, res) => {
    res.statusMessage = 'Fine By Me';
    res.end();
  },
  'an unknown status': [(_req, res) => ((res.statusCode = 799), res.end('?')), {}, 799],
  'writeHead(status)': [(_req, res) => res.writeHead(202).end('x'), {}, 202],
  'writeHead(status, message)': [(_req, res) => res.writeHead(404, 'Nope').end('x'), {}, 404],
  'writeHead(status, message, headers)': [(_req, res) => res.writeHead(404, 'Nope', { 'X-A': 'b' }).end('x'), {}, 404],
  'writeHead(status, empty message)': [(_req, res) => res.writeHead(200, '').end('x')],
  'writeHead(status, headers)': (_req, res) => res.writeHead(200, { 'X-A': 'b', 'X-N': 7 }).end('x'),
  'writeHead(status, list of headers)': (_req, res) =>
    res.writeHead(200, ['X-A', 'b', 'x-a', 'c', 'Set-Cookie', 'a=1', 'set-cookie', 'b=2']).end('x'),
  'writeHead after setHeader': (_req, res) => {
    res.setHeader('X-A', '1');
    res.setHeader('X-B', '1');
    res.writeHead(200, { 'x-a': '2', 'X-C': '3' }).end('x');
  },
  'writeHead with a list after setHeader': (_req, res) => {
    res.setHeader('X-A', '1');
    res.writeHead(200, ['X-A', '2', 'X-C', '3', 'X-C', '4']).end('x');
  },
  'writeHead(status, list of pairs)': (_req, res) => {
    Reflect.apply(res.writeHead.bind(res), undefined, [
      200,
      [
        ['X-A', 'b'],
        ['X-A', 'c'],
        ['X-N', 5],
      ],
    ]);
    res.end('x');
  },
  'writeHead with an odd list': [told((res) => res.writeHead(200, ['X-A'])), {}],
  'writeHead with an undefined header': [told((res) => res.writeHead(200, { 'X-A': undefined })), {}],
  'writeHead with an invalid name': [told((res) => res.writeHead(200, { 'X A': '1' })), {}],
  'writeHead with an invalid value': [told((res) => res.writeHead(200, { 'X-A': 'a\nb' })), {}],
  'writeHead with a repeated header': (_req, res) =>
    res.writeHead(200, { 'X-A': ['1', '2'], 'Set-Cookie': ['a=1', 'b=2'] }).end(),
  'writeHead with status 99': told((res) => res.writeHead(99)),
  'writeHead with a wrong message': told((res) => res.writeHead(200, 'a\nb')),
  'writeHead with a content length': (_req, res) => res.writeHead(200, { 'Content-Length': 5 }).end('hello'),
  'writeHead with a content length, in pieces': (_req, res) => {
    res.writeHead(200, { 'Content-Length': '5' });
    res.write('he');
    res.end('llo');
  },
  'setHeader with invalid name': told((res) => res.setHeader('a b', '1')),
  'setHeader with undefined': told((res) => {
    Reflect.apply(res.setHeader.bind(res), undefined, ['a', undefined]);
  }),
  'setHeader with characters outside of latin1': told((res) => res.setHeader('a', '☃')),
  'write of a number': told((res) => {
    Reflect.apply(res.write.bind(res), undefined, [1]);
  }),
  'write of null': told((res) => {
    Reflect.apply(res.write.bind(res), undefined, [null]);
  }),
  'end of an object': told((res) => {
    Reflect.apply(res.end.bind(res), undefined, [{}]);
  }),
  // headers
  'header values with blanks around': (_req, res) => {
    res.setHeader('X-A', ' \tpadded \t');
    res.setHeader('X-B', '\u00a0nbsp\u00a0');
    res.setHeader('X-C', ['  a  ', ' b ']);
    res.end(Buffer.from('x'));
  },
  'an empty header value': (_req, res) => {
    res.setHeader('X-A', '');
    res.end('x');
  },
  'header values that are no text': (_req, res) => {
    res.setHeader('X-N', 42);
    Reflect.apply(res.setHeader.bind(res), undefined, ['X-Null', null]);
    Reflect.apply(res.setHeader.bind(res), undefined, ['X-True', true]);
    Reflect.apply(res.setHeader.bind(res), undefined, ['X-Obj', { toString: () => 'obj' }]);
    Reflect.apply(res.setHeader.bind(res), undefined, ['X-Nums', [1, 2]]);
    res.end('x');
  },
  'a header with an empty list': (_req, res) => {
    res.setHeader('X-A', []);
    res.end('x');
  },
  'repeated headers of every folding': (_req, res) => {
    res.setHeader('X-A', ['1', '2']);
    res.setHeader('Set-Cookie', ['a=1', 'b=2']);
    res.setHeader('Vary', ['Accept', 'Cookie']);
    res.setHeader('ETag', ['"a"', '"b"']);
    res.setHeader('Location', ['/a', '/b']);
    res.setHeader('Cookie', ['a=1', 'b=2']);
    res.setHeader('Age', ['1', '2']);
    res.setHeader('Server', ['x', 'y']);
    res.setHeader('Content-Type', ['text/plain', 'text/html']);
    res.end('x');
  },
  appendHeader: (_req, res) => {
    res.appendHeader('X-A', '1');
    res.appendHeader('x-a', ['2', '3']);
    res.appendHeader('Set-Cookie', 'a=1');
    res.end('x');
  },
  setHeaders: (_req, res) => {
    res.setHeaders(new Map([['X-A', '1']]));
    res.setHeaders(new Headers({ 'x-b': '2', 'set-cookie': 'c=3' }));
    res.end('x');
  },
  'latin1 header before text': (_req, res) => {
    res.setHeader('X-A', 'café');
    res.end('text');
  },
  'latin1 header before bytes': (_req, res) => {
    res.setHeader('X-A', 'café');
    res.end(Buffer.from('bytes'));
  },
  'latin1 header before nothing': (_req, res) => {
    res.setHeader('X-A', 'café');
    res.end();
  },
  'latin1 header before chunks': (_req, res) => {
    res.setHeader('X-A', 'café');
    res.write('a');
    res.end('b');
  },
  'latin1 header before latin1 text': (_req, res) => {
    res.setHeader('X-A', 'café');
    res.end('é', 'latin1');
  },
  'latin1 header before base64': (_req, res) => {
    res.setHeader('X-A', 'café');
    res.end('YQ==', 'base64');
  },
  'latin1 header, flushed': (_req, res) => {
    res.setHeader('X-A', 'café');
    res.flushHeaders();
    res.end('x');
  },
  'latin1 header with a known length, text written': (_req, res) => {
    res.setHeader('X-A', 'café');
    res.setHeader('Content-Length', 2);
    res.write('a');
    res.end('b');
  },
  'latin1 status message': (_req, res) => {
    res.statusMessage = 'Café';
    res.end(Buffer.from('x'));
  },
  'latin1 status message before text': (_req, res) => {
    res.statusMessage = 'Café';
    res.end('x');
  },
  'latin1 content-disposition before bytes': (_req, res) => {
    res.setHeader('Content-Disposition', 'attachment; filename="café.txt"');
    res.end(Buffer.from('x'));
  },
  'latin1 content-disposition before text': (_req, res) => {
    res.setHeader('Content-Disposition', 'attachment; filename="café.txt"');
    res.end('x');
  },
  'latin1 content-disposition in a list': (_req, res) => {
    res.setHeader('Content-Disposition', ['attachment; filename="café.txt"', 'inline']);
    res.end('x');
  },
  'latin1 content-disposition, then content-length, written': (_req, res) => {
    res.setHeader('Content-Disposition', 'attachment; filename="café.txt"');
    res.setHeader('Content-Length', 1);
    res.write(Buffer.from('x'));
    res.end();
  },
  'latin1 content-disposition after content-length, written': (_req, res) => {
    res.setHeader('Content-Length', 1);
    res.setHeader('Content-Disposition', 'attachment; filename="café.txt"');
    res.write(Buffer.from('x'));
    res.end();
  },
  'latin1 content-disposition in chunks': (_req, res) => {
    res.setHeader('Content-Disposition', 'attachment; filename="café.txt"');
    res.write(Buffer.from('x'));
    res.end();
  },
  'a date of its own': (_req, res) => {
    res.setHeader('Date', 'Thu, 01 Jan 1970 00:00:00 GMT');
    res.end();
  },
  'no date': (_req, res) => {
    res.sendDate = false;
    res.end();
  },
  'a removed date': (_req, res) => {
    res.removeHeader('Date');
    res.end();
  },
  // framing
  'no content-length': (_req, res) => {
    res.removeHeader('Content-Length');
    res.end('x');
  },
  'transfer-encoding set by the handler': (_req, res) => {
    res.setHeader('Transfer-Encoding', 'chunked');
    res.end('x');
  },
  'transfer-encoding set by the handler, HEAD': [
    (_req, res) => {
      res.setHeader('Transfer-Encoding', 'chunked');
      res.end('x');
    },
    { method: 'HEAD' },
  ],
  'connection: close from the client': [(_req, res) => res.end('x'), { headers: { Connection: 'close' } }],
  'connection: close from the handler': (_req, res) => {
    res.setHeader('Connection', 'close');
    res.end('x');
  },
  'connection: keep-alive from the handler': (_req, res) => {
    res.setHeader('Connection', 'keep-alive');
    res.end('x');
  },
  'connection: keep-alive from the handler to a client that closes': [
    (_req, res) => {
      res.setHeader('Connection', 'keep-alive');
      res.end('x');
    },
    { headers: { Connection: 'close' } },
  ],
  'a removed connection header': (_req, res) => {
    res.removeHeader('Connection');
    res.end('x');
  },
  'keep-alive of its own': (_req, res) => {
    res.setHeader('Keep-Alive', 'timeout=77');
    res.end('x');
  },
  'shouldKeepAlive turned off': (_req, res) => {
    res.shouldKeepAlive = false;
    res.end('x');
  },
  'no content-length and no transfer-encoding': (_req, res) => {
    res.removeHeader('Content-Length');
    res.removeHeader('Transfer-Encoding');
    res.setHeader('Connection', 'close');
    res.end('until the end');
  },
  'useChunkedEncodingByDefault turned off': (_req, res) => {
    res.useChunkedEncodingByDefault = false;
    res.write('a');
    res.end('b');
  },
  'a trailer': (_req, res) => {
    res.writeHead(200, { Trailer: 'X-Sum' });
    res.write('a');
    res.addTrailers({ 'X-Sum': '1' });
    res.end('b');
  },
  'trailers that were not announced': (_req, res) => {
    res.write('a');
    res.addTrailers({ 'X-Sum': '1' });
    res.end('b');
  },
  'a trailer announced by end alone': (_req, res) => {
    res.setHeader('Trailer', 'X-Sum');
    res.addTrailers({ 'X-Sum': '1' });
    res.end('b');
  },
  'a trailer with a content length': told((res) => {
    res.setHeader('Trailer', 'X-Sum');
    res.setHeader('Content-Length', '1');
    res.writeHead(200);
  }),
  'strict content length, kept': (_req, res) => {
    res.strictContentLength = true;
    res.setHeader('Content-Length', 3);
    res.end('abc');
  },
  'strict content length, broken after writeHead': told((res) => {
    res.strictContentLength = true;
    res.writeHead(200, { 'Content-Length': 3 });
    try {
      res.write('abcd');
    } catch (error) {
      res.end(String(error).slice(0, 3));
    }
  }),
  // without a body
  HEAD: [(_req, res) => res.end('hello'), { method: 'HEAD' }],
  'HEAD with a content length': [(_req, res) => res.writeHead(200, { 'Content-Length': 99 }).end(), { method: 'HEAD' }],
  'HEAD with writes': [
    (_req, res) => {
      res.write('a');
      res.end('b');
    },
    { method: 'HEAD' },
  ],
  'HEAD with a trailer': [
    told((res) => {
      res.setHeader('Trailer', 'X-Sum');
      res.writeHead(200);
    }),
    { method: 'HEAD' },
  ],
  '204': [(_req, res) => res.writeHead(204).end(), {}, 204],
  '204 with a body': [(_req, res) => res.writeHead(204).end('ignored'), {}, 204],
  '204 with content-type': [(_req, res) => res.writeHead(204, { 'Content-Type': 'text/plain' }).end(), {}, 204],
  '204 with transfer-encoding': [(_req, res) => res.writeHead(204, { 'Transfer-Encoding': 'chunked' }).end(), {}, 204],
  '205': [(_req, res) => res.writeHead(205).end(), {}, 205],
  '205 with a body': [(_req, res) => res.writeHead(205).end('told'), {}, 205],
  '304': [(_req, res) => res.writeHead(304).end(), {}, 304],
  '304 with a body': [(_req, res) => ((res.statusCode = 304), res.end('ignored')), {}, 304],
  '304 with transfer-encoding': [
    (_req, res) => {
      res.setHeader('Transfer-Encoding', 'chunked');
      res.writeHead(304).end('x');
    },
    {},
    304,
  ],
  '304 with a content length': [(_req, res) => res.writeHead(304, { 'Content-Length': 7 }).end(), {}, 304],
  // informational
  writeContinue: (_req, res) => {
    res.writeContinue();
    res.end('x');
  },
  writeProcessing: (_req, res) => {
    res.writeProcessing();
    res.end('x');
  },
  writeEarlyHints: (_req, res) => {
    res.writeEarlyHints({ link: '</a.css>; rel=preload; as=style', 'x-trace': '1' });
    res.end('x');
  },
  'expect: 100-continue': [
    (req, res) => {
      req.resume().on('end', () => res.end(JSON.stringify(req.headers.expect)));
    },
    { method: 'POST', headers: { Expect: '100-continue' }, body: 'abc' },
  ],
  'another expectation': [(_req, res) => res.end('x'), { headers: { Expect: 'something' } }, 417],
  // request
  'the request line and headers as they are': [
    (req, res) => {
      const { method, url, httpVersion, httpVersionMajor, httpVersionMinor, headers } = req;
      res.end(JSON.stringify({ method, url, httpVersion, httpVersionMajor, httpVersionMinor, headers }));
    },
    {
      method: 'DELETE',
      url: '/a/../b//c/%2e%2E?q=%zz&&=#frag',
      headers: { 'X-A': '1', 'x-B': ['2', '3'], Cookie: ['a=1', 'b=2'] },
    },
  ],
  'a request path in absolute form': [(req, res) => res.end(req.url), { url: 'http://example.com/a?b' }],
  'a request for *': [(req, res) => res.end(req.url), { method: 'OPTIONS', url: '*' }],
  'a request path with two slashes': [(req, res) => res.end(req.url), { url: '//evil.example/a' }],
  'request headers with blanks around': [
    (req, res) => res.end(JSON.stringify(req.headers['x-a'])),
    { headers: { 'X-A': ' \t b \t ' } },
  ],
  'request headers in latin1': [(req, res) => res.end(JSON.stringify(req.headers['x-a'])), { headers: { 'X-A': 'café' } }],
  'repeated request headers that are not joined': [
    (req, res) => res.end(JSON.stringify([req.headers, req.headersDistinct])),
    {
      headers: { 'Content-Type': ['text/a', 'text/b'], 'User-Agent': ['a', 'b'], Authorization: ['x', 'y'], Referer: ['1', '2'] },
    },
  ],
  'headers named like members of Object.prototype': [
    (req, res) => res.end(JSON.stringify(req.headers)),
    {
      headers: Object.fromEntries([
        ['constructor', 'a'],
        ['__proto__x', 'b'],
        ['hasOwnProperty', 'c'],
      ]),
    },
  ],
  'a body that nobody reads': [(_req, res) => res.end('x'), { method: 'POST', body: 'unread' }],
  'a POST without a body': [
    (req, res) => res.end(JSON.stringify([req.headers['content-length'] ?? null, req.headers['transfer-encoding'] ?? null])),
    { method: 'POST' },
  ],
  'a PUT without a body': [(req, res) => res.end(JSON.stringify(req.headers)), { method: 'PUT' }],
  'a PATCH without a body': [(req, res) => res.end(JSON.stringify(req.headers)), { method: 'PATCH' }],
  'a DELETE without a body': [(req, res) => res.end(JSON.stringify(req.headers)), { method: 'DELETE' }],
  'an OPTIONS without a body': [(req, res) => res.end(JSON.stringify(req.headers)), { method: 'OPTIONS' }],
  'a PROPFIND without a body': [(req, res) => res.end(JSON.stringify(req.headers)), { method: 'PROPFIND' }],
  'a DELETE with a body': [echo, { method: 'DELETE', body: 'gone' }],
  'a GET with a body': [echo, { method: 'GET', body: 'asked' }],
  'an echoed text': [echo, { method: 'POST', body: 'text ☃' }],
  'an echoed empty text': [echo, { method: 'POST', body: '' }],
  'an echoed buffer': [echo, { method: 'PUT', body: Buffer.from([0, 1, 2, 255]) }],
  'an echoed Uint8Array': [echo, { method: 'PUT', body: new Uint8Array([9, 8, 7]) }],
  'an echoed large body': [echo, { method: 'POST', body: 'q'.repeat(500_000) }],
  'a body read with setEncoding': [
    (req, res) => {
      let text = '';
      req
        .setEncoding('utf8')
        .on('data', (piece: string) => (text += piece))
        .on('end', () => res.end(text));
    },
    { method: 'POST', body: 'snow ☃' },
  ],
  'a body read by iteration': [
    (req, res) => {
      void (async () => {
        let length = 0;
        for await (const chunk of req) length += (chunk as Buffer).length;
        res.end(String(length));
      })();
    },
    { method: 'POST', body: 'four' },
  ],
  'a body read long after the request': [
    (req, res) => {
      setImmediate(() => setImmediate(() => echo(req, res)));
    },
    { method: 'POST', body: 'patience' },
  ],
  'no body, read': [echo, {}],
  'the ends of a request that nobody reads': [
    (req, res) => {
      req.on('end', () => res.end('end'));
      req.resume();
    },
    {},
  ],
  'addresses of the socket': (req, res) => {
    const { remoteAddress, remoteFamily, localAddress, localFamily, destroyed, writable, readable } = req.socket;
    res.end(JSON.stringify({ remoteAddress, remoteFamily, localAddress, localFamily, destroyed, writable, readable }));
  },
  'one socket under all of its names': (req, res) => {
    res.end(JSON.stringify([req.socket === res.socket, 'encrypted' in req.socket, res.req === req]));
  },
  'properties of a fresh request': (req, res) => {
    const { complete, destroyed, readable, readableEnded, readableFlowing, trailers, rawTrailers, rawHeaders } = req;
    res.end(
      JSON.stringify({
        complete,
        destroyed,
        readable,
        readableEnded,
        readableFlowing,
        trailers,
        rawTrailers,
        rawHeaders: rawHeaders.length > 0,
      }),
    );
  },
  'properties of a fresh response': (_req, res) => {
    const {
      sendDate,
      shouldKeepAlive,
      chunkedEncoding,
      destroyed,
      writable,
      writableLength,
      writableCorked,
      statusMessage,
      writableObjectMode,
    } = res;
    res.end(
      JSON.stringify({
        sendDate,
        shouldKeepAlive,
        chunkedEncoding,
        destroyed,
        writable,
        writableLength,
        writableCorked,
        statusMessage,
        writableObjectMode,
      }),
    );
  },
};

function echo(req: IncomingMessage, res: ServerResponse): void {
  res.setHeader('X-Framing', JSON.stringify([req.headers['content-length'] ?? null, req.headers['transfer-encoding'] ?? null]));
  req.pipe(res);
}

/** Answers with the error that a call raises, or with what became of the response without one. */
function told(call: (res: ServerResponse) => void): RawHandler {
  return (_req, res) => {
    let outcome = 'no error';
    try {
      call(res);
    } catch (error) {
      outcome = types.isNativeError(error)
        ? `${'code' in error ? String(error.code) : ''} ${error.name} ${error.message}`
        : String(error);
    }
    if (res.headersSent) {
      res.end();
      return;
    }
    for (const name of res.getHeaderNames()) res.removeHeader(name);
    res.statusMessage = 'OK';
    res.end(JSON.stringify(outcome));
  };
}

const entries = Object.entries(handlers).map(([name, entry]) => {
  const [handler, request = {}, status = 200] = typeof entry === 'function' ? [entry] : entry;
  return { name, handler, request, status };
});

// One server for all: a header chooses the handler, so that urls are free.
const byName = new Map(entries.map(({ name, handler }) => [encodeURIComponent(name), handler]));

parity(
  'a handler of plain Node',
  () => (req: IncomingMessage, res: ServerResponse) => {
    const handler = byName.get(String(req.headers['x-handler']));
    delete req.headers['x-handler'];
    if (handler === undefined) throw new Error('There is no such handler.');
    handler(req, res);
  },
  entries.map(({ name, request, status }) =>
    row(name, { url: '/', ...request, headers: { ...request.headers, 'X-Handler': encodeURIComponent(name) } }, status),
  ),
);
