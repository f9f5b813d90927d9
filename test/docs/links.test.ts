import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { anchorsOf, proseOf } from './anchors.js';

const pages = [
  'README.md',
  'CHANGELOG.md',
  'SECURITY.md',
  'example-app/README.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' }).map((name) => join('docs', name)),
].filter((name) => name.endsWith('.md') && existsSync(name));

/** What links lead to: `[text](target)`, `[name]: target`, `src` and `href` of HTML. */
function targetsOf(text: string): readonly string[] {
  const prose = proseOf(text);
  const patterns = [/\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)/g, /^\[[^\]]+\]: +(\S+)/gm, /(?:src|href|srcset)="([^"\s]+)"/g];
  return patterns.flatMap((pattern) => [...prose.matchAll(pattern)].map(([, target = '']) => target));
}

/** What is wrong with a link, if anything is. */
function fault(page: string, target: string): string | undefined {
  if (/^[a-z]+:/i.test(target)) return isWeb(target) ? undefined : 'is no https address';
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : join(dirname(page), decodeURIComponent(path));
  if (!existsSync(file)) return 'leads to no file';
  if (anchor === undefined) return undefined;
  if (!statSync(file).isFile() || !file.endsWith('.md')) return 'names a place in what is no page';
  return anchorsOf(readFileSync(file, 'utf8')).has(anchor) ? undefined : 'leads to no heading';
}

function isWeb(address: string): boolean {
  return URL.canParse(address) && new URL(address).protocol === 'https:' && new URL(address).hostname.includes('.');
}

/** Names of links that stand elsewhere on the page, and are not there: `[text][name]`. */
function undefinedNames(text: string): readonly string[] {
  const prose = proseOf(text);
  const defined = new Set([...prose.matchAll(/^\[([^\]]+)\]: /gm)].map(([, name]) => name));
  return [...prose.matchAll(/\]\[([\w-]+)\]/g)].map(([, name = '']) => name).filter((name) => !defined.has(name));
}

test.each(pages)('%s: every link leads somewhere', (page) => {
  const text = readFileSync(page, 'utf8');
  const faults = targetsOf(text).flatMap((target) => {
    const wrong = fault(page, target);
    return wrong === undefined ? [] : [`${target} ${wrong}`];
  });
  expect([...faults, ...undefinedNames(text)]).toEqual([]);
});

test('docs/COMPARISON.md: what is said of others has a source', () => {
  const lines = readFileSync('docs/COMPARISON.md', 'utf8').split('\n');
  const rows = lines.filter((line) => line.startsWith('| ')).slice(2);
  const said = rows.map((row) => row.split('|').map((cell) => cell.trim())).map(([, ...cells]) => cells.slice(0, -1));
  // How the packages were counted stands below the table.
  const claims = said.filter(([name]) => name !== 'packages installed').flatMap(([, , ...others]) => others);
  const unsourced = claims.filter((cell) => !/\]\[|^–$|^any, or none$/.test(cell));
  expect(said.length).toBeGreaterThan(10);
  expect(unsourced).toEqual([]);
});

test('a link that leads nowhere is found', () => {
  const page = 'docs/PROTOCOL.md';
  expect(fault(page, 'SERVER.md')).toBeUndefined();
  expect(fault(page, '../README.md#license')).toBeUndefined();
  expect(fault(page, '#coming-back')).toBeUndefined();
  expect(fault(page, 'SERVERS.md')).toBe('leads to no file');
  expect(fault(page, 'SERVER.md#nothing')).toBe('leads to no heading');
  expect(fault(page, 'http://example.com')).toBe('is no https address');
  expect(undefinedNames('[a][b] [c][d]\n\n[b]: e.md')).toEqual(['d']);
  expect(targetsOf('[a](b.md) `[c](d.md)` [e]: no\n[f]: g.md\n<img src="h.png">')).toEqual(['b.md', 'g.md', 'h.png']);
});

test('headings have the anchors that GitHub gives them', () => {
  const text = "# What's `new()`?\n\n## [Linked](x.md) & more\n\n```sh\n# no heading\n```\n\n## What's new\n\n## Größe\n";
  expect(anchorsOf(text)).toEqual(new Set(['whats-new', 'linked--more', 'whats-new-1', 'größe']));
});
