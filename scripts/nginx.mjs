// Shows docs/how-to/nginx.md with a real nginx: takes the configuration and the server out of the page, starts nginx and two processes of
// the app on free ports of the loopback interface, and tries what the page says. Times are shortened; nothing is installed or left behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { WebSocket } from 'ws';

// From here on Node takes TypeScript.
import '../test/wire/typescript.mjs';

const { certificate } = await import('../test/support/certificate.ts');

const root = path.join(import.meta.dirname, '..');
const folder = mkdtempSync(path.join(tmpdir(), 'nginx-'));
const started = [];

const tooLong = new Promise((_resolve, reject) => {
  setTimeout(reject, 15_000, new Error('It takes too long.')).unref();
});

try {
  await Promise.race([main(), tooLong]);
} finally {
  await Promise.all(started.map(stop));
  rmSync(folder, { recursive: true });
}

async function main() {
  const [front, first, second] = await Promise.all([freePort(), freePort(), freePort()]);
  writeFiles(front, first, second);
  const nodes = new Map([first, second].map((port) => [port, startNode(port)]));
  await Promise.all([...nodes.values()].map((node) => once(node.stdout, 'data')));
  const nginx = start('nginx', ['-p', folder, '-c', 'nginx.conf', '-g', 'daemon off; pid nginx.pid;', '-e', 'stderr']);
  await accepting(front, nginx);

  const host = `localhost:${front}`;
  // Another address of this machine than that of nginx.
  const client = '127.0.0.2';
  const open = async (headers = {}) => {
    const socket = new WebSocket(`wss://${host}/ws/who`, { rejectUnauthorized: false, localAddress: client, headers });
    await once(socket, 'open');
    return socket;
  };
  const ask = async (socket) => {
    socket.send('{"action":"list"}');
    const [reply] = await once(socket, 'message');
    return JSON.parse(reply).data;
  };
  const portOfNode = async (socket) => (await ask(socket)).port;

  const socket = await open();
  ok('an upgrade passes, with TLS on the outside');

  const seen = await ask(socket);
  assert.deepEqual(seen, { ip: client, protocol: 'https', host, secure: true, port: seen.port });
  const overHttp = await getJson({ host: 'localhost', port: front, path: '/who', localAddress: client });
  assert.deepEqual({ ...overHttp, port: seen.port }, seen);
  ok("an action sees the client's address and protocol, as a request does");

  assert.equal((await ask(await open({ 'x-forwarded-for': '192.0.2.1' }))).ip, client);
  ok('a client that sends X-Forwarded-For itself is not believed');

  await open({ origin: `https://${host}` });
  ok("a page of the site's own origin may connect");

  for (const origin of ['https://evil.example', `http://${host}.evil.example`, 'https://localhost'])
    await assert.rejects(open({ origin }), /Unexpected server response: 403/);
  ok('a page of another origin is refused with 403');

  const sockets = [await open(), await open(), await open(), await open()];
  const ports = await Promise.all(sockets.map(portOfNode));
  assert.deepEqual(new Set(ports), new Set([first, second]));
  ok('sockets are spread over both processes');

  const closed = once(socket, 'close').then(([code]) => code);
  // Nothing but beats comes, for longer than the timeout.
  for (let beats = 0; beats < 3; beats += 1)
    assert.notEqual(typeof (await Promise.race([once(socket, 'ping'), closed])), 'number', 'the socket stays open');
  ok('a silent socket outlives proxy_read_timeout by the heartbeat');

  nodes.get(seen.port)?.kill('SIGTERM');
  assert.equal(await closed, 1012);
  assert.equal(await portOfNode(await open()), seen.port === first ? second : first);
  ok('a process that ends closes its sockets with 1012, and they find the other one');
}

function writeFiles(front, first, second) {
  const page = readFileSync(path.join(root, 'docs/how-to/nginx.md'), 'utf8');
  const block = (language) => new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'm').exec(page)?.[1] ?? '';
  // Where nginx keeps what it buffers, which need not be allowed to everybody elsewhere.
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const here = ['access_log off;', ...kinds.map((kind) => `${kind}_temp_path ${kind};`)].join('\n  ');
  const replacements = [
    ['http {', `http {\n  ${here}`],
    ['listen 443', `listen 127.0.0.1:${front}`],
    [':8001', `:${first}`],
    [':8002', `:${second}`],
    ['proxy_read_timeout 60s', 'proxy_read_timeout 1600ms'],
  ];
  write('nginx.conf', block('nginx'), replacements);
  write('server.mjs', block('js'), [['everyMs: 30_000', 'everyMs: 700']]);
  const { key, cert } = certificate();
  write('key.pem', key);
  write('cert.pem', cert);
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
}

function write(name, text, replacements = []) {
  for (const [from, to] of replacements) {
    assert.ok(text.includes(from), `${name} has a "${from}"`);
    text = text.replace(from, to);
  }
  writeFileSync(path.join(folder, name), text);
}

function startNode(port) {
  const typescript = path.join(root, 'test/wire/typescript.mjs');
  const quiet = '--disable-warning=EXPRESS_CHANNELS_ORIGIN';
  return start(process.execPath, [quiet, '--import', typescript, 'server.mjs'], { PORT: String(port) });
}

function start(command, args, env = {}) {
  const child = spawn(command, args, { cwd: folder, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  child.on('error', (error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
  started.push(child);
  process.once('exit', () => child.kill('SIGTERM'));
  return child;
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  // nginx would leave its workers behind if it were killed.
  child.kill('SIGTERM');
  await ended;
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Resolves as soon as something listens. */
async function accepting(port, child) {
  for (;;) {
    if (child.exitCode !== null) throw new Error('nginx has ended.');
    const socket = connect(port, '127.0.0.1');
    const [event] = await Promise.race([once(socket, 'connect').then(() => ['connect']), once(socket, 'close')]).catch(() => []);
    socket.destroy();
    if (event === 'connect') return;
  }
}

async function getJson(options) {
  const [response] = await once(get({ ...options, rejectUnauthorized: false }), 'response');
  return JSON.parse((await response.setEncoding('utf8').toArray()).join(''));
}

function ok(what) {
  console.log(`ok  ${what}`);
}
