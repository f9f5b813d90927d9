// Builds lib/ with plain tsc to ESM and CommonJS, with types for both: into dist/, or into the folder that is named.
// Types are checked once, with the ES modules; `--no-check` leaves that to `npm run typecheck`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'no-check': { type: 'boolean', default: false } },
});
const [folder = 'dist'] = positionals;

rmSync(folder, { recursive: true, force: true });
await Promise.all([compile('esm', values['no-check'] ? ['--noCheck'] : []), compile('cjs', ['--noCheck'])]);
writeFileSync(path.join(folder, 'cjs/package.json'), '{ "type": "commonjs" }\n');
markOptionalTypes();

async function compile(kind, options) {
  const output = ['--outDir', path.join(folder, kind)];
  const child = spawn(process.execPath, [tsc, '-p', `tsconfig.${kind}.json`, ...output, ...options], { stdio: 'inherit' });
  const [status] = await once(child, 'exit');
  if (status !== 0) process.exit(1);
}

/** Who has no Sequelize gets no error for the declarations that name its types, also where those of packages are checked. */
function markOptionalTypes() {
  const note = '// @ts-ignore -- sequelize is an optional peer';
  for (const file of readdirSync(folder, { recursive: true })) {
    if (!file.endsWith('.d.ts')) continue;
    const name = path.join(folder, file);
    writeFileSync(name, readFileSync(name, 'utf8').replace(/^import .* from 'sequelize';$/gm, `${note}\n$&`));
  }
}
