import { join } from 'node:path';

import type { Channels } from 'express-channels';
import { connect } from 'express-channels/testing';
import { type Model, type ModelStatic, Sequelize } from 'sequelize';
import ts from 'typescript';

import * as sqlite from '../../example-app/src/sqlite.js';
import { codeBlocks, runModule } from './markdown.js';

const ROOT = join(__dirname, '../..');
const FOLDER = join(__dirname, 'how-to-typescript');

const PAGE = codeBlocks('docs/how-to/typescript.md');
const [models = '', live = '', ...others] = PAGE.filter(({ language }) => language === 'ts').map(({ code }) => code);
const frames =
  PAGE.find(({ language }) => language === 'text')
    ?.code.trim()
    .split('\n') ?? [];

/** What the page says of the compiler, and what in `live.ts` is written otherwise then. */
const MISTAKES = [
  ["Property 'author' does not exist on type 'undefined'", ': { author: number }', ''],
  ["'scope.user' is possibly 'undefined'", 'scope.user?.admin', 'scope.user.admin'],
  ["Property 'admin' does not exist on type 'User'", 'scope.user?.admin', 'scope.user?.chief'],
  ["Argument of type 'unknown' is not assignable to", 'await ctx.getObject(args)', "await ctx.getObject(args['pk'])"],
] as const;

/** What the compiler says of each file, with the project's own settings. */
function typeErrors(files: ReadonlyMap<string, string>): string[] {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as { config: unknown };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.directoryExists = (path) => path === FOLDER || ts.sys.directoryExists(path);
  host.readFile = (path) => files.get(path) ?? readFile(path);
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files.keys()].map((path) => {
    const source = program.getSourceFile(path);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')).join('\n');
  });
}

test('typescript.md: its files are all that the compiler needs, and it says what the page says of each mistake', () => {
  const wrong = MISTAKES.map(([, from, to], index) => [`wrong-${index}.ts`, live.replace(from, to)] as const);
  const files = [
    ['database.ts', "import { Sequelize } from 'sequelize';\nexport const sequelize = new Sequelize();"],
    ['models.ts', models],
    ['live.ts', live],
    ...wrong,
  ] as const;
  const said = typeErrors(new Map(files.map(([name, code]) => [join(FOLDER, name), code])));
  expect(said.slice(0, 3)).toEqual(['', '', '']);
  // All files are one program, which knows `admin` by the others: so that mistake is made with another name.
  expect(said.slice(3).map((text) => text.replace('chief', 'admin'))).toEqual(
    MISTAKES.map(([message]) => expect.stringContaining(message) as string),
  );
  expect(others).toEqual([]);
}, 60_000); // the compiler, on a busy machine

test('typescript.md: the server answers as the page shows', async () => {
  const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
  const database = { sequelize };
  const { Post } = runModule(models, 'models.ts', {
    require: (name: string): unknown => (name === './database.js' ? database : jest.requireActual(name)),
  });
  const { channels } = runModule(live, 'live.ts', {
    require: (name: string): unknown => (name === './models.js' ? { Post } : jest.requireActual(name)),
  });
  const server = (channels as Channels).use((req, _res, next) => {
    Object.assign(req, { user: { id: 7, admin: true } });
    next();
  });
  await sequelize.sync();
  await (Post as ModelStatic<Model>).create({ title: 'Hello', authorId: 7 });

  const client = await connect(server, '/ws/posts');
  for (const line of frames) {
    if (line.startsWith('> ')) client.send(line.slice(2));
    else expect(await client.receive()).toEqual(JSON.parse(line.slice(2)));
  }
  await server.close();
  await sequelize.close();
});
