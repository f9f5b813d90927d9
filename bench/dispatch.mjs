// CPU time that the server's process spends on a request: dispatch() against keep-alive HTTP to the same application.
// Usage: npm run bench:dispatch [-- --rounds 9 --requests 10000]
import { fork } from 'node:child_process';
import net from 'node:net';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { median } from './median.mjs';

const CONNECTIONS = 16;
const cases = {
  'GET, small JSON': { method: 'GET', url: '/things/1?verbose=1' },
  'POST, express.json()': { method: 'POST', url: '/things', body: JSON.stringify({ name: 'a thing', counter: 3 }) },
};

if (process.argv[2] === '--server') await serve();
else await main();

async function main() {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '9' }, requests: { type: 'string', default: '10000' } },
  });
  const rounds = Number(values.rounds);
  const requests = Number(values.requests);
  console.log(
    `Node ${process.version}; ${rounds} alternating runs of ${requests} requests; µs of CPU (user + system) per request`,
  );
  for (const express of ['express', 'express4']) {
    for (const [name, request] of Object.entries(cases)) {
      const server = fork(fileURLToPath(import.meta.url), ['--server', express]);
      const [port] = await once(server, 'message');
      const measure = { http: overHttp, dispatch: inProcess };
      const taken = { http: [], dispatch: [], ratio: [] };
      for (let round = -1; round < rounds; round += 1) {
        const cost = {};
        for (const way of round % 2 === 0 ? ['http', 'dispatch'] : ['dispatch', 'http']) {
          cost[way] = await measure[way](server, port, request, requests);
        }
        if (round < 0) continue; // warm-up
        taken.http.push(cost.http);
        taken.dispatch.push(cost.dispatch);
        taken.ratio.push(cost.dispatch / cost.http);
      }
      server.kill();
      const [http, dispatch, ratio] = [taken.http, taken.dispatch, taken.ratio].map(median);
      console.log(
        `${express.padEnd(8)} ${name.padEnd(21)} HTTP ${http.toFixed(1).padStart(6)}  dispatch ${dispatch.toFixed(1).padStart(6)}  ratio ${ratio.toFixed(2)}`,
      );
    }
  }
}

async function overHttp(server, port, request, requests) {
  await ask(server, { start: true });
  const each = requests / CONNECTIONS;
  await Promise.all(Array.from({ length: CONNECTIONS }, () => keepAliveClient(port, request, each)));
  return (await ask(server, { stop: true })) / requests;
}

async function inProcess(server, _port, request, requests) {
  return (await ask(server, { dispatch: request, requests })) / requests;
}

async function ask(server, message) {
  server.send(message);
  const [answer] = await once(server, 'message');
  return answer;
}

/** Sends one request after the other on one connection; the answers are small enough to arrive in one piece. */
async function keepAliveClient(port, { method, url, body }, requests) {
  const entity = body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
  const bytes = Buffer.from(
    `${method} ${url} HTTP/1.1\r\nhost: localhost\r\nuser-agent: bench\r\naccept: application/json\r\n${entity}\r\n${body ?? ''}`,
  );
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  await new Promise((resolve, reject) => {
    let left = requests;
    socket.on('data', () => {
      if ((left -= 1) <= 0) resolve();
      else socket.write(bytes);
    });
    socket.on('error', reject);
    socket.write(bytes);
  });
  socket.destroy();
}

async function serve() {
  const { default: express } = await import(process.argv[3]);
  const { dispatch } = await import('express-channels');
  const app = express();
  app.get('/things/:pk', (req, res) => {
    res.json({ pk: req.params.pk, name: 'a thing', counter: 3, verbose: req.query.verbose });
  });
  app.post('/things', express.json(), (req, res) => {
    res.status(201).json({ pk: 1, ...req.body });
  });
  const server = app.listen(0, '127.0.0.1', () => process.send(server.address().port));
  let start;
  const used = () => {
    const { user, system } = process.cpuUsage(start);
    return user + system;
  };
  process.on('message', async (message) => {
    if (message.start) {
      start = process.cpuUsage();
      process.send(true);
    } else if (message.stop) {
      process.send(used());
    } else {
      const { method, url, body } = message.dispatch;
      const headers = { host: 'localhost', 'user-agent': 'bench', accept: 'application/json' };
      if (body !== undefined) headers['content-type'] = 'application/json';
      start = process.cpuUsage();
      await Promise.all(
        Array.from({ length: CONNECTIONS }, async () => {
          for (let left = message.requests / CONNECTIONS; left > 0; left -= 1) {
            await dispatch(app, { method, url, headers, body });
          }
        }),
      );
      process.send(used());
    }
  });
}
