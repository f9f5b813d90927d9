import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = join(__dirname, '../..');

/** A process of `revocation-node.ts`. */
export class Node {
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(port: number, process: ChildProcess) {
    this.port = port;
    this.#process = process;
  }

  /** @param knowsStore - whether it is told of its session store, and need not find it by a socket */
  static async start(folder: string, redis: string, knowsStore = false): Promise<Node> {
    const program = ['--import', './test/wire/typescript.mjs', 'test/auth/revocation-node.ts'];
    const node = spawn(process.execPath, [...program, folder, redis, knowsStore ? 'told' : 'not told'], {
      cwd: ROOT,
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const killWithUs = (): boolean => node.kill('SIGKILL');
    process.once('exit', killWithUs);
    node.once('exit', () => process.off('exit', killWithUs));
    for await (const line of createInterface(node.stdout)) return new Node(Number(line), node);
    throw new Error('The node did not start.');
  }

  async kill(): Promise<void> {
    const ended = once(this.#process, 'exit');
    if (this.#process.kill('SIGKILL')) await ended;
  }
}
