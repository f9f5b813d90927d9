import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

import { until } from '../support/socket-client.js';

/** Why the commands of a page can't be typed here; undefined when they can. */
export function missingPrograms(...names: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const missing = names.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
  return missing.length === 0 ? undefined : `there is no ${missing.join(' and no ')} on this machine`;
}

/** A program that was started from a shell, and what it has printed. */
export class Program {
  readonly #process: ChildProcess;
  readonly #translate: (text: string) => string;
  #printed = '';
  /** How much of the output was waited for. */
  #read = 0;
  /** Resolves with its status when it has ended. */
  readonly ended: Promise<number | null>;

  constructor([command, ...args]: readonly [string, ...string[]], options: SpawnOptions, translate: (text: string) => string) {
    this.#translate = translate;
    const started = spawn(command, args, { ...options, stdio: 'pipe' });
    this.#process = started;
    const killWithUs = (): boolean => started.kill('SIGKILL');
    process.once('exit', killWithUs);
    for (const stream of [started.stdout, started.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (this.#printed += text));
    this.ended = once(started, 'close').then(([status]) => {
      process.off('exit', killWithUs);
      return status as number | null;
    });
  }

  /** Without the colours, the prompts and the empty lines. */
  get output(): string {
    const plain = stripVTControlCharacters(this.#printed).replaceAll('\r', '');
    const lines = plain.split('\n').map((line) => line.replace(/^(?:> ?)+/, '').trimEnd());
    return this.#translate(lines.filter((line) => line !== '').join('\n'));
  }

  /** Waits until it has printed a text, behind the one that was waited for before. */
  async prints(text: string): Promise<void> {
    let over = false;
    void this.ended.then(() => (over = true));
    const isThere = (): boolean => this.output.includes(text, this.#read);
    await until(() => over || isThere(), 10_000).catch(() => undefined);
    if (!isThere()) throw new Error(`It has not printed "${text}":\n${this.output}`);
    this.#read = this.output.indexOf(text, this.#read) + text.length;
  }

  typeLine(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  /** As Ctrl+C does, unless another signal is named. */
  async stop(signal: 'SIGINT' | 'SIGTERM' = 'SIGINT'): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill(signal);
    await this.ended;
  }
}
