import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type RedisLayer, redisLayer } from 'express-channels';

import { RedisServer, redisMissing } from '../support/redis.js';
import { describeRequiring } from '../support/requirement.js';
import { until } from '../support/socket-client.js';
import { buildLayers } from './built-layers.js';

const root = join(__dirname, '../..');

describeRequiring(redisMissing, 'several processes over Redis', () => {
  let folder: string;
  let module: string;
  let server: RedisServer;
  let layer: RedisLayer;
  let program: ChildProcess;
  let numbers: number[];
  let gaps: number;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bus-process-'));
    module = buildLayers(folder);
    server = await RedisServer.start();
  });

  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  beforeEach(async () => {
    numbers = [];
    gaps = 0;
    layer = redisLayer({ url: server.url, beatMs: 200 });
    layer.onGap(() => (gaps += 1));
    await layer.join('numbers', (message) => numbers.push(Number(message)));
    program = spawn(process.execPath, [join(__dirname, 'bus-process.mjs'), module, server.url, '200'], {
      cwd: root,
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    await until(() => numbers.length > 100, 20_000);
  });

  afterEach(async () => {
    await end('SIGKILL');
    await layer.close();
  });

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (program.exitCode !== null || program.signalCode !== null) return;
    const ended = once(program, 'exit');
    program.kill(signal);
    await ended;
  }

  /** Everything that was published has been received, and so many beats have passed. */
  async function beats(count: number): Promise<void> {
    let heard = 0;
    const control = redisLayer({ url: server.url, beatMs: 200 });
    await control.join('beats', () => (heard += 1));
    const timer = setInterval(() => void control.send('beats', '1'), 200);
    await until(() => heard === count, 10_000);
    clearInterval(timer);
    await control.close();
  }

  it('tells of a gap when another process was killed while it published', async () => {
    await end('SIGKILL');
    await until(() => gaps > 0, 4_000);
    expect(gaps).toBe(1);
  });

  it('receives all that another process sends, in order, and tells of no gap when that has ended in good order', async () => {
    await end('SIGTERM');
    expect(program.exitCode).toBe(0);
    await beats(6);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => (numbers[0] ?? 0) + index));
    expect([gaps, layer.ignored]).toEqual([0, 0]);
  });
});
