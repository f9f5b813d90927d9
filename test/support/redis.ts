import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

import { freePort } from './free-port.js';

const binary = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'redis-server'))
  .find((path) => existsSync(path));

/** Why no Redis can be started here; undefined when one can. */
export const redisMissing = binary === undefined ? 'there is no redis-server on this machine' : undefined;

/** A Redis of its own, on a free port of the loopback interface, which keeps nothing on disk. */
export class RedisServer {
  readonly port: number;
  readonly url: string;
  readonly #folder: string;
  readonly #options: readonly string[];
  #server: ChildProcess | undefined;

  private constructor(port: number, folder: string, options: readonly string[]) {
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.#folder = folder;
    this.#options = options;
  }

  /** @param options - further ones of `redis-server` */
  static async start(...options: string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), await mkdtemp(join(tmpdir(), 'redis-')), options);
    await server.start();
    return server;
  }

  /** Starts it again on the same port, and empty. */
  async start(): Promise<void> {
    if (binary === undefined) throw new Error(redisMissing);
    const nothingKept = ['--save', '', '--appendonly', 'no', '--dir', this.#folder];
    const server = spawn(binary, ['--port', String(this.port), '--bind', '127.0.0.1', ...nothingKept, ...this.#options], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#server = server;
    const killWithUs = (): boolean => server.kill('SIGKILL');
    process.once('exit', killWithUs);
    server.once('exit', () => process.off('exit', killWithUs));
    await accepting(server);
  }

  /** Kills it without notice. */
  async kill(): Promise<void> {
    const server = this.#server;
    if (server?.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  }

  /** Stops its process where it is, as a machine does that has no more memory; connections stay open. */
  freeze(): void {
    this.#server?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#server?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true });
  }
}

/** Resolves when the server says that it accepts connections; the rest of its log is read and dropped. */
function accepting(server: ChildProcess): Promise<void> {
  const log: string[] = [];
  return new Promise((resolve, reject) => {
    server.once('exit', () => {
      reject(new Error(`Redis did not start:\n${log.join('\n')}`));
    });
    if (server.stdout === null) throw new Error('Redis was started without its log.');
    createInterface(server.stdout).on('line', (line) => {
      log.push(line);
      if (line.includes('Ready to accept connections')) resolve();
    });
  });
}
