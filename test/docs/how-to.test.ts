import { WebSocket } from 'ws';

import { describeRequiring } from '../support/requirement.js';
import { missingPrograms } from './how-to-program.js';
import { Reader } from './how-to-reader.js';
import { Walk } from './how-to-walk.js';
import { type CodeBlock, codeBlocks, runBlock } from './markdown.js';

let walk: Walk;

async function begin(page: string, packages: string): Promise<CodeBlock[]> {
  walk = new Walk(await Reader.start([8000]));
  await walk.reader.type({ code: `npm init -y\nnpm pkg set type=module\nnpm install ${packages}` });
  return [...codeBlocks(`docs/how-to/${page}`)];
}

/** The browser's part of the page, with a token in the place of the reader's. */
async function offersAndRenews(block: CodeBlock): Promise<void> {
  const token = await walk.reader.type({ code: 'node token.js ada 1h' });
  const given = { WebSocket, token };
  if (block.code.startsWith('function renew')) {
    const { renew } = await runBlock(block, given, ['renew']);
    const sent: string[] = [];
    Reflect.apply(renew as () => void, undefined, [{ send: (text: string) => sent.push(text) }, token]);
    expect(sent).toEqual([JSON.stringify({ action: 'reauthenticate', request_id: 'renew', token })]);
    await walk.says(sent[0] ?? '', '"action":"reauthenticate","response_status":200');
    return;
  }
  const { socket } = await runBlock({ ...block, code: walk.reader.here(block.code) }, given, ['socket']);
  const opened = socket as WebSocket;
  await new Promise((resolve) => opened.once('open', resolve));
  expect(opened.protocol).toBe('bearer');
  opened.terminate();
}

describeRequiring(missingPrograms('curl'), 'how-to', () => {
  afterEach(() => walk.reader.leave());

  test('existing-app.md: an app with sessions', async () => {
    const blocks = await begin('existing-app.md', 'express express-session passport');
    // The page's app is in CommonJS.
    await walk.reader.type({ code: 'npm pkg set type=commonjs' });
    const [before, ...after] = blocks;
    if (before === undefined) throw new Error('There is no app.');
    await walk.reader.write(before);
    await walk.start('node app.cjs\n');
    expect(await walk.reader.type({ code: "curl -s -d 'name=ada' localhost:8000/notes" })).toBe('Unauthorized');
    await walk.stop('node app.cjs\n');
    for (const block of after) await walk.follow(block);
  });

  test('bearer-tokens.md', async () => {
    for (const block of await begin('bearer-tokens.md', '')) {
      if (!block.code.startsWith('const socket') && !block.code.startsWith('function renew')) await walk.follow(block);
      else await offersAndRenews(block);
    }
  });
});
