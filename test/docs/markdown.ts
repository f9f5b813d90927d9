import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import vm from 'node:vm';

import { transformSync } from '@swc/core';

const root = join(__dirname, '../..');

/** A fenced block of a page. */
export interface CodeBlock {
  readonly page: string;
  /** The heading of the second level that it stands under. */
  readonly section: string;
  readonly language: string;
  readonly code: string;
}

/** The fenced blocks of a page, in order. */
export function codeBlocks(page: string): readonly CodeBlock[] {
  const text = readFileSync(join(root, page), 'utf8');
  const blocks: CodeBlock[] = [];
  let section = '';
  for (const [, title, language = '', code = ''] of text.matchAll(/^## (.*)$|^```(\w*)[^\n]*\n([\s\S]*?)^```$/gm)) {
    if (title === undefined) blocks.push({ page, section, language, code });
    else section = title;
  }
  return blocks;
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
  const body = code.replaceAll(/^import [^;]*;$/gm, '');
  const source = `${imports}\nexport default (async () => {\n${body}\nreturn { ${names.join(', ')} };\n})();`;
  const { default: values } = runModule(source, page, { require, ...globals });
  return (await values) as Readonly<Record<string, unknown>>;
}

/** Runs a module of TypeScript, and returns what it exports. Ports are replaced by free ones. */
export function runModule(
  source: string,
  filename: string,
  globals: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const { code } = transformSync(source.replaceAll('listen(8000', "listen(0, '127.0.0.1'"), {
    // Without async functions of its own, its promises are those of jest's realm: Express's router looks for an instance of Promise.
    jsc: { target: 'es2016', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  });
  const module: { exports: Record<string, unknown> } = { exports: {} };
  const variables = { Promise, ...globals, module, exports: module.exports };
  const run: unknown = vm.compileFunction(code, Object.keys(variables), { filename });
  if (typeof run !== 'function') throw new TypeError('Expected a function.');
  Reflect.apply(run, undefined, Object.values(variables));
  return module.exports;
}
