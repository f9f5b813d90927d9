import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { freePort } from '../support/free-port.js';

const ROOT = join(__dirname, '../..');
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
const SCRIPT = scripts['wire-server'] ?? 'There is no script wire-server.';

/** A process of the test server, as `npm run wire-server` starts it. */
export class ServerProcess {
  readonly port: number;
  readonly #process: ChildProcess;
  #printed = '';
  #faults = '';

  private constructor(port: number, process: ChildProcess) {
    this.port = port;
    this.#process = process;
    process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#printed += text));
    process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#faults += text));
  }

  /**
   * Starts one on a free port, and waits until it is ready.
   *
   * @param express - the package that it takes for Express
   */
  static async start(express = 'express'): Promise<ServerProcess> {
    const port = await freePort();
    const server = new ServerProcess(port, run([String(port)], { ...process.env, EXPRESS_MODULE: express }));
    await server.#ready();
    return server;
  }

  /** What it told of faults of its own; it is to be empty, whatever clients do. */
  get faults(): string {
    const { exitCode, signalCode } = this.#process;
    const end = exitCode ?? signalCode;
    return end === null ? this.#faults : `${this.#faults}It has ended with ${String(end)}.`;
  }

  /** Asks it to end, as a supervisor does; resolves with its exit code. */
  async stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<number | null> {
    const ended = this.#ended();
    this.#process.kill(signal);
    await ended;
    return this.#process.exitCode;
  }

  async #ready(): Promise<void> {
    const ended = this.#ended();
    while (!this.#printed.split('\n').includes('ready')) {
      const more = this.#process.stdout === null ? ended : once(this.#process.stdout, 'data');
      await Promise.race([more, ended]);
      if (this.#process.exitCode !== null) throw new Error(`The server did not start.\n${this.#faults}`);
    }
  }

  async #ended(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, 'close');
  }
}

/** Runs the program with these arguments to its end, as one who misuses it does. */
export async function runToEnd(args: readonly string[]): Promise<{ code: number | null; printed: string; told: string }> {
  const child = run(args, process.env);
  let [printed, told] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (printed += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (told += text));
  await once(child, 'close');
  return { code: child.exitCode, printed, told };
}

function run(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  // The script itself, without npm: its own warnings are no faults of the server.
  const child = spawn([SCRIPT, ...args].join(' '), { shell: true, cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const killWithUs = (): boolean => child.kill('SIGKILL');
  process.once('exit', killWithUs);
  child.once('exit', () => process.off('exit', killWithUs));
  return child;
}
