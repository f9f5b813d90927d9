import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import vm from 'node:vm';

import { transformSync } from '@swc/core';

const root = join(__dirname, '../..');

/** A fenced block of a page. */
export interface CodeBlock {
  readonly page: string;
  readonly language: string;
  readonly code: string;
}

/** The fenced blocks of a page, in order. */
export function codeBlocks(page: string): readonly CodeBlock[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^```(\w*)[^\n]*\n([\s\S]*?)^```$/gm)].map(([, language = '', code = '']) => ({
    page,
    language,
    code,
  }));
}

/**
 * Runs a block as the module that it is, with what the page has introduced before as globals, and returns the values of some names.
 * Ports are replaced by free ones.
 */
export async function runBlock(
  { code, page }: CodeBlock,
  globals: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Promise<Readonly<Record<string, unknown>>> {
  // A block may import and await at its top level, as a module may.
  const imports = [...code.matchAll(/^import [^;]*;$/gm)].map(([line]) => line).join('\n');
  const body = code.replaceAll(/^import [^;]*;$/gm, '').replaceAll('listen(8000', "listen(0, '127.0.0.1'");
  const source = `${imports}\nexport default (async () => {\n${body}\nreturn { ${names.join(', ')} };\n})();`;
  const { code: script } = transformSync(source, {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  });
  const module: { exports: { default?: Promise<Record<string, unknown>> } } = { exports: {} };
  const parameters = ['require', 'module', 'exports', ...Object.keys(globals)];
  const run: unknown = vm.compileFunction(script, parameters, { filename: page });
  if (typeof run !== 'function') throw new TypeError('Expected a function.');
  Reflect.apply(run, undefined, [require, module, module.exports, ...Object.values(globals)]);
  const values = await module.exports.default;
  if (values === undefined) throw new TypeError(`${page}: the block has no values.`);
  return values;
}
