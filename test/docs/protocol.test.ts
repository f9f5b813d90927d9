import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import {
  ActionError,
  AuthenticationFailed,
  CloseCode,
  MethodNotAllowed,
  NotAuthenticated,
  NotFound,
  ParseError,
  PermissionDenied,
  Throttled,
  ValidationError,
} from 'express-channels';

import { describeRequiring } from '../support/requirement.js';
import { open } from '../support/socket-client.js';
import { type CodeBlock, codeBlocks } from './markdown.js';
import { ProtocolServer } from './protocol-server.js';
import { playTranscript } from './transcript.js';

const PAGE = 'docs/PROTOCOL.md';
const page = readFileSync(PAGE, 'utf8');
const blocks = codeBlocks(PAGE);

let server: ProtocolServer;

beforeEach(async () => {
  server = await ProtocolServer.start();
});

afterEach(async () => {
  await server.close();
});

/** Where a section's frames are sent to, if that is not the consumer of posts. */
const paths = new Map([
  ['Actions of a router', '/ws/router'],
  ['Streamed lists', '/ws/streamed'],
  ['Streams', '/ws/streams'],
]);

describe('the frames of each section are those of a server', () => {
  const transcripts = blocks.filter(({ code }) => code.startsWith('> '));

  test.each(transcripts.map((block): [string, CodeBlock] => [block.section, block]))('%s', async (section, { code }) => {
    const client = await open(server.port, paths.get(section) ?? '/ws/posts');
    await playTranscript(client, code, (event) => server.happen(event));
    await client.receiveNothing();
  });

  test('no section with examples is left out', () => {
    const others = blocks.filter((block) => !transcripts.includes(block)).map(({ section }) => section);
    expect(transcripts.length).toBeGreaterThan(10);
    expect(new Set(others)).toEqual(new Set(['A client, step by step', 'A client in Python']));
  });
});

/** The first column of a section's table. */
function firstColumn(section: string): readonly string[] {
  const text = page.split(`\n## ${section}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = [...text.matchAll(/^\| (.*?) +\|/gm)].map(([, cell = '']) => cell);
  return rows.slice(1).filter((cell) => !/^-+$/.test(cell));
}

test('each close code has its row', () => {
  const ownOfWebSocket = ['1006', '1007'];
  expect(new Set(firstColumn('Close codes'))).toEqual(new Set([...Object.values(CloseCode).map(String), ...ownOfWebSocket]));
});

test('the texts of errors are those that are sent', () => {
  const errors = [
    new ValidationError(),
    new ParseError(),
    new NotAuthenticated(),
    new AuthenticationFailed(),
    new PermissionDenied(),
    new NotFound(),
    new MethodNotAllowed('…'),
    new Throttled(7),
    new ActionError(),
  ];
  for (const { status, message } of errors)
    expect(page).toMatch(new RegExp(`^\\| ${String(status)} +\\| \`${escaped(message)}\``, 'm'));
});

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Why the client in Python can't run here, if it can't. */
const pythonMissing = spawnSync('python3', ['--version']).status === 0 ? undefined : 'there is no python3 on this machine';
const run = promisify(execFile);

describeRequiring(pythonMissing, 'the client in Python', () => {
  test('reads, subscribes, writes, and hears of it, as the page prints', async () => {
    const [client, use, printed] = blocks.filter(({ section }) => section === 'A client in Python');
    const folder = mkdtempSync(join(tmpdir(), 'protocol-'));
    const file = join(folder, 'client.py');
    writeFileSync(file, `${client?.code ?? ''}\n${use?.code.replace('8000', String(server.port)) ?? ''}`);
    try {
      const { stdout } = await run('python3', [file], { timeout: 10_000 });
      expect(stdout).toBe(printed?.code);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
