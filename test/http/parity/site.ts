import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const LAST_MODIFIED = new Date('2026-01-02T03:04:05Z');

const files: Readonly<Record<string, string>> = {
  'index.html': '<p>home</p>\n',
  'nums.txt': '123456789',
  'empty.txt': '',
  'data.json': '{"a":1}',
  'foo bar': 'tobi',
  'snow ☃.txt': 'café €',
  'large.bin': 'z'.repeat(200_000),
  '.env': 'SECRET=1',
  '.hidden/a.txt': 'hidden',
  'docs/index.html': '<p>docs</p>',
  'docs/page.html': '<p>page</p>',
  'bare/a.txt': 'a',
  'views/page.ejs': '<h1><%= title %></h1><%- include("foot") %>',
  'views/foot.ejs': '<i><%= user %></i>',
  'views/broken.ejs': '<% throw new Error("broken view") %>',
};

/** Makes a directory of small files (static ones and views) for the tests of this file, and removes it after them. */
export function site(): string {
  const root = mkdtempSync(path.join(os.tmpdir(), 'site-'));
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
    utimesSync(file, LAST_MODIFIED, LAST_MODIFIED);
  }
  afterAll(() => {
    rmSync(root, { recursive: true });
  });
  return root;
}
