// Builds lib/ with plain tsc to ESM (dist/esm) and CommonJS (dist/cjs), with types for both.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

rmSync('dist', { recursive: true, force: true });
for (const config of ['tsconfig.esm.json', 'tsconfig.cjs.json']) {
  execFileSync(process.execPath, [tsc, '-p', config], { stdio: 'inherit' });
}
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n');
markOptionalTypes();

/** Who has no Sequelize gets no error for the declarations that name its types, also where those of packages are checked. */
function markOptionalTypes() {
  const note = '// @ts-ignore -- sequelize is an optional peer';
  for (const file of readdirSync('dist', { recursive: true })) {
    if (!file.endsWith('.d.ts')) continue;
    const name = path.join('dist', file);
    writeFileSync(name, readFileSync(name, 'utf8').replace(/^import .* from 'sequelize';$/gm, `${note}\n$&`));
  }
}
