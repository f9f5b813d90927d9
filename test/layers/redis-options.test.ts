import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { redisLayer, type RedisLayerOptions } from 'express-channels';
import { Cluster } from 'ioredis';
import { createCluster, createSentinel } from 'redis';

import { buildLayers } from './built-layers.js';

const url = 'redis://127.0.0.1:1';
const nodes = [{ host: '127.0.0.1', port: 1 }];
const A_CLIENT = 'a client of one Redis server: createClient() of the package redis, or new Redis() of ioredis';
const A_TIME = 'a positive number of milliseconds below 2^31';

describe('redisLayer() refuses', () => {
  const refused: [what: string, options: unknown, message: string][] = [
    ['neither a client nor a url', {}, 'Expected redisLayer() to have a `client` or a `url`, got neither.'],
    ['both', { url, client: { duplicate: () => undefined } }, 'Expected redisLayer() to have a `client` or a `url`, got both.'],
    ['an address alone', url, 'Expected the options of redisLayer() to be an object'],
    ['an unknown option', { url, timeout: 1 }, 'Unknown option `timeout` for redisLayer()'],
    ['a client that is none', { client: 7 }, `Expected \`client\` to be ${A_CLIENT}. Got 7.`],
    ['another client', { client: { duplicate: () => undefined } }, 'Got an object of the class Object.'],
    ['a cluster of redis', { client: createCluster({ rootNodes: [{ url }] }) }, 'Got a client of a cluster: give one of a node'],
    ['sentinels of redis', { client: createSentinel({ name: 'a', sentinelRootNodes: nodes }) }, 'Got an object of the class '],
    [
      'a cluster of ioredis',
      { client: new Cluster(nodes, { lazyConnect: true }) },
      'Got a client of a cluster: give one of a node',
    ],
    [
      'an address of something else',
      { url: 'http://ada:secret@localhost' },
      'Expected `url` to be an address such as "redis://localhost:6379", got \'http:…\'.',
    ],
    ['a host', { url: 'localhost' }, "got 'localhost'."],
    ['an address that is none', { url: 'redis://' + ':'.repeat(3) }, "got 'redis:…'."],
    ['an empty prefix', { url, prefix: '' }, "Expected `prefix` to be a text, got ''."],
    ['no time', { url, timeoutMs: 0 }, `Expected \`timeoutMs\` to be ${A_TIME}, got 0.`],
    ['more time than timers have', { url, timeoutMs: 2 ** 31 }, `Expected \`timeoutMs\` to be ${A_TIME}`],
    ['beats that are no time', { url, beatMs: Number.NaN }, `Expected \`beatMs\` to be ${A_TIME}, got NaN.`],
    ['no size', { url, maxMessageBytes: '1' }, 'Expected `maxMessageBytes` to be a positive number of at most 512 MiB'],
    ['an error handler that is none', { url, onError: 'x' }, "Expected `onError` to be a function, got 'x'."],
  ];

  it.each(refused)('%s', (_what, options, message) => {
    let error: unknown;
    try {
      redisLayer(options as RedisLayerOptions);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(TypeError);
    expect(String(error)).toContain(message);
    expect(String(error)).not.toContain('secret');
  });
});

describe('redisLayer({ url }) takes what the application has installed', () => {
  let folder: string;
  let module: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'installed-'));
    mkdirSync(join(folder, 'lib'));
    module = buildLayers(join(folder, 'lib'));
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** What an application prints: the first thing that its layer tells, where nobody listens. */
  function tells(name: string, installed: readonly string[], evaluated = false): string {
    const application = join(folder, name);
    mkdirSync(join(application, 'node_modules'), { recursive: true });
    for (const one of installed) symlinkSync(join(__dirname, '../../node_modules', one), join(application, 'node_modules', one));
    writeFileSync(
      join(application, 'main.mjs'),
      `import { redisLayer } from ${JSON.stringify(module)};
       try {
         const layer = redisLayer({ url: '${url}', onError: async ({ cause }) => {
           console.log('loaded', cause.code);
           await layer.close();
         } });
       } catch (error) {
         console.log(error.message);
       }`,
    );
    const main = !evaluated ? ['main.mjs'] : ['--input-type=module', '-e', "import('./main.mjs')"];
    return execFileSync(process.execPath, main, { cwd: application, encoding: 'utf8' }).trim();
  }

  it.each([
    ['redis', ['redis']],
    ['ioredis', ['ioredis']],
  ])('%s', (name, installed) => {
    expect(tells(name, installed)).toBe('loaded ECONNREFUSED');
  });

  it('from the folder that a program without a file was started in', () => {
    expect(tells('evaluated', ['ioredis'], true)).toBe('loaded ECONNREFUSED');
  });

  it('and says so where that is neither', () => {
    expect(tells('neither', [])).toBe(
      'Neither redis nor ioredis is installed beside the application: install one of them (npm install redis), or give a `client`.',
    );
  });
});
