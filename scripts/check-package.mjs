// Checks what `npm pack` would publish, as its users meet it: the list of files, publint, are-the-types-wrong, and the package
// installed beside Express alone, run from ESM and CommonJS and type-checked in both. The build has to be there: `npm run build`.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const require = createRequire(import.meta.url);
const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const folder = mkdtempSync(path.join(tmpdir(), 'express-channels-package-'));

try {
  const tarball = check('files', pack);
  await check('publint', () => checkWithPublint(tarball));
  check('are the types wrong', () => run(process.execPath, [binary('@arethetypeswrong/cli', 'attw'), tarball]));
  check('installed beside Express alone', () => install(tarball));
  check('imported and required', checkAtRunTime);
  check('type-checked', checkTypes);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function check(name, body) {
  console.log(`package: ${name}`);
  return body();
}

/** Packs, and holds the list of files against what the sources say that users need. */
function pack() {
  const scripts = Object.keys(manifest.scripts).filter((name) => /^(?:pre|post)?(?:install|prepare)$/.test(name));
  assert.deepEqual(scripts, [], 'nothing runs on the machine of whoever installs the package');

  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]));
  const modules = readdirSync('lib', { recursive: true })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length).replaceAll(path.sep, '/'));
  const built = ['esm', 'cjs'].flatMap((kind) =>
    modules.flatMap((name) => [`dist/${kind}/${name}.js`, `dist/${kind}/${name}.d.ts`]),
  );
  const expected = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md', 'dist/cjs/package.json', ...built];
  assert.deepEqual(
    packed.files.map((file) => file.path).sort(),
    expected.sort(),
    'the package holds what users need, nothing else',
  );
  console.log(`  ${packed.entryCount} files, ${kilobytes(packed.size)} packed, ${kilobytes(packed.unpackedSize)} unpacked`);
  return path.join(folder, packed.filename);
}

async function checkWithPublint(tarball) {
  const { messages, pkg } = await publint({ pack: { tarball: arrayBuffer(readFileSync(tarball)) }, strict: true });
  assert.deepEqual(
    messages.map((message) => formatMessage(message, pkg)),
    [],
  );
}

/** Optional peers stay away: who has no Sequelize and no passport can still use the rest. */
function install(tarball) {
  const others = ['express', '@types/express', '@types/node'].map((name) => `${name}@${manifest.devDependencies[name]}`);
  write('package.json', JSON.stringify({ private: true }));
  run('npm', ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', tarball, ...others], folder);
  const installed = readdirSync(path.join(folder, 'node_modules'));
  for (const peer of Object.keys(manifest.peerDependenciesMeta)) assert.ok(!installed.includes(peer), `${peer} is optional`);
}

function checkAtRunTime() {
  const show = (
    loaded,
  ) => `const names = (part) => Object.keys(part).filter((name) => !/^(?:default|__esModule|module\\.exports)$/.test(name)).sort();
    console.log(JSON.stringify([${loaded}].map(names)));`;
  write(
    'run.mjs',
    `import * as main from 'express-channels'; import * as testing from 'express-channels/testing'; ${show('main, testing')}`,
  );
  write('run.cjs', show("require('express-channels'), require('express-channels/testing')"));
  const [imported, required] = ['run.mjs', 'run.cjs'].map((file) => JSON.parse(run(process.execPath, [file], folder)));
  assert.deepEqual(required, imported, 'both module kinds have the same names');
  for (const name of ['createChannels', 'viewAsConsumer', 'dispatch', 'modelConsumer', 'modelSerializer', 'crud'])
    assert.ok(imported[0].includes(name), `${name} is exported`);
  assert.ok(imported[1].length > 0, 'the testing subpath exports something');
}

/** A user's file, in both module kinds, with the declarations of the package checked as well. */
function checkTypes() {
  const file = `import express from 'express';
    import { createChannels, dispatch, isAuthenticated, viewAsConsumer } from 'express-channels';
    import { crud, limitOffset, modelConsumer, modelSerializer, streamedList } from 'express-channels';
    import type { ActionArguments, Consumer, ModelContext } from 'express-channels';
    import * as testing from 'express-channels/testing';

    const router = express.Router().get('/:pk', (req, res) => res.json({ pk: req.params.pk }));
    const app = express().use('/things', router);
    const channels = createChannels(app);
    channels.route('/ws/things', viewAsConsumer(router, { retrieve: 'GET' }, { permissions: [isAuthenticated] }));
    export const answer: Promise<number> = dispatch(app, { method: 'GET', url: '/things/1' }).then(({ status }) => status);
    export const names: string[] = Object.keys(testing);

    // Without Sequelize's types a model is anything.
    declare const Post: Parameters<typeof modelConsumer>[0];
    const serializer = modelSerializer(Post, { fields: ['pk', 'title'] });
    const publish = async (ctx: ModelContext<any>, args: ActionArguments) => ctx.serializer.serialize(await ctx.getObject(args));
    const actions = { ...crud('list', 'retrieve'), ...streamedList(), publish };
    export const posts: Consumer = modelConsumer(Post, { serializer, pagination: limitOffset({ limit: 20 }), actions });\n`;
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
  };
  write('types.mts', file);
  write('types.cts', file);
  write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['types.mts', 'types.cts'] }));
  run(process.execPath, [binary('typescript', 'tsc'), '-p', folder]);
}

function write(file, text) {
  writeFileSync(path.join(folder, file), text);
}

function binary(name, command) {
  const description = require.resolve(`${name}/package.json`);
  const { bin } = JSON.parse(readFileSync(description, 'utf8'));
  return path.join(path.dirname(description), bin[command]);
}

/** Runs a command to its end and gives what it printed; shows it all if the command fails. */
function run(command, commandArguments, cwd = process.cwd()) {
  try {
    return execFileSync(command, commandArguments, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    throw new Error(`${error.message}${error.stdout}`, { cause: error });
  }
}

function arrayBuffer(buffer) {
  return buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength);
}

function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
