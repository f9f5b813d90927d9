import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

import { freePort } from '../support/free-port.js';
import { builtPackages, PACKAGES } from './how-to-packages.js';
import { Program } from './how-to-program.js';
import type { CodeBlock } from './markdown.js';

/** `npm install` takes the packages that are here; whatever else npm is asked for, it does. */
const NPM = `#!/bin/sh
if [ "$1" != install ]; then
  PATH=\${PATH#*:} exec npm "$@"
fi
shift
mkdir -p node_modules
for name; do
  case $name in -*) continue ;; esac
  for place in "$BUILT" "$PACKAGES"; do
    if [ -e "$place/$name" ]; then ln -sfn "$place/$name" "node_modules/$name" && continue 2; fi
  done
  echo "There is no package $name." >&2
  exit 1
done
`;

/** `npx` runs what is here, jest in place of vitest. wscat shows all that it shows on a terminal, although it is on none. */
const NPX = `#!/bin/sh
name=$1
shift
case $name in
  wscat) export NODE_OPTIONS="--require=\${0%/*}/terminal.cjs" ;;
  vitest) name=jest && shift && export NODE_OPTIONS=--experimental-vm-modules ;;
esac
exec "$PACKAGES/.bin/$name" "$@"
`;
const TERMINAL = "require('node:tty').isatty = () => true;\n";

const present: Reader[] = [];

afterAll(async () => {
  await Promise.all(present.map((reader) => reader.leave()));
});

/** Somebody who follows a page in an empty folder: writes its files, and types its commands into a shell. */
export class Reader {
  /** The folder that the shell is in. */
  folder: string;
  readonly #home: string;
  readonly #env: NodeJS.ProcessEnv;
  /** The free ports in place of those of the page. */
  readonly #ports: ReadonlyMap<string, number>;
  readonly #programs = new Set<Program>();

  private constructor(home: string, built: string, ports: ReadonlyMap<string, number>, env: NodeJS.ProcessEnv) {
    this.#home = home;
    this.folder = join(home, 'reader');
    this.#ports = ports;
    const path = `${join(home, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`;
    // Packages that a package loads by itself, as Sequelize does with its dialects.
    const places = { BUILT: built, PACKAGES, NODE_PATH: built };
    this.#env = { PATH: path, HOME: home, NODE_ENV: 'development', ...places, ...env };
  }

  /** @param ports - those of the page */
  static async start(ports: readonly number[] = [], env: NodeJS.ProcessEnv = {}): Promise<Reader> {
    const home = await mkdtemp(join(tmpdir(), 'reader-'));
    const bin = join(home, 'bin');
    await mkdir(bin);
    await mkdir(join(home, 'reader'));
    for (const [name, text] of Object.entries({ npm: NPM, npx: NPX, 'terminal.cjs': TERMINAL })) {
      await writeFile(join(bin, name), text);
      await chmod(join(bin, name), 0o755);
    }
    const free = new Map<string, number>();
    for (const port of ports) free.set(String(port), await freePort());
    const reader = new Reader(home, await builtPackages(), free, env);
    present.push(reader);
    return reader;
  }

  /** What a reader has who has begun: a package of their own. */
  async package(type: 'commonjs' | 'module' = 'module'): Promise<void> {
    await writeFile(join(this.folder, 'package.json'), JSON.stringify({ type }));
  }

  /** Writes the file that the first line of a block names. */
  async write({ code }: CodeBlock): Promise<void> {
    const name = /^(?:\/\/|#|<!--|--) (\S*\.\w+)/.exec(code)?.[1];
    if (name === undefined) throw new Error(`The first line of a block names no file: ${code.slice(0, 60)}`);
    await mkdir(dirname(join(this.folder, name)), { recursive: true });
    await writeFile(join(this.folder, name), this.here(code));
  }

  /** Types a block, and returns what is printed. The shell stays in the folder that it has gone to. */
  async type({ code }: Pick<CodeBlock, 'code'>): Promise<string> {
    const last = join(this.#home, 'last-folder');
    const program = this.#spawn(`set -e\n${code}\npwd >'${last}'`);
    const status = await program.ended;
    if (status !== 0) throw new Error(`It ended with ${status}:\n${code}\n${program.output}`);
    this.folder = (await readFile(last, 'utf8')).trim();
    return program.output;
  }

  /** Types a block whose last line starts something that stays. */
  open({ code }: Pick<CodeBlock, 'code'>): Program {
    const lines = code.trimEnd().split('\n');
    const last = lines.pop() ?? '';
    return this.#spawn(['set -e', ...lines, `exec env ${last}`].join('\n'));
  }

  /** What a text of the page is here. */
  here(text: string): string {
    let result = text;
    for (const [port, free] of this.#ports) result = result.replaceAll(port, String(free));
    return result;
  }

  /** Ends everything that was started, and removes the folder; behind the tests of the file it is done without a word. */
  async leave(): Promise<void> {
    await Promise.all([...this.#programs].map((program) => program.stop()));
    await rm(this.#home, { recursive: true, force: true });
  }

  #spawn(script: string): Program {
    const asOnThePage = (text: string): string => {
      let result = text;
      for (const [port, free] of this.#ports) result = result.replaceAll(String(free), port);
      return result;
    };
    const program = new Program(['bash', '-c', this.here(script)], { cwd: this.folder, env: this.#env }, asOnThePage);
    this.#programs.add(program);
    return program;
  }
}
