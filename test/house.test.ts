import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { LegacyESLint } from 'eslint/use-at-your-own-risk';
import ts from 'typescript';

/** The project's own rules, as they read a text that stood in a file. What needs the types of the whole program is left out. */
const linter = new LegacyESLint({
  overrideConfig: { extends: ['plugin:@typescript-eslint/disable-type-checked'], parserOptions: { project: null } },
});

async function refusals(filePath: string, code: string): Promise<string[]> {
  const results = await linter.lintText(code, { filePath });
  return results.flatMap(({ messages }) => messages.map(({ ruleId, message }) => ruleId ?? message));
}

const FLOOR = 'no-restricted-imports';
const PACKAGE = '@typescript-eslint/no-restricted-imports';

const importing = (specifier: string) => `import { part } from '${specifier}';\n\nexport const copy = part;\n`;

describe('the floors of lib/', () => {
  const floors = [
    { folder: 'protocol', below: [] },
    { folder: 'http', below: ['protocol'] },
    { folder: 'layers', below: ['protocol'] },
    { folder: 'auth', below: ['protocol', 'http', 'layers'] },
    { folder: 'changes', below: ['protocol'] },
    { folder: 'observers', below: ['protocol', 'http', 'layers', 'auth', 'changes'] },
    { folder: 'serializers', below: ['protocol'] },
    { folder: 'consumers', below: ['protocol', 'http', 'layers', 'auth', 'changes', 'observers', 'serializers'] },
    { folder: 'server', below: ['protocol', 'http', 'layers', 'auth', 'changes', 'observers', 'serializers', 'consumers'] },
  ];

  describe.each(floors)('$folder/', ({ folder, below }) => {
    const file = `lib/${folder}/part.ts`;
    const others = floors.map((floor) => floor.folder).filter((other) => other !== folder && !below.includes(other));

    it.each(['./other.js', 'node:http', ...below.map((lower) => `../${lower}/part.js`)])('may import %s', async (specifier) => {
      expect(await refusals(file, importing(specifier))).toEqual([]);
    });

    it.each(['../index.js', '../testing.js', './../index.js', ...others.map((other) => `../${other}/part.js`)])(
      'may not import %s',
      async (specifier) => {
        expect(await refusals(file, importing(specifier))).toEqual([FLOOR]);
      },
    );
  });

  it('hold for a mere type, and for what is passed on', async () => {
    const code = `import type { Part } from '../auth/part.js';\n\nexport type Copy = Part;\nexport * from '../server/part.js';\n`;
    expect(await refusals('lib/http/part.ts', code)).toEqual([FLOOR, FLOOR]);
  });

  it('hold for a way through a lower floor', async () => {
    expect(await refusals('lib/http/part.ts', importing('../protocol/../server/part.js'))).toEqual([FLOOR]);
  });

  it('hold for an import that only the running program would see', async () => {
    const code = "export const late = async () => import('../server/part.js');\n";
    expect(await refusals('lib/http/part.ts', code)).toEqual(['no-restricted-syntax']);
  });

  it('leave re-exports alone to index.ts', async () => {
    expect(await refusals('lib/index.ts', "export { dispatch } from './http/dispatch.js';\n")).toEqual([]);
    expect(await refusals('lib/index.ts', 'export const answer = 42;\n')).toEqual(['no-restricted-syntax']);
  });
});

describe('packages have one place each', () => {
  const places: [name: string, files: string[]][] = [
    ['ws', ['lib/server/connection.ts', 'lib/server/channels.ts', 'lib/testing.ts']],
    ['express', ['lib/http/application.ts', 'lib/server/connection.ts', 'lib/server/channels.ts']],
    [
      'sequelize',
      [
        'lib/changes/model-observer.ts',
        'lib/changes/commit-queue.ts',
        'lib/consumers/model-consumer.ts',
        'lib/consumers/crud.ts',
        'lib/consumers/rows.ts',
        'lib/serializers/serializer.ts',
        'lib/serializers/model-input.ts',
      ],
    ],
    ['redis', []],
    ['ioredis', []],
    ['left-pad', []],
  ];
  const everywhere = [
    ...new Set(places.flatMap(([, files]) => files)),
    'lib/protocol/envelope.ts',
    'lib/http/dispatch.ts',
    'lib/layers/redis-layer.ts',
    'lib/auth/handshake.ts',
    'lib/consumers/consumer.ts',
  ];

  describe.each(places)('%s', (name, files) => {
    it.each(everywhere.map((file) => [files.includes(file) ? 'may' : 'may not', file] as const))(
      '%s be imported in %s',
      async (verdict, file) => {
        const expected = verdict === 'may' ? [] : [PACKAGE];
        expect(await refusals(file, importing(name))).toEqual(expected);
        expect(await refusals(file, importing(`${name}/part`))).toEqual(expected);
      },
    );
  });

  it("keeps the example to the package's public names", async () => {
    expect(await refusals('example-app/socket.ts', importing('express-channels'))).toEqual([]);
    expect(await refusals('example-app/socket.ts', importing('../lib/index.js'))).toEqual([FLOOR]);
  });
});

describe('lib/ is held to', () => {
  it.each([
    ['files of 300 lines at most', "'use strict';\n".repeat(301), 'max-lines'],
    ['no any', 'export const text = (value: any): string => String(value);\n', '@typescript-eslint/no-explicit-any'],
    ['no @ts-ignore', '// @ts-ignore\nexport const one = 1;\n', '@typescript-eslint/ban-ts-comment'],
    [
      'no @ts-expect-error',
      '// @ts-expect-error: a long description\nexport const one = 1;\n',
      '@typescript-eslint/ban-ts-comment',
    ],
    [
      'no `!` against the compiler',
      'export const first = (list: string[]) => list.at(0)!;\n',
      '@typescript-eslint/no-non-null-assertion',
    ],
    ['no empty catch', 'export function quiet() {\n  try {\n    quiet();\n  } catch {}\n}\n', 'no-empty'],
    ['no console', "console.log('here');\n", 'no-console'],
  ])('%s', async (_promise, code, rule) => {
    expect(await refusals('lib/protocol/part.ts', code)).toContain(rule);
  });

  it('rules that no comment turns off', async () => {
    const found = await refusals('lib/protocol/part.ts', "// eslint-disable-next-line no-console\nconsole.log('here');\n");
    expect(found).toEqual([expect.stringContaining("has no effect because you have 'noInlineConfig'"), 'no-console']);
  });
});

describe('every export says what it is', () => {
  const lib = join(__dirname, '../lib');

  it.each(readdirSync(lib, { encoding: 'utf8', recursive: true }).filter((file) => file.endsWith('.ts')))('in lib/%s', (file) => {
    const source = ts.createSourceFile(file, readFileSync(join(lib, file), 'utf8'), ts.ScriptTarget.Latest, true);
    const silent = source.statements.filter(
      (statement) =>
        ts.canHaveModifiers(statement) &&
        ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true &&
        ts.getJSDocCommentsAndTags(statement).length === 0,
    );
    expect(silent.map((statement) => statement.getText().split('\n')[0])).toEqual([]);
  });
});

describe('tests are held to', () => {
  it.each([
    ['running all of them', "it.only('works', () => {});\n"],
    ['leaving none out', "describe.skip('works', () => {});\n"],
    ['waiting for conditions', 'await new Promise((resolve) => setTimeout(resolve, 50));\n'],
  ])('%s', async (_promise, code) => {
    expect(await refusals('test/part.test.ts', code)).toContain('no-restricted-syntax');
  });
});
