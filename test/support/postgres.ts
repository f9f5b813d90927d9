import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

import { freePort } from './free-port.js';

const debianFolder = '/usr/lib/postgresql';
const folders = [
  ...(process.env['PATH'] ?? '').split(delimiter),
  ...(existsSync(debianFolder) ? readdirSync(debianFolder).map((version) => join(debianFolder, version, 'bin')) : []),
];
const binaries = folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));

/** Why no PostgreSQL can be started here; undefined when one can. */
export const postgresMissing = binaries === undefined ? 'there is no initdb and postgres on this machine' : undefined;

export interface Postgres {
  url: string;
  stop: () => Promise<void>;
}

/** Starts a PostgreSQL of its own in a temporary folder, on a free port of the loopback interface. */
export async function startPostgres(): Promise<Postgres> {
  if (binaries === undefined) throw new Error(postgresMissing);
  const folder = await mkdtemp(join(tmpdir(), 'postgres-'));
  const account = await unprivileged();
  if (account.uid !== undefined && account.gid !== undefined) await chown(folder, account.uid, account.gid);
  const data = join(folder, 'data');
  const options: SpawnOptions = { ...account, cwd: folder, env: { PATH: process.env['PATH'], LC_ALL: 'C' } };

  const created = spawn(
    join(binaries, 'initdb'),
    ['--pgdata', data, '--username', 'test', '--auth', 'trust', '--encoding', 'UTF8', '--no-sync'],
    { ...options, stdio: 'ignore' },
  );
  await once(created, 'exit');
  if (created.exitCode !== 0) throw new Error(`initdb ended with ${String(created.exitCode)}.`);

  const port = await freePort();
  const server = spawn(
    join(binaries, 'postgres'),
    ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${folder}`, '-F'],
    { ...options, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const killWithUs = () => server.kill('SIGQUIT');
  process.once('exit', killWithUs);
  await accepting(server);

  return {
    url: `postgres://test@127.0.0.1:${port}/postgres`,
    async stop() {
      process.off('exit', killWithUs);
      const ended = once(server, 'exit');
      server.kill('SIGINT');
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

/** PostgreSQL refuses to run as root, so root hands it to an account that may do little. */
async function unprivileged(): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const account = ['postgres', 'nobody'].map((name) => accounts.find((fields) => fields[0] === name)).find((fields) => fields);
  return { uid: Number(account?.[2] ?? 65534), gid: Number(account?.[3] ?? 65534) };
}

/** Resolves when the server says that it accepts connections; the rest of its log is read and dropped. */
function accepting(server: ChildProcess): Promise<void> {
  const log: string[] = [];
  return new Promise((resolve, reject) => {
    server.once('exit', () => {
      reject(new Error(`PostgreSQL did not start:\n${log.join('\n')}`));
    });
    if (server.stderr === null) throw new Error('PostgreSQL was started without its log.');
    createInterface(server.stderr).on('line', (line) => {
      log.push(line);
      if (line.includes('ready to accept connections')) resolve();
    });
  });
}
