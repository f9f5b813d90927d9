import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import type { RequestHandler, Router } from 'express';
import { createChannels, viewAsConsumer } from 'express-channels';
import { WebSocket } from 'ws';

import type { ViewClientOptions } from './view-client.js';

/** The text of the frame that answers `{ action: 'run', request_id: 1 }`, as it came over the wire. */
export async function rawReply(handler: Router | RequestHandler, { app, ...options }: ViewClientOptions = {}): Promise<string> {
  const channels = createChannels(app, { onError: () => undefined });
  channels.route('/ws', viewAsConsumer(handler, { run: 'GET /' }, options));
  const server = channels.listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = new WebSocket(`ws://127.0.0.1:${String(port)}/ws`);
    await once(socket, 'open');
    socket.send('{"action":"run","request_id":1}');
    const [data] = (await once(socket, 'message')) as [Buffer];
    socket.terminate();
    return data.toString();
  } finally {
    await channels.close({ timeoutMs: 1 });
  }
}
