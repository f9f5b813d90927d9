import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

import { describeRequiring, isThorough } from '../support/requirement.js';
import { play } from './runner.js';
import { consumersOf, readScenarios, type Scenario } from './scenario.js';
import { ServerProcess } from './server-process.js';

const SHARED = join(__dirname, '../../../shared/wire');
const missing = existsSync(SHARED) ? undefined : `there is no folder ${SHARED}`;
const shared = missing === undefined ? readdirSync(SHARED).filter((file) => file.endsWith('.json')) : [];

const ours = ['more.json', 'more-observers.json'];
const files = [...shared.map((file) => join(SHARED, file)), ...ours.map((file) => join(__dirname, file))];
const scenarios = files.flatMap((file): Play[] =>
  readScenarios(file).map((scenario) => ({ area: basename(file, '.json'), scenario })),
);

interface Play {
  readonly area: string;
  readonly scenario: Scenario;
}

/** What Express has a part in. */
function hasExpress(scenario: Scenario): boolean {
  return consumersOf(scenario).some((path) => path.startsWith('ws/view/') || path.startsWith('ws/perm/rest-'));
}

const PLAYED = 'played to its end';
const LATEST_MS = 120_000;

// A play mostly waits for silence; a server plays one at a time, because each begins with empty tables.
const versions = [
  { express: 'express', servers: 4, plays: scenarios },
  ...(isThorough ? [{ express: 'express4', servers: 1, plays: scenarios.filter(({ scenario }) => hasExpress(scenario)) }] : []),
].map((version) => ({ ...version, outcomes: new Map<Scenario, unknown>() }));

const servers: ServerProcess[] = [];

beforeAll(async () => {
  await Promise.all(
    versions.flatMap(({ express, servers: count, plays, outcomes }) => {
      const waiting = plays.values();
      return Array.from({ length: count }, () => playThem(express, waiting, outcomes));
    }),
  );
}, LATEST_MS);

/** Starts a server, and plays against it what no other has played yet. */
async function playThem(express: string, waiting: Iterable<Play>, outcomes: Map<Scenario, unknown>): Promise<void> {
  const server = await ServerProcess.start(express);
  servers.push(server);
  for (const { scenario } of waiting) {
    const outcome = await play(scenario, server.port).then(
      () => PLAYED,
      (error: unknown) => error,
    );
    outcomes.set(scenario, outcome);
  }
}

describe.each(versions)('with $express', ({ plays, outcomes }) => {
  const isOurs = ({ area }: Play): boolean => ours.includes(`${area}.json`);
  const areHeld = (held: readonly Play[]): void => {
    test.each(held.map(({ area, scenario }) => [area, scenario.name, scenario] as const))('%s: %s', (_area, _name, scenario) => {
      const outcome = outcomes.get(scenario);
      if (outcome instanceof Error) throw outcome;
      expect(outcome).toBe(PLAYED);
    });
  };

  describeRequiring(missing, 'the wire scenarios', () => {
    areHeld(plays.filter((one) => !isOurs(one)));
  });

  describe('our own wire scenarios', () => {
    areHeld(plays.filter(isOurs));
  });
});

describe('a server', () => {
  test('tells of no fault of its own, whatever it is sent', () => {
    expect(servers.map(({ faults }) => faults)).toEqual(servers.map(() => ''));
  });

  test('ends when it is told to', async () => {
    expect(await Promise.all(servers.map((server) => server.stop()))).toEqual(servers.map(() => 0));
  });
});
