// HTTP and sockets side by side in one process for a minute: what must not change, and what must not grow.
// Usage: npm run build && node bench/soak.mjs [--seconds 60] [--sockets 50]
import { once } from 'node:events';
import http from 'node:http';
import { parseArgs } from 'node:util';

import express from 'express';
import session from 'express-session';
import { WebSocket } from 'ws';

import { createChannels, viewAsConsumer } from '../dist/esm/index.js';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, sockets: { type: 'string', default: '50' } },
});
const store = new session.MemoryStore();
const app = express();
app.use(session({ secret: 'soak', resave: false, saveUninitialized: true, store }));
app.get('/things/:id', (req, res) => {
  res.json({ id: req.params.id });
});
const channels = createChannels(app).route('/ws', viewAsConsumer(app, { retrieve: 'GET /things/:id' }));
const server = channels.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address();
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });

const watched = [http.IncomingMessage.prototype, http.ServerResponse.prototype, express.request, express.response];
const shape = () =>
  watched.flatMap((one) => Reflect.ownKeys(one).map((key) => [key, Object.getOwnPropertyDescriptor(one, key)?.value]));
const before = shape();
const until = performance.now() + Number(values.seconds) * 1_000;
const counts = { http: 0, actions: 0, connects: 0, wrong: 0 };

await Promise.all([
  ...Array.from({ length: Number(values.sockets) }, clientOfSockets),
  ...Array.from({ length: 4 }, clientOfHttp),
  watch(),
]);
await channels.close();
agent.destroy();
const after = shape();
const intact =
  before.length === after.length && before.every(([key, value], index) => key === after[index][0] && value === after[index][1]);
console.log(JSON.stringify({ ...counts, sessions: Object.keys(store.sessions).length, intact }));
if (!intact || counts.wrong > 0) process.exitCode = 1;

async function clientOfSockets() {
  while (performance.now() < until) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    await once(socket, 'open');
    counts.connects += 1;
    for (let id = 0; id < 100; id += 1) {
      socket.send(JSON.stringify({ action: 'retrieve', pk: id }));
      const [frame] = await once(socket, 'message');
      if (JSON.parse(frame).data?.id !== String(id)) counts.wrong += 1;
      counts.actions += 1;
    }
    socket.close();
    await once(socket, 'close');
  }
}

async function clientOfHttp() {
  for (let id = 0; performance.now() < until; id += 1) {
    const [response] = await once(http.get({ agent, port, host: '127.0.0.1', path: `/things/${id}` }), 'response');
    let text = '';
    for await (const chunk of response) text += chunk;
    if (text !== JSON.stringify({ id: String(id) })) counts.wrong += 1;
    counts.http += 1;
  }
}

async function watch() {
  while (performance.now() < until) {
    const { heapUsed } = process.memoryUsage();
    console.log(
      `${(heapUsed / 1e6).toFixed(0)} MB heap, ${channels.size} sockets, ${counts.actions} actions, ${counts.http} HTTP requests`,
    );
    await new Promise((resolve) => setTimeout(resolve, 5_000));
  }
}
