// What observing costs a writer: Model.create() without an observer, with one that nobody listens to, and with one that is listened to.
// Usage: npm run bench:observer [-- --rounds 15 --creates 300 --url postgres://…]; without a URL, SQLite in memory.
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { DataTypes, Sequelize } from 'sequelize';

import { observeChanges } from '../dist/esm/changes/model-changes.js';
import * as sqlite from '../example-app/dist/sqlite.js';
import { median } from './median.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    creates: { type: 'string', default: '300' },
    url: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const creates = Number(values.creates);
const sequelize =
  values.url === undefined
    ? new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false })
    : new Sequelize(values.url, { logging: false });
const Thing = sequelize.define('BenchThing', { name: DataTypes.STRING, counter: DataTypes.INTEGER }, { timestamps: false });
await Thing.sync({ force: true });

const listener = (isWanted) => ({
  manyToMany: [],
  wanted: () => isWanted,
  needsBefore: () => false,
  committed() {},
  missed() {},
  failed(error) {
    throw error;
  },
});
const ways = {
  'no observer': () => () => {},
  'an observer, nobody listens': () => observeChanges(Thing, listener(false)),
  'an observer, somebody listens': () => observeChanges(Thing, listener(true)),
};

const taken = new Map(Object.keys(ways).map((way) => [way, []]));
for (let round = -2; round < rounds; round += 1) {
  const order = Object.keys(ways);
  if (round % 2 === 0) order.reverse();
  const cost = {};
  for (const way of order) {
    const end = ways[way]();
    const from = performance.now();
    for (let count = 0; count < creates; count += 1) await Thing.create({ name: 'a thing', counter: count });
    cost[way] = (performance.now() - from) / creates;
    end();
  }
  if (round < 0) continue; // warm-up
  for (const way of order) taken.get(way).push({ time: cost[way], ratio: cost[way] / cost['no observer'] });
}
console.log(`Node ${process.version}, ${sequelize.getDialect()}; median of ${rounds} alternating rounds of ${creates} creates`);
for (const [way, list] of taken) {
  const time = median(list.map((one) => one.time * 1000));
  console.log(
    `${way.padEnd(30)} ${time.toFixed(0).padStart(6)} µs a create  ratio ${median(list.map((one) => one.ratio)).toFixed(3)}`,
  );
}
await Thing.drop();
await sequelize.close();
