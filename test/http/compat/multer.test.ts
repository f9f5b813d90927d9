import express from 'express';
import multer from 'multer';

import { onError } from '../parity/on-error.js';
import { agree } from './sequence.js';

const BOUNDARY = 'boundary123';

function multipart(
  ...parts: readonly (readonly [disposition: string, type: string | undefined, content: string | Buffer])[]
): Buffer {
  const pieces = parts.flatMap(([disposition, type, content]) => [
    Buffer.from(
      `--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n${type === undefined ? '' : `Content-Type: ${type}\r\n`}\r\n`,
    ),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

test('multer takes uploads, in one piece and in chunks, and enforces its limits', async () => {
  const build = () => {
    const app = express();
    const upload = multer({ storage: multer.memoryStorage(), limits: { fileSize: 100_000 } });
    app.post('/one', upload.single('file'), (req, res) => {
      const { originalname, mimetype, size, buffer } = req.file ?? {};
      res.json({ originalname, mimetype, size, start: buffer?.toString('hex', 0, 8), body: req.body as unknown });
    });
    app.post('/many', upload.array('files', 2), (req, res) => {
      res.json(Array.isArray(req.files) ? req.files.map(({ originalname, size }) => [originalname, size]) : null);
    });
    app.use(
      onError((error, res) => {
        res.status(400).json({ error: error.message, code: 'code' in error ? error.code : undefined });
      }),
    );
    return app;
  };
  const headers = { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` };
  const file = multipart(
    ['name="note"', undefined, 'a ☃ note'],
    ['name="file"; filename="a.bin"', 'application/octet-stream', Buffer.from([0, 1, 2, 255])],
  );
  const answers = await agree(build, [
    { method: 'POST', url: '/one', headers, body: file },
    { method: 'POST', url: '/one', headers: { ...headers, 'Transfer-Encoding': 'chunked' }, body: file },
    {
      method: 'POST',
      url: '/one',
      headers,
      body: multipart(['name="file"; filename="large"', 'text/plain', 'x'.repeat(90_000)]),
    },
    {
      method: 'POST',
      url: '/one',
      headers,
      body: multipart(['name="file"; filename="too-large"', 'text/plain', 'x'.repeat(200_000)]),
    },
    { method: 'POST', url: '/one', headers, body: multipart(['name="other"; filename="a"', 'text/plain', 'x']) },
    { method: 'POST', url: '/one', headers, body: file.subarray(0, 120) },
    {
      method: 'POST',
      url: '/many',
      headers,
      body: multipart(['name="files"; filename="a"', 'text/plain', 'a'], ['name="files"; filename="b"', 'text/plain', 'bb']),
    },
    { method: 'POST', url: '/one', headers: { 'Content-Type': 'text/plain' }, body: 'no form' },
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 400, 400, 400, 200, 200]);
  expect(answers[0]?.body).toContain('"start":"000102ff"');
});
