// CPU time that a server's process spends on an action over a socket, against the plainest way to do the same:
// (a) a custom action against bare ws and JSON with the same handler, (b) `retrieve` through viewAsConsumer against keep-alive HTTP.
// Usage: npm run bench:actions [-- --rounds 9 --actions 20000 --express express4]
import { fork } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { median } from './median.mjs';

const CONNECTIONS = 16;
/** Each side of a comparison is a server of its own, so that neither warms up nor litters the other's process. */
const comparisons = [
  { name: 'custom action', plain: 'ws', ours: 'action', aim: 1.2 },
  { name: 'retrieve, router', plain: 'http', ours: 'router', aim: 0.6 },
  { name: 'retrieve, whole app', plain: 'http', ours: 'app' },
];
/** How often both servers are started anew: how well V8 compiles differs from process to process. */
const PAIRS = 3;
/** How many requests a client sends at once before it reads as many answers. */
const AT_ONCE = [1, 8];

if (process.argv[2] === '--server') await serve(process.argv[3], process.argv[4]);
else await main();

async function main() {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '9' },
      actions: { type: 'string', default: '20000' },
      express: { type: 'string', default: 'express' },
    },
  });
  const rounds = Number(values.rounds);
  const actions = Number(values.actions);
  console.log(
    `Node ${process.version}, ${values.express}; ${CONNECTIONS} connections from another process over loopback; medians of ${rounds} ` +
      `alternating runs of ${actions} actions; µs of the server's CPU (user + system) per action`,
  );
  for (const { name, plain, ours, aim } of comparisons) {
    for (const atOnce of AT_ONCE) {
      const taken = { plain: [], ours: [], ratio: [] };
      for (let pair = 0; pair < Math.min(PAIRS, rounds); pair += 1) {
        const servers = [await start(plain, values.express), await start(ours, values.express)];
        for (let round = -2; round < Math.ceil(rounds / PAIRS); round += 1) {
          const cost = [0, 0];
          for (const side of round % 2 === 0 ? [0, 1] : [1, 0]) cost[side] = await measure(servers[side], actions, atOnce);
          if (round < 0) continue; // warm-up
          taken.plain.push(cost[0]);
          taken.ours.push(cost[1]);
          taken.ratio.push(cost[1] / cost[0]);
        }
        for (const { child } of servers) child.disconnect();
      }
      const [cheapest, own, ratio] = [taken.plain, taken.ours, taken.ratio].map(median);
      console.log(
        `${name.padEnd(20)} ${String(atOnce)} at once  ${plain.padEnd(4)} ${cheapest.toFixed(1).padStart(6)}  ` +
          `socket ${own.toFixed(1).padStart(6)}  ratio ${ratio.toFixed(2)}${aim === undefined ? '' : `  (aim ${aim.toFixed(2)})`}`,
      );
    }
  }
}

async function start(side, express) {
  const child = fork(fileURLToPath(import.meta.url), ['--server', side, express]);
  const [port] = await once(child, 'message');
  return { side, child, port };
}

/** µs of CPU per action. Connections are made before the clock runs. */
async function measure({ side, child, port }, actions, atOnce) {
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => connect(side, port)));
  await ask(child, 'start');
  const turns = Math.ceil(actions / CONNECTIONS / atOnce);
  await Promise.all(clients.map((client) => converse(client, turns, atOnce)));
  const used = await ask(child, 'stop');
  for (const { socket } of clients) socket.destroy();
  return used / (turns * atOnce * CONNECTIONS);
}

async function ask(child, message) {
  child.send(message);
  const [answer] = await once(child, 'message');
  return answer;
}

/** A client of a few lines for either side: it sends the same bytes again and again, and knows an answer by its length. */
async function connect(side, port) {
  const socket = net.connect(port, '127.0.0.1').setNoDelay();
  await once(socket, 'connect');
  const common = 'host: localhost\r\nuser-agent: bench\r\n';
  if (side === 'http')
    return { socket, ...(await learn(socket, `GET /things/1 HTTP/1.1\r\n${common}accept: application/json\r\n\r\n`)) };
  socket.write(
    `GET /ws HTTP/1.1\r\n${common}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n` +
      `sec-websocket-key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`,
  );
  await once(socket, 'data');
  const custom = { action: 'add', request_id: 7, a: 1, b: 2 };
  const frame = side === 'ws' || side === 'action' ? custom : { action: 'retrieve', request_id: 7, pk: '1' };
  return { socket, ...(await learn(socket, maskedFrame(JSON.stringify(frame)))) };
}

/** Sends a first request, and looks whether its answer is the right one. */
async function learn(socket, request) {
  socket.write(request);
  const [answer] = await once(socket, 'data');
  if (!/"sum":3|"pk":"1"/.test(answer.toString())) throw new Error(`Unexpected answer: ${answer.toString()}`);
  return { request: Buffer.from(request), answerLength: answer.length };
}

async function converse({ socket, request, answerLength }, turns, atOnce) {
  const requests = Buffer.concat(Array.from({ length: atOnce }, () => request));
  const expected = atOnce * answerLength;
  await new Promise((resolve, reject) => {
    let left = turns;
    let received = 0;
    socket.on('data', (bytes) => {
      received += bytes.length;
      if (received < expected) return;
      if (received > expected) reject(new Error(`Expected ${expected} bytes, got ${received}.`));
      received = 0;
      left -= 1;
      if (left === 0) resolve();
      else socket.write(requests);
    });
    socket.on('close', () => reject(new Error('The server has closed the connection.')));
    socket.write(requests);
  });
}

/** A text frame below 126 bytes under a mask of zeros, which the server takes off like any other. */
function maskedFrame(text) {
  return Buffer.concat([Buffer.from([0x81, 0x80 | Buffer.byteLength(text), 0, 0, 0, 0]), Buffer.from(text)]);
}

async function serve(side, expressName) {
  const { default: express } = await import(expressName);
  const { createChannels, defineConsumer, viewAsConsumer } = await import('express-channels');
  const add = async (_ctx, { a, b }) => ({ sum: a + b });
  const things = express.Router();
  things.get('/:pk', (req, res) => {
    res.json({ pk: req.params.pk, name: 'a thing', counter: 3 });
  });
  const app = express().use('/things', things);

  const servers = {
    ws: async () => {
      const { WebSocketServer } = await import('ws');
      const server = http.createServer();
      new WebSocketServer({ server }).on('connection', (socket) => {
        socket.on('message', async (bytes) => {
          const frame = JSON.parse(bytes);
          const data = await add(undefined, frame);
          socket.send(
            JSON.stringify({ errors: [], data, action: frame.action, response_status: 200, request_id: frame.request_id }),
          );
        });
      });
      return server.listen(0, '127.0.0.1');
    },
    http: () => app.listen(0, '127.0.0.1'),
    action: () => channelsOf(defineConsumer({ actions: { add } })),
    router: () => channelsOf(viewAsConsumer(things)),
    app: () => channelsOf(viewAsConsumer(app, { retrieve: 'GET /things/:pk' })),
  };
  const channelsOf = (consumer) => createChannels(app).route('/ws', consumer).listen(0, '127.0.0.1');
  const server = await servers[side]();
  await once(server, 'listening');
  process.send(server.address().port);

  let since;
  process.on('message', (message) => {
    if (message === 'start') {
      since = process.cpuUsage();
      process.send(true);
      return;
    }
    const { user, system } = process.cpuUsage(since);
    process.send(user + system);
  });
  process.once('disconnect', () => process.exit());
}
