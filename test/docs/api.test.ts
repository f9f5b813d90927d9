import { readFileSync } from 'node:fs';

import * as main from 'express-channels';
import * as testing from 'express-channels/testing';

/** `npm run docs:api -- --check`, in .ci/run, finds whether the pages are those of the comments. */
test('what the package exports is on the index of the reference, and each link leads to what it names', () => {
  const index = readFileSync('docs/api/README.md', 'utf8');
  const links = [...index.matchAll(/\[`(\w+)`\]\(([\w-]+\.md)#[\w-]+\)/g)];
  const names = links.map(([, name]) => name);
  expect(names).toEqual(expect.arrayContaining([...Object.keys(main), ...Object.keys(testing)]));
  for (const [, name = '', page = ''] of links)
    expect(readFileSync(`docs/api/${page}`, 'utf8')).toMatch(new RegExp(`^## (\`abstract\` )?${name}(\\(\\))?$`, 'm'));
});
