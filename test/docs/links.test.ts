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

test.each(pages)('%s: every link leads somewhere', (page) => {
  const faults = targetsOf(readFileSync(page, 'utf8')).flatMap((target) => {
    const wrong = fault(page, target);
    return wrong === undefined ? [] : [`${target} ${wrong}`];
  });
  expect(faults).toEqual([]);
});

test('a link that leads nowhere is found', () => {
  const page = 'docs/PROTOCOL.md';
  expect(fault(page, 'SERVER.md')).toBeUndefined();
  expect(fault(page, '../README.md#license')).toBeUndefined();
  expect(fault(page, '#coming-back')).toBeUndefined();
  expect(fault(page, 'SERVERS.md')).toBe('leads to no file');
  expect(fault(page, 'SERVER.md#nothing')).toBe('leads to no heading');
  expect(fault(page, 'http://example.com')).toBe('is no https address');
  expect(targetsOf('[a](b.md) `[c](d.md)` [e]: no\n[f]: g.md\n<img src="h.png">')).toEqual(['b.md', 'g.md', 'h.png']);
});

test('headings have the anchors that GitHub gives them', () => {
  const text = "# What's `new()`?\n\n## [Linked](x.md) & more\n\n```sh\n# no heading\n```\n\n## What's new\n\n## Größe\n";
  expect(anchorsOf(text)).toEqual(new Set(['whats-new', 'linked--more', 'whats-new-1', 'größe']));
});
