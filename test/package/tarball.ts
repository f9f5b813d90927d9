import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { until } from '../support/socket-client.js';

const root = join(__dirname, '../..');
const run = promisify(execFile);

/** Why nothing can be installed here; undefined if it can. */
export const registryMissing = ((): string | undefined => {
  try {
    execFileSync('npm', ['view', 'ws', 'version', '--prefer-offline', '--fetch-retries=1'], { stdio: 'pipe', timeout: 30_000 });
    return undefined;
  } catch {
    return 'the registry of npm does not answer';
  }
})();

/** The package as it would be published, and folders of people who install it. */
export class Tarball {
  readonly #folder = mkdtempSync(join(tmpdir(), 'express-channels-newcomer-'));
  #file = '';

  /** Builds and packs beside the checkout, where others may be at work. */
  async pack(): Promise<void> {
    const source = join(this.#folder, 'source');
    mkdirSync(source);
    for (const name of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md'])
      cpSync(join(root, name), join(source, name));
    await run(process.execPath, ['scripts/build.mjs', '--no-check', join(source, 'dist')], { cwd: root });
    const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', source], { cwd: this.#folder });
    const [packed] = JSON.parse(stdout) as [{ filename: string }];
    this.#file = join(this.#folder, packed.filename);
  }

  /** An empty folder but for a package.json, in which somebody installs the package, and what else is named. */
  async install(name: string, manifest: object, ...options: readonly string[]): Promise<Newcomer> {
    const folder = join(this.#folder, name);
    mkdirSync(folder);
    const newcomer = new Newcomer(folder);
    newcomer.write('package.json', JSON.stringify({ private: true, ...manifest }));
    await run('npm', ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', this.#file, ...options], {
      cwd: folder,
    });
    return newcomer;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What somebody does in a folder of theirs. */
export class Newcomer {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.#folder, file), text);
  }

  /** @returns what a program prints if it fails, without the folder that it ran in; undefined if all went well */
  async complaintOf(program: string, ...programArguments: readonly string[]): Promise<string | undefined> {
    try {
      await run(program, [...programArguments], { cwd: this.#folder });
      return undefined;
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      return (stdout + stderr).replaceAll(`file://${this.#folder}`, '').replaceAll(this.#folder, '');
    }
  }

  /** By the compiler of the checkout, as strict as `tsc --init` makes it. */
  compile(...files: readonly string[]): Promise<string | undefined> {
    const strictness = { strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true };
    const compilerOptions = {
      target: 'esnext',
      module: 'nodenext',
      types: [],
      verbatimModuleSyntax: true,
      skipLibCheck: true,
      ...strictness,
    };
    this.write('tsconfig.json', JSON.stringify({ compilerOptions, files }));
    return this.complaintOf(process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '--pretty', 'false');
  }

  /** Starts a server as a process of its own. */
  async start(file: string, url: string): Promise<ServerProcess> {
    const child = spawn(process.execPath, [file], { cwd: this.#folder, stdio: ['ignore', 'pipe', 'pipe'] });
    const server = new ServerProcess(child);
    await until(async () => !server.isRunning || (await answers(url)));
    return server;
  }
}

/** A process that serves, and what it has printed. */
export class ServerProcess {
  readonly #child: ChildProcess;
  printed = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => (this.printed += String(text)));
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill();
    await exit;
  }
}

function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  );
}
