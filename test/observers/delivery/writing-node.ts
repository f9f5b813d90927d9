// Another process, which writes, for processes.test.ts. Arguments: the addresses of PostgreSQL and Redis. Answers each line on its standard
// input, a list of a command and its arguments, by a line.
import { createInterface } from 'node:readline';

import { createChannels, redisLayer } from 'express-channels';
import { Sequelize } from 'sequelize';

import { defineItem, Item } from './item.js';
import { sharedConsumer } from './shared-consumer.js';

const [database = '', redis = ''] = process.argv.slice(2);
const sequelize = new Sequelize(database, { dialect: 'postgres', logging: false });
defineItem(sequelize);
const { consumer, signals } = sharedConsumer();
const channels = createChannels(undefined, {
  layer: redisLayer({ url: redis, beatMs: 200, onError: () => undefined }),
  onError: () => undefined,
});
channels.route('/ws', consumer);

const commands = new Map<string, (...args: string[]) => Promise<unknown>>(
  Object.entries({
    create: async (room: string, text: string) => (await Item.create({ room, text })).id,
    update: async (id: string, column: string, value: string) => (await Item.findByPk(id))?.update({ [column]: value }),
    destroy: async (id: string) => (await Item.findByPk(id))?.destroy(),
    // Gone, and back under the same key.
    replace: async (id: string, room: string) => {
      await (await Item.findByPk(id))?.destroy();
      await Item.create({ id: Number(id), room, text: 'back' });
    },
    count: async (id: string, writers: string, times: string) => {
      const sql = `UPDATE items SET text = (text::int + 1)::text WHERE id = ${id}`;
      const write = async (): Promise<void> => {
        for (let time = 0; time < Number(times); time += 1) {
          await sequelize.transaction(async (transaction) => {
            await sequelize.query(sql, { transaction });
            channels.notify(Item, [Number(id)], { transaction });
          });
        }
      };
      await Promise.all(Array.from({ length: Number(writers) }, write));
    },
    ping: (text: string) => Promise.resolve(signals.emit('ping', text)),
  }),
);

async function main(): Promise<void> {
  console.log('ready');
  for await (const line of createInterface(process.stdin)) {
    const [name, ...args] = JSON.parse(line) as [string, ...string[]];
    console.log(JSON.stringify((await commands.get(name)?.(...args)) ?? null));
  }
}

void main();
