import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { describeRequiring } from '../support/requirement.js';
import { play } from './runner.js';
import { readScenarios, type Scenario } from './scenario.js';
import { startWireServer, type WireServer } from './wire-server.js';

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
  const areas = missing === undefined ? readdirSync(SHARED).filter((file) => file.endsWith('.json')) : [];
  describe.each(areas)('of %s', (area) => {
    replay(readScenarios(join(SHARED, area)));
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
