import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  ActionError,
  ActionTimeout,
  AuthenticationFailed,
  type Channels,
  MethodNotAllowed,
  NotAcceptable,
  NotAuthenticated,
  NotFound,
  ParseError,
  PermissionDenied,
  Throttled,
  UnsupportedMediaType,
  ValidationError,
} from 'express-channels';
import { connect } from 'express-channels/testing';
import { WebSocket } from 'ws';

import { describeRequiring } from '../support/requirement.js';
import { ROOT } from './how-to-packages.js';
import { missingPrograms } from './how-to-program.js';
import { Reader } from './how-to-reader.js';
import { Walk } from './how-to-walk.js';
import { type CodeBlock, codeBlocks, runBlock } from './markdown.js';

let walk: Walk;

async function begin(page: string, packages: string, type?: 'commonjs'): Promise<CodeBlock[]> {
  walk = new Walk(await Reader.start([8000]));
  await walk.reader.package(type);
  await walk.reader.type({ code: `npm install ${packages}` });
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

test('testing.md: node:test, jest and vitest', async () => {
  for (const block of await begin('testing.md', 'express express-channels')) await walk.follow(block);
});

test('errors.md: what is thrown, what the client sees and what onError hears', async () => {
  const [server, frames, heard, ...others] = codeBlocks('docs/how-to/errors.md');
  if (server === undefined || frames === undefined || heard === undefined) throw new Error('A block is missing.');
  const { channels, logged } = await runBlock(server, {}, ['channels', 'logged']);
  const client = await connect(channels as Channels, '/ws/kitchen');
  for (const line of frames.code.trim().split('\n')) {
    if (line.startsWith('> ')) client.send(line.slice(2));
    else expect(await client.receive()).toEqual(JSON.parse(line.slice(2)));
  }
  expect(logged).toEqual(JSON.parse(heard.code));
  expect(others).toEqual([]);
  await (channels as Channels).close();
});

test.each([
  new ParseError(),
  new ValidationError(),
  new NotAuthenticated(),
  new AuthenticationFailed(),
  new PermissionDenied(),
  new NotFound(),
  new MethodNotAllowed('action'),
  new NotAcceptable(),
  new UnsupportedMediaType('type'),
  new Throttled(7),
  new ActionTimeout(30_000),
  new ActionError(),
])('errors.md has the status and the text of $name', ({ name, status, detail }) => {
  const page = readFileSync(join(ROOT, 'docs/how-to/errors.md'), 'utf8');
  const [, shownStatus, text] = new RegExp(`^\\| \`${name}\\(.*?\\)\` +\\| (\\d+) +\\| \`(.*?)\``, 'm').exec(page) ?? [];
  expect([Number(shownStatus), text]).toEqual([status, detail]);
});

describeRequiring(missingPrograms('curl'), 'how-to', () => {
  test('existing-app.md: an app with sessions', async () => {
    const blocks = await begin('existing-app.md', 'express express-session passport', 'commonjs');
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

test('every page is followed by a test', () => {
  const elsewhere = [
    'dcrf-client.md',
    'mariadb.md',
    'nginx.md',
    'postgresql.md',
    'production.md',
    'several-nodes.md',
    'typescript.md',
  ];
  const here = ['bearer-tokens.md', 'errors.md', 'existing-app.md', 'testing.md'];
  expect(readdirSync(join(ROOT, 'docs/how-to')).sort()).toEqual([...elsewhere, ...here].sort());
});
