import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { describeRequiring } from '../support/requirement.js';
import { play } from './runner.js';
import { consumersOf, readScenarios, type Scenario } from './scenario.js';
import { SERVED, startViewServer, type WireServer } from './view-server.js';

const SHARED = join(__dirname, '../../../shared/wire');
const missing = existsSync(SHARED) ? undefined : `there is no folder ${SHARED}`;

/** Scenarios that need consumers which are not there yet. */
const LEFT_OUT = new Set(['a write through a route is seen by an observer']);

let server: WireServer;

beforeAll(async () => {
  server = await startViewServer();
});

afterAll(async () => {
  await server.close();
});

describeRequiring(missing, 'the wire scenarios of views', () => {
  const scenarios = readScenarios(join(SHARED, 'view-as-consumer.json'));

  test('only those that need other consumers are left out', () => {
    const needOthers = scenarios.filter((scenario) => consumersOf(scenario).some((path) => !SERVED.includes(path)));
    expect(needOthers.map(({ name }) => name)).toEqual([...LEFT_OUT]);
  });

  replay(scenarios.filter(({ name }) => !LEFT_OUT.has(name)));
});

describe('our own wire scenarios of views', () => {
  replay(readScenarios(join(__dirname, 'more.json')));
});

function replay(scenarios: readonly Scenario[]): void {
  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))('%s', async (_name, scenario) => {
    await play(scenario, server.port);
  });
}
