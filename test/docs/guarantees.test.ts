import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';

import { writes } from '../changes/writes.js';

const PAGE = 'docs/GUARANTEES.md';
/** Sections by their titles. */
const sections = new Map(
  readFileSync(PAGE, 'utf8')
    .split('\n## ')
    .slice(1)
    .map((text): [string, string] => [text.split('\n', 1)[0] ?? '', text]),
);
const SEQUELIZE = 'Changes of Sequelize models';

/** The rows of a text's table. */
function rowsIn(text = ''): readonly string[] {
  const lines = text.split('\n');
  return lines.filter((line) => line.startsWith('| ')).slice(2);
}

/** The tests that a text names. */
function testsIn(text: string): readonly { readonly file: string; readonly name: string }[] {
  const named = text.matchAll(/\]\((\.\.\/test\/[^)]+)\):\s“([^”]+)”/g);
  return [...named].map(([, file = '', name = '']) => ({ file: join('docs', file), name }));
}

/** What has been read already. */
const known = new Map<string, ReadonlySet<string>>();

/** The names of the tests of a file and of what they stand in; what is put into a name is `…`. */
function namesIn(file: string): ReadonlySet<string> {
  const read = known.get(file);
  if (read !== undefined) return read;
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
  const constants = new Map<string, string>();
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    const initial = ts.isVariableDeclaration(node) ? node.initializer && textOf(node.initializer) : undefined;
    if (ts.isVariableDeclaration(node) && initial !== undefined) constants.set(node.name.getText(source), initial);
    const [first] = ts.isCallExpression(node) ? node.arguments : [];
    if (ts.isCallExpression(node) && first !== undefined && /^(it|test|describe)\b/.test(node.expression.getText(source))) {
      const name = textOf(first) ?? constants.get(first.getText(source));
      if (name !== undefined) names.add(name);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  known.set(file, names);
  return names;
}

function textOf(node: ts.Expression): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (!ts.isTemplateExpression(node)) return undefined;
  return node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join('');
}

const guaranteed = [...sections.keys()].filter((section) => section !== 'What is not guaranteed');

describe.each(guaranteed)('%s', (section) => {
  test('each line names a test, and each test that is named is there', () => {
    const lines = section === SEQUELIZE ? [sections.get(section) ?? ''] : rowsIn(sections.get(section));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      expect([line, testsIn(line).length]).not.toEqual([line, 0]);
      for (const { file, name } of testsIn(line)) {
        expect([file, existsSync(file)]).toEqual([file, true]);
        expect([...namesIn(file)]).toContain(name);
      }
    }
  });
});

test('each row of the table of writes is held by a test, and each test of a write has its row', () => {
  const [table = ''] = /(?:^\|.*\n)+/m.exec(sections.get(SEQUELIZE) ?? '') ?? [];
  const rows = rowsIn(table).map((line) => line.split('|')[1]?.trim());
  expect(new Set(writes.map(({ row }) => row))).toEqual(new Set(rows));
});
