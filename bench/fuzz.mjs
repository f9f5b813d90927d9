// Frames of all kinds, most of them nearly right, against consumers of all kinds; every answer is compared with the contract.
// Usage: npm run fuzz [-- --frames 100000 --seed 42 [--lane 3 [--frame 17]]]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    frames: { type: 'string', default: '100000' },
    seed: { type: 'string' },
    lane: { type: 'string' },
    frame: { type: 'string' },
  },
});
const given = Object.entries(values).map(([name, value]) => [name.toUpperCase(), value]);
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const child = spawn(process.execPath, [jest, 'test/fuzz/', '--selectProjects', 'express 5'], {
  stdio: 'inherit',
  env: { ...process.env, ...Object.fromEntries(given) },
});
const [code] = await once(child, 'exit');
process.exitCode = code ?? 1;
