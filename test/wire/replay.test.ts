import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { describeRequiring } from '../support/requirement.js';
import { LEFT_OUT } from './left-out.js';
import { play } from './runner.js';
import { consumersOf, readScenarios, type Scenario } from './scenario.js';
import { SERVED, startWireServer, type WireServer } from './wire-server.js';

const SHARED = join(__dirname, '../../../shared/wire');
const missing = existsSync(SHARED) ? undefined : `there is no folder ${SHARED}`;

let server: WireServer;

beforeAll(async () => {
  server = await startWireServer();
});

afterAll(async () => {
  await server.close();
});

describeRequiring(missing, 'the wire scenarios', () => {
  describe.each(Object.keys(LEFT_OUT))('of %s', (area) => {
    const scenarios = readScenarios(join(SHARED, `${area}.json`));
    const leftOut = new Set(LEFT_OUT[area]);

    test('all that are left out exist, and need consumers that are not there yet', () => {
      const names = new Set(scenarios.map(({ name }) => name));
      expect([...leftOut].filter((name) => !names.has(name))).toEqual([]);
      const needOthers = scenarios.filter((scenario) => consumersOf(scenario).some((path) => !SERVED.has(trimmed(path))));
      expect(needOthers.map(({ name }) => name).filter((name) => !leftOut.has(name))).toEqual([]);
    });

    replay(scenarios.filter(({ name }) => !leftOut.has(name)));
  });
});

describe('our own wire scenarios', () => {
  replay(readScenarios(join(__dirname, 'more.json')));
});

function replay(scenarios: readonly Scenario[]): void {
  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))('%s', async (_name, scenario) => {
    await play(scenario, server.port);
  });
}

function trimmed(path: string): string {
  return path.replace(/\/$/, '');
}
