import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import ts from 'typescript';

import { type CodeBlock, codeBlocks, runModule } from './markdown.js';

const ROOT = join(__dirname, '../..');
/** Where the page's files would be. Those of the reader are there: the database, the login. */
const FOLDER = join(__dirname, 'coming-from-dcrf');

const PAGE = 'docs/COMING-FROM-DCRF.md';

export const page = readFileSync(join(ROOT, PAGE), 'utf8');

/** All blocks of the page. */
export const blocks = codeBlocks(PAGE);

/** What two of the three tests of the page execute; the third one executes the rest. */
export const MODEL_SECTIONS = [
  'A consumer of a model',
  'Mixins, one by one',
  'Custom actions',
  'Decorators',
  'Querysets and look-ups',
];
export const OBSERVER_SECTIONS = ['Observers', 'The tutorial: a chat'];

/** The page's TypeScript by the path of the file that the first line names. */
const files = new Map(blocks.filter(({ language }) => language === 'ts').map((block) => [pathOf(block), block]));
const executed = new Set<CodeBlock>();
const importPackage: (specifier: string) => unknown = require;

function pathOf({ code }: CodeBlock): string {
  const name = /^\/\/ (\S+\.ts)\n/.exec(code)?.[1];
  if (name === undefined) throw new Error(`The first line of a block is no file name: ${code.slice(0, 60)}`);
  return join(FOLDER, name);
}

/** The first lines of the blocks of some sections that no test has executed yet. */
export function notExecuted(isMeant: (section: string) => boolean): string[] {
  const left = blocks.filter((block) => block.language !== 'python' && isMeant(block.section) && !executed.has(block));
  return left.map(({ section, code }) => `${section}: ${code.split('\n', 1)[0] ?? ''}`);
}

/** A block that is no file: frames, or the client. */
export function blockIn(section: string, language: string, index = 0): CodeBlock {
  const found = blocks.filter((block) => block.section === section && block.language === language)[index];
  if (found === undefined) throw new Error(`There is no block ${index} of ${language} in "${section}".`);
  executed.add(found);
  return found;
}

/** One run of the page's files, with a database of its own. */
export class Example {
  readonly #modules = new Map<string, Readonly<Record<string, unknown>>>();
  readonly #globals: Readonly<Record<string, unknown>>;

  constructor(globals: Readonly<Record<string, unknown>> = {}) {
    this.#globals = globals;
  }

  /** What a file of the page exports, to a test that tries it. */
  load(name: string): Readonly<Record<string, unknown>> {
    const path = join(FOLDER, name);
    const block = files.get(path);
    if (block !== undefined) executed.add(block);
    return this.#module(path);
  }

  #module(path: string): Readonly<Record<string, unknown>> {
    const loaded = this.#modules.get(path);
    if (loaded !== undefined) return loaded;
    const source = files.get(path)?.code ?? readFileSync(path, 'utf8');
    const exports = runModule(source, path, {
      ...this.#globals,
      require: (specifier: string) => this.#import(path, specifier),
    });
    this.#modules.set(path, exports);
    return exports;
  }

  #import(from: string, specifier: string): unknown {
    if (!specifier.startsWith('.')) return importPackage(specifier);
    const path = join(dirname(from), specifier.replace(/\.js$/, ''));
    return path.startsWith(FOLDER) ? this.#module(`${path}.ts`) : importPackage(path);
  }
}

/** What the compiler finds wrong in the page's files, with the project's own settings. */
export function typeErrors(): string[] {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as { config: unknown };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  const folders = new Set([...files.keys()].map(dirname));
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.directoryExists = (path) => folders.has(path) || ts.sys.directoryExists(path);
  host.readFile = (path) => files.get(path)?.code ?? readFile(path);
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files.keys()].flatMap((path) => {
    const source = program.getSourceFile(path);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.map(({ messageText, start = 0 }) => {
      const line = source?.getLineAndCharacterOfPosition(start).line ?? 0;
      return `${path.slice(FOLDER.length + 1)}:${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
  });
}
