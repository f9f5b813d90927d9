import { once } from 'node:events';
import type { Express, RequestHandler } from 'express';
import type { Channels } from 'express-channels';
import { createApp } from '../../example-app/src/app.js';
import { forgetPresences } from '../../example-app/src/live/chat.models.js';
import { createLogin } from '../../example-app/src/login.js';
import { mountSocket } from '../../example-app/src/socket.js';

export interface Example {
  app: Express;
  channels: Channels;
  /** Such as `127.0.0.1:40123`. */
  host: string;
}

/** Starts the example app as its main.ts does, on a free port or on one that is given. */
export async function startExample(port = 0, login: RequestHandler[] = createLogin()): Promise<Example> {
  await forgetPresences();
  const app = createApp(login);
  const channels = mountSocket(app, login);
  const server = channels.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return { app, channels, host: `127.0.0.1:${address.port}` };
}
