// CPU time that a server's process spends on delivering an event to a subscriber, against bare ws that sends one prepared frame to as
// many sockets: (a) a signal, which is delivery alone, (b) the update of a row, with its write and the reading of the row, and the same
// with a single subscriber, which shows what those two cost, (c) a signal of another process over Redis, both processes together.
// Usage: npm run bench:fanout [-- --rounds 9 --events 200 --subscribers 1000]
import { fork, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import net from 'node:net';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { median } from './median.mjs';

/** How often the servers are started anew: how well V8 compiles differs from process to process. */
const PAIRS = 3;
/** Request_ids are of one length, so that all frames are. */
const FIRST_REQUEST_ID = 100_000;
const thing = (counter) => ({ id: 7, name: 'a thing of many', owner: 'somebody', room: 'east wing', counter });
const frameOf = (counter, requestId) =>
  JSON.stringify({ errors: [], data: thing(counter), action: 'update', response_status: 200, request_id: requestId });

async function main() {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '9' },
      events: { type: 'string', default: '200' },
      subscribers: { type: 'string', default: '1000' },
    },
  });
  const [rounds, events, subscribers] = [values.rounds, values.events, values.subscribers].map(Number);
  console.log(
    `Node ${process.version}; ${subscribers} subscribers with request_ids of their own, from another process over loopback; medians of ` +
      `${rounds} alternating runs of ${events} events; µs of the server's CPU (user + system) per delivered event; ` +
      `load ${loadavg()[0].toFixed(1)}`,
  );
  await compare('signal', { rounds, events, subscribers, aim: 1.1 });
  await compare('row', { rounds, events, subscribers });
  await compare('row', { rounds, events, subscribers: 1 });
  const redis = await startRedis();
  if (redis === undefined) {
    console.log('two processes over Redis: skipped, there is no redis-server on this machine');
    return;
  }
  await compare('subscribers', { rounds, events, subscribers, redis: redis.url });
  redis.stop();
}

/** Alternating runs of bare ws and of one way to deliver. */
async function compare(name, { rounds, events, subscribers, aim, redis }) {
  const taken = { plain: [], ours: [], ratio: [] };
  for (let pair = 0; pair < Math.min(PAIRS, rounds); pair += 1) {
    const sides = [[await start('ws')], [await start(name, redis)]];
    if (redis !== undefined) sides[1].push(await start('emitter', redis));
    const clients = [];
    for (const [server] of sides) clients.push(await Clients.open(server, subscribers));
    for (let round = -2; round < Math.ceil(rounds / PAIRS); round += 1) {
      const cost = [0, 0];
      for (const side of round % 2 === 0 ? [0, 1] : [1, 0]) cost[side] = await measure(sides[side], clients[side], events);
      if (round < 0) continue; // warm-up
      taken.plain.push(cost[0]);
      taken.ours.push(cost[1]);
      taken.ratio.push(cost[1] / cost[0]);
    }
    for (const one of clients) one.close();
    for (const { child } of sides.flat()) child.disconnect();
  }
  const [plain, ours, ratio] = [taken.plain, taken.ours, taken.ratio].map(median);
  const label = redis === undefined ? name : 'signal over Redis';
  console.log(
    `${label.padEnd(18)} to ${String(subscribers).padStart(4)}  ws ${plain.toFixed(2).padStart(7)}  ours ${ours.toFixed(2).padStart(7)}  ` +
      `ratio ${ratio.toFixed(2)}${aim === undefined ? '' : `  (aim ${aim.toFixed(2)})`}`,
  );
}

async function start(side, redis = '') {
  const child = fork(fileURLToPath(import.meta.url), ['--server', side, redis]);
  const [port] = await once(child, 'message');
  return { side, child, port };
}

/** µs of CPU per delivered event, of all processes of a side. The last one emits; the next event comes when all have got this one. */
async function measure(servers, clients, events) {
  for (const { child } of servers) await ask(child, 'start');
  const emitter = servers.at(-1).child;
  for (let left = events; left > 0; left -= 1) {
    const arrived = clients.next();
    emitter.send('emit');
    await arrived;
  }
  let used = 0;
  for (const { child } of servers) used += await ask(child, 'stop');
  return used / (events * clients.size);
}

async function ask(child, message) {
  child.send(message);
  const [answer] = await once(child, 'message');
  return answer;
}

/** Subscribers of a few lines, which know an event by its length. */
class Clients {
  #sockets = [];
  #expected = 0;
  #received = 0;
  #arrived = () => {};

