import zlib from 'node:zlib';

import compression from 'compression';
import express from 'express';

import { agree } from './sequence.js';

const text = 'compressible text. '.repeat(2_000);
const decoders: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: (bytes) => zlib.gunzipSync(bytes),
  deflate: (bytes) => zlib.inflateSync(bytes),
  br: (bytes) => zlib.brotliDecompressSync(bytes),
};

test.each(['gzip', 'deflate', 'br', 'gzip;q=0, identity', '', 'gzip, br'])(
  'compression, for a client that accepts "%s"',
  async (accepted) => {
    const build = () => {
      const app = express();
      app.use(compression());
      app.get('/send', (_req, res) => {
        res.type('text').send(text);
      });
      app.get('/short', (_req, res) => {
        res.type('text').send('short');
      });
      app.get('/pieces', (_req, res) => {
        res.type('text');
        res.write(text);
        res.flush();
        setImmediate(() => res.end(text));
      });
      app.get('/bytes', (_req, res) => {
        res.type('png').send(Buffer.from(text));
      });
      app.get('/untouched', (_req, res) => {
        res.set('Cache-Control', 'no-transform').type('text').send(text);
      });
      return app;
    };
    const urls = ['/send', '/short', '/pieces', '/bytes', '/untouched'];
    const answers = await agree(
      build,
      [...urls.map((url) => ({ url })), { method: 'HEAD', url: '/send' }].map((request) => ({
        ...request,
        headers: { 'Accept-Encoding': accepted },
      })),
      ({ body, ...head }) => {
        const decode = decoders[head.headers['content-encoding'] ?? ''];
        return { ...head, body: decode === undefined || body === '' ? body : decode(Buffer.from(body, 'latin1')).toString() };
      },
    );
    const compressed = /^(gzip|deflate|br)(,|$)/.test(accepted);
    expect('content-encoding' in (answers[0]?.headers ?? {})).toBe(compressed);
  },
);
