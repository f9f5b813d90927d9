// What observing costs a sequential writer: each kind of write without an observer, and with one that 0, 1 and 100 sockets subscribe to.
// Usage: npm run bench:observer [-- --rounds 9 --writes 200 --databases postgres,mariadb,sqlite]
// It starts servers of its own; `sqlite` is a database in memory, for machines that have none.
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import express from 'express';
import { DataTypes, Sequelize } from 'sequelize';

import { createChannels, defineConsumer, modelObserver } from '../dist/esm/index.js';
import { connect } from '../dist/esm/testing.js';
import * as sqlite from '../example-app/dist/sqlite.js';
import { startMariadb } from '../test/support/mariadb.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { median } from './median.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    writes: { type: 'string', default: '200' },
    databases: { type: 'string', default: 'postgres,mariadb' },
  },
});
const rounds = Number(values.rounds);
const writes = Number(values.writes);

const databases = {
  async postgres() {
    const server = await startPostgres();
    return { sequelize: new Sequelize(server.url, { logging: false }), stop: () => server.stop() };
  },
  async mariadb() {
    const server = await startMariadb();
    const { host, port, username, database } = server;
    return {
      sequelize: new Sequelize({ dialect: 'mariadb', host, port, username, database, logging: false }),
      stop: () => server.stop(),
    };
  },
  sqlite() {
    return {
      sequelize: new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false }),
      stop() {},
    };
  },
};

/** Subscribes sockets to all rows of a model; what is returned ends it. */
async function subscribe(Model, count) {
  const observer = modelObserver(Model, { serialize: (row) => row.get() });
  const channels = createChannels(express(), { onError: ({ error }) => console.error(error) });
  channels.route('/ws', defineConsumer({ actions: { follow: (ctx) => observer.subscribe(ctx) } }));
  const clients = [];
  for (let index = 0; index < count; index += 1) {
    const client = await connect(channels, '/ws');
    client.send({ action: 'follow', request_id: 1 });
    await client.receive();
    clients.push(client);
  }
  return async () => {
    for (const client of clients) client.close();
    await channels.close();
  };
}

async function run(name) {
  const { sequelize, stop } = await databases[name]();
  const Thing = sequelize.define('BenchThing', { name: DataTypes.STRING, counter: DataTypes.INTEGER }, { timestamps: false });
  await Thing.sync({ force: true });
  const row = await Thing.create({ name: 'one', counter: 0 });
  let turn = 0;
  const kinds = {
    create: () => Thing.create({ name: 'a thing', counter: 1 }),
    save: () => row.update({ counter: (turn += 1) }),
    'update by key': () => Thing.update({ counter: (turn += 1) }, { where: { id: row.id } }),
    'update by condition': () => Thing.update({ counter: (turn += 1) }, { where: { name: 'one' } }),
    upsert: () => Thing.upsert({ id: row.id, name: 'one', counter: (turn += 1) }),
    transaction: () =>
      sequelize.transaction((transaction) => Thing.update({ counter: (turn += 1) }, { where: { id: row.id }, transaction })),
  };
  const ways = {
    'no observer': () => () => {},
    '0 subscribers': () => subscribe(Thing, 0),
    '1 subscriber': () => subscribe(Thing, 1),
    '100 subscribers': () => subscribe(Thing, 100),
  };
  const taken = new Map();
  for (let round = -1; round < rounds; round += 1) {
    const order = Object.keys(ways);
    if (round % 2 === 0) order.reverse();
    const cost = {};
    for (const way of order) {
      const end = await ways[way]();
      for (const [kind, write] of Object.entries(kinds)) {
        const from = performance.now();
        for (let count = 0; count < writes; count += 1) await write();
        cost[`${kind} ${way}`] = (performance.now() - from) / writes;
        await Thing.destroy({ where: { name: 'a thing' }, hooks: false });
      }
      await end();
    }
    if (round < 0) continue; // warm-up
    for (const kind of Object.keys(kinds))
      for (const way of order) {
        const key = `${kind.padEnd(20)} ${way}`;
        const time = cost[`${kind} ${way}`];
        taken.set(key, [...(taken.get(key) ?? []), { time, ratio: time / cost[`${kind} no observer`] }]);
      }
  }
  console.log(
    `\nNode ${process.version}, ${name}; median of ${rounds} alternating rounds of ${writes} writes, one after the other`,
  );
  for (const key of [...taken.keys()].sort()) {
    const list = taken.get(key);
    const time = median(list.map((one) => one.time * 1000));
    console.log(`${key.padEnd(40)} ${time.toFixed(0).padStart(6)} µs  ratio ${median(list.map((one) => one.ratio)).toFixed(2)}`);
  }
  await Thing.drop();
  await sequelize.close();
  await stop();
}

for (const name of values.databases.split(',')) await run(name);