  static async open({ side, port }, size) {
    const clients = new Clients();
    for (let index = 0; index < size; index += 1) clients.#sockets.push(await connect(port, FIRST_REQUEST_ID + index));
    clients.#expected = size * headedLength(frameOf(FIRST_REQUEST_ID, FIRST_REQUEST_ID));
    clients.#sockets.forEach((socket, index) => {
      socket.once('data', (bytes) => {
        const id = bytes.toString().match(/"request_id":(\d+)}$/)?.[1];
        if (Number(id) !== FIRST_REQUEST_ID + (side === 'ws' ? 0 : index))
          throw new Error(`Unexpected frame: ${bytes.toString()}`);
      });
      socket.on('data', (bytes) => clients.#take(bytes.length));
      socket.on('close', () => {
        if (!clients.closed) throw new Error('The server has closed a connection.');
      });
    });
    return clients;
  }

  get size() {
    return this.#sockets.length;
  }

  /** Resolves when everybody has got the next event. */
  next() {
    this.#received = 0;
    return new Promise((resolve) => (this.#arrived = resolve));
  }

  #take(length) {
    this.#received += length;
    if (this.#received > this.#expected) throw new Error(`Expected ${this.#expected} bytes, got ${this.#received}.`);
    if (this.#received === this.#expected) this.#arrived();
  }

  close() {
    this.closed = true;
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** A socket that has subscribed. Bare ws answers as we do. */
async function connect(port, requestId) {
  const socket = net.connect(port, '127.0.0.1').setNoDelay();
  await once(socket, 'connect');
  socket.write(
    'GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n' +
      `sec-websocket-key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`,
  );
  await once(socket, 'data');
  socket.write(maskedFrame(JSON.stringify({ action: 'follow', request_id: requestId })));
  await once(socket, 'data');
  return socket;
}

/** A text frame below 126 bytes under a mask of zeros, which the server takes off like any other. */
function maskedFrame(text) {
  return Buffer.concat([Buffer.from([0x81, 0x80 | Buffer.byteLength(text), 0, 0, 0, 0]), Buffer.from(text)]);
}

/** Bytes of a frame with its head. */
function headedLength(text) {
  const length = Buffer.byteLength(text);
  return length + (length < 126 ? 2 : 4);
}

async function startRedis() {
  const port = await freePort();
  const server = spawn('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  process.once('exit', () => server.kill());
  const isMissing = await new Promise((resolve) => {
    server.once('error', () => resolve(true));
    server.stdout.on('data', (text) => text.includes('Ready to accept') && resolve(false));
  });
  return isMissing ? undefined : { url: `redis://127.0.0.1:${port}`, stop: () => server.kill() };
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return String(port);
}

/** A server on a free port, which sends an event whenever it is told to. */
async function serve(side, redis) {
  const { createChannels, defineConsumer, modelObserver, redisLayer, signalObserver } = await import('express-channels');
  // No pings among the bytes that are counted.
  const options = { heartbeat: false, ...(redis !== '' && { layer: redisLayer({ url: redis }) }) };
  let counter = FIRST_REQUEST_ID;
  const channelsOf = (observer) => {
    const follow = async (ctx) => void (await observer.subscribe(ctx));
    return createChannels(undefined, options)
      .route('/ws', defineConsumer({ actions: { follow } }))
      .listen(0, '127.0.0.1');
  };
  const signal = () => {
    const emitter = new EventEmitter();
    const observer = signalObserver(emitter, 'update', { name: 'things', serialize: thing });
    return { server: channelsOf(observer), emit: () => emitter.emit('update', counter) };
  };

  const sides = {
    ws: async () => {
      const { WebSocketServer } = await import('ws');
      const server = createServer().listen(0, '127.0.0.1');
      const sockets = new Set();
      new WebSocketServer({ server }).on('connection', (socket) => {
        sockets.add(socket);
        socket.on('message', () => socket.send('subscribed'));
        socket.on('close', () => sockets.delete(socket));
      });
      const emit = () => {
        const frame = Buffer.from(frameOf(counter, FIRST_REQUEST_ID));
        for (const socket of sockets) socket.send(frame, { binary: false });
      };
      return { server, emit };
    },
    signal,
    subscribers: signal,
    emitter: signal,
    row: async () => {
      const { DataTypes, Sequelize } = await import('sequelize');
      const sqlite = await import('../example-app/dist/sqlite.js');
      const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
      const { STRING, INTEGER } = DataTypes;
      const columns = { name: STRING, owner: STRING, room: STRING, counter: INTEGER };
      const Thing = sequelize.define('Thing', columns, { timestamps: false });
      await Thing.sync();
      const row = await Thing.create(thing(counter));
      const server = channelsOf(modelObserver(Thing, { serialize: ({ counter }) => thing(counter) }));
      return { server, emit: () => row.update({ counter }) };
    },
  };
  const { server, emit } = await sides[side]();
  if (!server.listening) await once(server, 'listening');

  let since;
  process.on('message', (message) => {
    if (message === 'start') {
      since = process.cpuUsage();
      process.send(true);
    } else if (message === 'stop') {
      const { user, system } = process.cpuUsage(since);
      process.send(user + system);
    } else {
      counter += 1;
      emit();
    }
  });
  process.once('disconnect', () => process.exit());
  process.send(server.address().port);
}

if (process.argv[2] === '--server') await serve(process.argv[3], process.argv[4]);
else await main();
