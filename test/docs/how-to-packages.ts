import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { transform } from '@swc/core';

export const ROOT = join(__dirname, '../..');
export const PACKAGES = join(ROOT, 'node_modules');

/** What express-channels itself imports; it is the reader's own. */
const BESIDE = ['express', 'ws'];

let built: Promise<string> | undefined;

/**
 * A folder with what a reader's `npm install` fetches and this checkout has not: express-channels as it is published, from what stands
 * in lib/; sqlite3, which may need a compiler; and vitest, whose part that the pages use is that of jest.
 */
export function builtPackages(): Promise<string> {
  built ??= build();
  return built;
}

afterAll(async () => {
  if (built !== undefined) await rm(dirname(await built), { recursive: true });
});

async function build(): Promise<string> {
  const packages = join(await mkdtemp(join(tmpdir(), 'packages-')), 'node_modules');
  const library = join(packages, 'express-channels');
  const sources = (await readdir(join(ROOT, 'lib'), { recursive: true })).filter((name) => name.endsWith('.ts'));
  await write(join(library, 'package.json'), await readFile(join(ROOT, 'package.json'), 'utf8'));
  await write(join(library, 'dist/cjs/package.json'), '{ "type": "commonjs" }');
  for (const source of sources) {
    const target = source.replace(/\.ts$/, '.js');
    for (const [folder, type] of [['esm', 'es6'] as const, ['cjs', 'commonjs'] as const])
      await write(join(library, 'dist', folder, target), await compiled(join(ROOT, 'lib', source), type));
  }
  await write(join(packages, 'sqlite3/index.js'), await compiled(join(ROOT, 'example-app/src/sqlite.ts'), 'commonjs'));
  await write(join(packages, 'vitest/index.js'), "module.exports = require('@jest/globals');\n");
  for (const name of [...BESIDE, 'node-sqlite3-wasm', '@jest']) await symlink(join(PACKAGES, name), join(packages, name));
  return packages;
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

async function compiled(file: string, type: 'es6' | 'commonjs'): Promise<string> {
  const { code } = await transform(await readFile(file, 'utf8'), {
    filename: file,
    swcrc: false,
    module: { type },
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript' },
      ...(type === 'es6' && { transform: { verbatimModuleSyntax: true } }),
    },
  });
  return code;
}
