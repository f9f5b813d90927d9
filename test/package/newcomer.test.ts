import { WebSocket } from 'ws';

import { type CodeBlock, codeBlocks, runBlock } from '../docs/markdown.js';
import { holdSection, messageOf } from '../docs/troubleshooting-page.js';
import { freePort } from '../support/free-port.js';
import { describeRequiring } from '../support/requirement.js';
import { open } from '../support/socket-client.js';
import { type Newcomer, registryMissing, type ServerProcess, Tarball } from './tarball.js';

const EXPRESS_4 = 'express@4';
const EXPRESS_5 = ['express@5', '@types/express@5'];

/** The README's server or client: the first block that says so. */
function fromReadme(mark: string): CodeBlock {
  const found = codeBlocks('README.md').find(({ language, code }) => language === 'js' && code.includes(mark));
  if (found === undefined) throw new Error(`README.md has no block with ${mark}.`);
  return found;
}

const server = fromReadme('channels.listen(8000)');
const client = fromReadme('new WebSocket(');

/** As a reader of the README writes it who uses CommonJS. */
function toCommonJs(code: string): string {
  return code.replaceAll(/^import (.+) from ('.+');$/gm, 'const $1 = require($2);');
}

const at = (port: number, code: string): string => code.replaceAll('8000', String(port));

/** What the README promises of its twenty lines, and one row more. */
async function expectLive(port: number): Promise<void> {
  const logged = await new Promise((log) => {
    void runBlock({ ...client, code: at(port, client.code) }, { WebSocket, console: { log } }, []);
  });
  expect(logged).toBe(/^\/\/ (\{.*\})$/m.exec(client.code)?.[1]);
  const socket = await open(port, '/ws/users');
  expect(await socket.act('create', { data: { username: 'bob' } })).toMatchObject({
    data: { id: 2, username: 'bob' },
    response_status: 201,
  });
  const overHttp = await fetch(`http://127.0.0.1:${port}/users`);
  expect(await socket.act('list')).toMatchObject({ data: await overHttp.json() });
  await socket.close();
}

/** Milliseconds that a busy machine may need to build, to install or to check types. */
const LONG = 90_000;

describeRequiring(registryMissing, 'who installs the tarball and has read the README', () => {
  const tarball = new Tarball();
  const running: ServerProcess[] = [];
  let javaScript: Newcomer;
  let typeScript: Newcomer;
  let withoutPeers: Newcomer;

  beforeAll(async () => {
    await tarball.pack();
    [javaScript, typeScript, withoutPeers] = await Promise.all([
      tarball.install('javascript', { type: 'commonjs' }, EXPRESS_4),
      tarball.install('typescript', { type: 'module' }, ...EXPRESS_5),
      tarball.install('without-peers', {}, '--legacy-peer-deps'),
    ]);
  }, LONG);

  afterAll(async () => {
    await Promise.all(running.map((one) => one.stop()));
    tarball.remove();
  });

  async function start(newcomer: Newcomer, file: string, port: number): Promise<void> {
    const started = await newcomer.start(file, `http://127.0.0.1:${port}/users`);
    running.push(started);
    if (!started.isRunning) throw new Error(started.printed);
  }

  test('has an Express 4 app live in CommonJS', async () => {
    const port = await freePort();
    javaScript.write('server.js', at(port, toCommonJs(server.code)));
    await start(javaScript, 'server.js', port);
    await expectLive(port);
  });

  test(
    'has an Express 5 app live in TypeScript, with types that know a mistake',
    async () => {
      const port = await freePort();
      typeScript.write('server.ts', at(port, server.code));
      typeScript.write(
        'mistakes.ts',
        `import { createChannels, defineConsumer, viewAsConsumer } from 'express-channels';
// @ts-expect-error -- a consumer, not a path
createChannels().route('/ws', '/users');
// @ts-expect-error -- no such option
createChannels(undefined, { origin: [] });
// @ts-expect-error -- no method of HTTP
viewAsConsumer(() => undefined, { list: 'FETCH /' });
// @ts-expect-error -- an action has a context
defineConsumer({ actions: { hello: (ctx) => ctx.nothing } });
`,
      );
      expect(await typeScript.compile('server.ts', 'mistakes.ts')).toBeUndefined();
      await start(typeScript, 'server.js', port);
      await expectLive(port);
    },
    LONG,
  );

  /** What a page shows is a part of what Node or TypeScript prints. */
  const shownOf = async (title: string, printed: Promise<string>): Promise<string> => {
    const text = await printed;
    const message = messageOf(title);
    return text.includes(message) ? message : text;
  };
  const complaintOf = async (newcomer: Newcomer, file: string, code: string): Promise<string> => {
    newcomer.write(file, code);
    return (await newcomer.complaintOf(process.execPath, file)) ?? '';
  };
  let compiled: Promise<string> | undefined;
  const compile = async (): Promise<string> => {
    for (const file of ['module.ts', 'untyped.mts']) javaScript.write(file, server.code);
    return (await javaScript.compile('module.ts', 'untyped.mts')) ?? '';
  };
  const mistakes: [title: string, make: () => Promise<string>][] = [
    ['Express is missing', () => complaintOf(withoutPeers, 'server.cjs', "require('express-channels');")],
    ['Express is missing, says an import', () => complaintOf(withoutPeers, 'server.mjs', "import 'express-channels';")],
    ['Sequelize is missing', () => complaintOf(javaScript, 'models.js', "require('sequelize');")],
    ['The file is no ES module', () => complaintOf(javaScript, 'module.js', server.code)],
    ['The file is no ES module, says TypeScript', () => (compiled ??= compile())],
    ['The types of Express are missing', () => (compiled ??= compile())],
  ];
  holdSection('Installing', Object.fromEntries(mistakes.map(([title, make]) => [title, () => shownOf(title, make())])));

  test('is told by the layer that no client of Redis is installed', async () => {
    const code = "require('express-channels').redisLayer({ url: 'redis://localhost:6379' });";
    expect(await complaintOf(javaScript, 'layer.js', code)).toContain(messageOf('There is no client of Redis'));
  });
});
