import { createServer, type Server } from 'node:http';

import type { Application } from '../http/application.js';

/** An HTTP server of an application. If its port is taken and nobody listens for that, the error says what to do. */
export function serverOf(app: Application): Server {
  const server = createServer((req, res) => {
    app(req, res);
  });
  return server.on('error', (cause: NodeJS.ErrnoException) => {
    if (server.listenerCount('error') > 1) return;
    // As Node throws what nobody has listened for.
    throw cause.code === 'EADDRINUSE' ? taken(cause) : cause;
  });
}

function taken(cause: NodeJS.ErrnoException): Error {
  const place = 'port' in cause ? `Port ${String(cause.port)}` : 'The address';
  const message =
    `${place} is taken. If app.listen() stands beside channels.listen(), leave one out: ` +
    'channels.listen(8000) serves the application as well, or channels.attach(app.listen(8000)) takes its server.';
  return Object.assign(new Error(message, { cause }), { code: cause.code });
}
