import type { Program } from './how-to-program.js';
import { Reader } from './how-to-reader.js';
import { Walk } from './how-to-walk.js';
import { type CodeBlock, codeBlocks } from './markdown.js';

const PAGE = codeBlocks('docs/how-to/dcrf-client.md');

/** The text that the page shows next behind the block that begins so. */
function shownAfter(beginning: string): string {
  const index = PAGE.findIndex(({ code }) => code.startsWith(beginning));
  if (index === -1) throw new Error(`No block begins with "${beginning}".`);
  return PAGE.slice(index).find(isText)?.code.trim() ?? '';
}

const isText = ({ language }: CodeBlock): boolean => language === 'text';

let walk: Walk;

beforeAll(async () => {
  walk = new Walk(await Reader.start([8000]));
  await walk.reader.package();
  for (const block of PAGE) {
    if (block.language === 'js') await walk.reader.write(block);
    // `events` is for bundlers: Node has its own.
    else if (block.code.startsWith('npm install')) await walk.reader.type({ code: block.code.replace(' events', '') });
  }
  await walk.start();
});

/** Runs a client, which is ended with the file if it does not close itself. */
const run = (command: string): Program => walk.reader.open({ code: command });

// The ids of the rows count on from one test to the next, as on the page.
test('dcrf-client.md: rows.js prints what the page shows', async () => {
  const rows = run('node rows.js');
  expect(await rows.ended).toBe(0);
  expect(rows.output).toBe(shownAfter('node rows.js'));
});

test('dcrf-client.md: page.js runs where there is a WebSocket, as in a browser', async () => {
  const page = run('node --no-warnings --experimental-websocket page.js');
  await page.prints(shownAfter('// page.js'));
  await page.stop();
  expect(page.output).toBe(shownAfter('// page.js'));
});

test('dcrf-client.md: follow.js comes back to a server that was restarted, and hears of the row again', async () => {
  const follow = run('node follow.js');
  await follow.prints('following');
  await walk.start();
  await follow.prints('back');
  expect(await run('node change.js').ended).toBe(0);
  expect(await follow.ended).toBe(0);
  expect(follow.output).toBe(shownAfter('node follow.js'));
});

test.each(['node cancel.js', 'node all.js'])('dcrf-client.md: %s prints what the page shows', async (command) => {
  const client = run(command);
  expect(await client.ended).toBe(0);
  expect(client.output).toBe(shownAfter(command));
});

test('dcrf-client.md: each text that it shows is compared', () => {
  const compared = ['node rows.js', '// page.js', 'node follow.js', 'node cancel.js', 'node all.js'];
  expect(compared.map(shownAfter)).toEqual(PAGE.filter(isText).map(({ code }) => code.trim()));
});
