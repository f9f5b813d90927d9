import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

import { freePort } from './free-port.js';

// Debian keeps the server outside of the PATH of unprivileged accounts.
const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
const server = find('mariadbd');
const installer = find('mariadb-install-db');

/** Why no MariaDB can be started here; undefined when one can. */
export const mariadbMissing =
  server === undefined || installer === undefined ? 'there is no mariadbd and mariadb-install-db on this machine' : undefined;

export interface MariadbAddress {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  /** A database that is empty at the beginning. The account may create others. */
  readonly database: string;
}

export interface Mariadb extends MariadbAddress {
  readonly stop: () => Promise<void>;
}

const SMALL_AND_FAST = [
  '--debug-no-sync',
  '--sync-frm=0',
  '--innodb-flush-log-at-trx-commit=0',
  '--innodb-flush-method=nosync',
  '--innodb-doublewrite=0',
  // The kernel has few places for it, and several servers may start at once.
  '--innodb-use-native-aio=0',
  '--innodb-buffer-pool-size=16M',
  '--innodb-log-file-size=8M',
  '--skip-innodb-buffer-pool-dump-at-shutdown',
  '--skip-innodb-buffer-pool-load-at-startup',
  '--key-buffer-size=1M',
  '--aria-pagecache-buffer-size=1M',
  '--skip-log-bin',
  '--skip-name-resolve',
];

/** Starts a MariaDB of its own in a temporary folder, on a free port of the loopback interface. */
export async function startMariadb(): Promise<Mariadb> {
  if (server === undefined || installer === undefined) throw new Error(mariadbMissing);
  const folder = await mkdtemp(join(tmpdir(), 'mariadb-'));
  const account = await unprivileged();
  if (account.uid !== undefined && account.gid !== undefined) await chown(folder, account.uid, account.gid);
  const data = `--datadir=${join(folder, 'data')}`;
  const options: SpawnOptions = { ...account, cwd: folder, env: { PATH: process.env['PATH'], LC_ALL: 'C', HOME: folder } };

  await install(installer, data, options);

  const atStart = join(folder, 'start.sql');
  await writeFile(atStart, `CREATE USER test@'127.0.0.1';\nGRANT ALL ON *.* TO test@'127.0.0.1';\nCREATE DATABASE test;\n`, {
    mode: 0o644,
  });
  const port = await freePort();
  const started = spawn(
    server,
    [
      '--no-defaults',
      data,
      `--port=${port}`,
      '--skip-networking=0',
      '--bind-address=127.0.0.1',
      `--socket=${join(folder, 'socket')}`,
      `--pid-file=${join(folder, 'pid')}`,
      `--init-file=${atStart}`,
      '--character-set-server=utf8mb4',
      ...SMALL_AND_FAST,
    ],
    { ...options, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const killWithUs = () => started.kill('SIGKILL');
  process.once('exit', killWithUs);
  await accepting(started);

  return {
    host: '127.0.0.1',
    port,
    username: 'test',
    database: 'test',
    async stop() {
      process.off('exit', killWithUs);
      const ended = once(started, 'exit');
      // Nothing of it is needed again, so it need not be left in order.
      started.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

function find(program: string): string | undefined {
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

/** Makes the tables of the server itself; a busy machine may need a second attempt. */
async function install(program: string, data: string, options: SpawnOptions): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const installed = spawn(
      program,
      ['--no-defaults', data, '--auth-root-authentication-method=normal', '--skip-test-db', ...SMALL_AND_FAST],
      { ...options, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const log: string[] = [];
    installed.stderr.on('data', (chunk: Buffer) => log.push(chunk.toString()));
    await once(installed, 'close');
    if (installed.exitCode === 0) return;
    if (attempt === 3) throw new Error(`mariadb-install-db ended with ${String(installed.exitCode)}: ${log.join('')}`);
    await rm(data.replace('--datadir=', ''), { recursive: true, force: true });
  }
}

/** MariaDB refuses to run as root, so root hands it to an account that may do little. */
async function unprivileged(): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const account = ['mysql', 'nobody'].map((name) => accounts.find((fields) => fields[0] === name)).find((fields) => fields);
  return { uid: Number(account?.[2] ?? 65534), gid: Number(account?.[3] ?? 65534) };
}

/** Resolves when the server says that it accepts connections; the rest of its log is read and dropped. */
function accepting(starting: ChildProcess): Promise<void> {
  const log: string[] = [];
  return new Promise((resolve, reject) => {
    starting.once('exit', () => {
      reject(new Error(`MariaDB did not start:\n${log.join('\n')}`));
    });
    if (starting.stderr === null) throw new Error('MariaDB was started without its log.');
    createInterface(starting.stderr).on('line', (line) => {
      log.push(line);
      if (line.includes('ready for connections')) resolve();
    });
  });
}
