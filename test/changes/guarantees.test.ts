import { readFileSync } from 'node:fs';
import { writes } from './writes.js';

const table = readFileSync('docs/GUARANTEES.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split('|')[1]?.trim() ?? '')
  .filter((name) => name !== 'write' && !/^-+$/.test(name));

test('each row of the table of writes is held by a test, and each test of a write has its row', () => {
  expect(new Set(writes.map(({ row }) => row))).toEqual(new Set(table));
});
