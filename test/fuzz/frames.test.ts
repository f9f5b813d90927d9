import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { until } from '../support/socket-client.js';
import { Lane } from './lane.js';
import { CANARY } from './models.js';
import { LANES, openStand, type Stand, startNeighbour } from './stand.js';

const FRAMES = Number(process.env['FRAMES'] ?? 2_000);
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** One lane or one frame of it alone, to have a failure again. */
const { LANE, FRAME } = process.env;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Sockets that test files before this one have left in the process. */
const foreign = countOf('TCPSocketWrap');

let stand: Stand;
beforeAll(async () => {
  process.env['CANARY'] = CANARY;
  stand = await openStand();
});
afterAll(async () => {
  await stand.channels.close();
  await Promise.all([stand.tables, ...stand.drafts].map(({ sequelize }) => sequelize.close()));
});

function lanes(): (readonly [number, Lane])[] {
  return LANES.map((options, number) => {
    const { port, cookies } = stand;
    const cookie = cookies.get(options.user ?? '');
    return [number, new Lane({ ...options, cookie, number, port, seed: SEED })] as const;
  }).filter(([number]) => LANE === undefined || number === Number(LANE));
}

// A rejection that nobody handles, or an error that nobody catches, fails the file: jest listens for them.
test(
  'every frame is answered or refused as the contract says, and nobody else notices',
  async () => {
    const prototype = Object.getOwnPropertyNames(Object.prototype);
    const timers = countOf('Timeout');
    const stop = await startNeighbour(stand.port);
    const all = lanes();
    collect();
    const heapBefore = process.memoryUsage().heapUsed;
    const begun = performance.now();
    const each = Math.ceil(FRAMES / all.length);
    const runs = await Promise.allSettled(
      all.map(async ([, lane]) => {
        await (FRAME === undefined ? lane.run(each) : lane.replay(Number(FRAME))).catch((fault: unknown) => {
          for (const [, other] of all) other.stop();
          throw fault;
        });
      }),
    );
    const seconds = (performance.now() - begun) / 1_000;
    const neighbour = await stop();

    const faults = runs.flatMap((run) => (run.status === 'rejected' ? [String(run.reason)] : []));
    expect({ faults: faults.filter((fault) => fault !== 'Error: stopped'), unplanned: stand.unplanned }).toEqual({
      faults: [],
      unplanned: [],
    });
    expect(stand.strayed).toEqual([]);
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(prototype);
    expect(neighbour).toMatchObject({ answered: neighbour.sent, wrong: [] });
    await until(() => stand.channels.size === 0 && countOf('TCPSocketWrap') <= foreign && countOf('Timeout') <= timers);
    await expectRows(all);
    for (const [number, lane] of all) {
      if (LANES[number]?.leaves !== true) expect(stand.planned.get(`/ws/${number}`)).toBe(lane.statuses.get(500));
    }
    expect(await stand.store.ids()).toHaveLength(stand.cookies.size);
    collect();
    const grown = (process.memoryUsage().heapUsed - heapBefore) / 2 ** 20;
    report(all.map(([, lane]) => lane), `${(each * all.length).toString()} frames in ${seconds.toFixed(1)} s, seed ${SEED}; heap ${grown.toFixed(1)} MiB more; neighbour: ${neighbour.answered} answers, the slowest after ${neighbour.slowestMs.toFixed(0)} ms`); // prettier-ignore
    expect(grown).toBeLessThan(32);
  },
  60_000 + FRAMES * 5,
);

/** No row was made, changed or deleted but by the answers that say so. */
async function expectRows(all: readonly (readonly [number, Lane])[]): Promise<void> {
  const { Thing, Sample, Author, Item, Tag } = stand.tables;
  for (const [number, { ledger }] of all) {
    if (LANES[number]?.leaves === true) continue;
    const ids = await Thing.findAll({ where: { lane: number }, order: ['id'] });
    expect(ids.map((row) => row.get('id'))).toEqual([...ledger.rows.keys()].sort((one, other) => one - other));
  }
  const samples = all.reduce((sum, [, { ledger }]) => sum + ledger.samples, 0);
  expect(await Sample.count()).toBe(samples);
  for (const Table of [Thing, Sample, Author, Item, Tag]) {
    for (const row of await Table.findAll()) expect(row.get('secret')).toBe(CANARY);
  }
  for (const { Draft } of stand.drafts) expect(await Draft.count()).toBe(0);
}

function countOf(resource: string): number {
  return process.getActiveResourcesInfo().filter((one) => one === resource).length;
}

function report(all: readonly Lane[], line: string): void {
  const sum = (maps: readonly Map<string | number, number>[]): string => {
    const total = new Map<string | number, number>();
    for (const map of maps) for (const [key, count] of map) total.set(key, (total.get(key) ?? 0) + count);
    return [...total].sort(([one], [other]) => (one < other ? -1 : 1)).map(([key, count]) => `${key} ${count}`).join(', '); // prettier-ignore
  };
  process.stderr.write(`fuzz: ${line}\n  frames: ${sum(all.map(({ sorts }) => sorts))}\n  answers: ${sum(all.map(({ statuses }) => statuses))}\n`); // prettier-ignore
}
