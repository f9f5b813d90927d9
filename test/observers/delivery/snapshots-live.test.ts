import { action, crud, defineConsumer, modelConsumer, modelObserver, modelSerializer } from 'express-channels';
import type { TestClient } from 'express-channels/testing';
import { Sequelize } from 'sequelize';

import { type Postgres, postgresMissing, startPostgres } from '../../support/postgres.js';
import { describeRequiring } from '../../support/requirement.js';
import { serve } from '../../support/serve.js';
import { ask, defineItem, Item, next } from './items.js';

/** How many subscribe while somebody writes; more by SUBSCRIBES. */
const subscribes = Number(process.env['SUBSCRIBES'] ?? 1_000);
const CLIENTS = 20;

describeRequiring(postgresMissing, 'on PostgreSQL', () => {
  let postgres: Postgres;
  let sequelize: Sequelize;
  let isOver = false;
  let written = 0;

  beforeAll(async () => {
    postgres = await startPostgres();
    sequelize = new Sequelize(postgres.url, { dialect: 'postgres', logging: false });
    defineItem(sequelize);
    await sequelize.sync();
    await Item.create({ room: 'a', text: '0' });
  }, 30_000);

  afterAll(async () => {
    await sequelize.close();
    await postgres.stop();
  });

  /** Numbers go up, one commit after the other. */
  async function write(): Promise<void> {
    while (!isOver) {
      written += 1;
      await Item.update({ text: String(written) }, { where: { id: 1 } });
    }
  }

  const items = (): Parameters<typeof serve>[0] => {
    const observer = modelObserver(Item, {
      serialize: ({ text }) => Number(text),
      groupsForSignal: ({ room }) => [room],
      groupsForConsumer: (_args: { room?: string }) => ['a'],
      snapshot: () => Item.findAll(),
    });
    return defineConsumer({
      actions: {
        follow: async (ctx) => (await observer.subscribe(ctx, {}, { snapshot: true })).length,
        leave: async (ctx) => (await observer.unsubscribe(ctx, {})).length,
      },
    });
  };
  const instances = () =>
    modelConsumer(Item, {
      serializer: modelSerializer(Item, { fields: ['text'] }),
      actions: {
        ...crud('subscribe_instance'),
        follow: action((ctx, args) => ctx.subscribeInstance(args, { snapshot: true })),
        leave: action((ctx, args) => ctx.unsubscribeInstance(args)),
      },
    });

  it.each([
    ['a model observer', items],
    ['an instance observer', instances],
  ])(
    'of %s nothing is lost between the state and the first event, and nothing older comes after it',
    async (_name, consumer) => {
      const { open, errors } = serve(consumer());
      const clients = await Promise.all(Array.from({ length: CLIENTS }, () => open()));
      // Somebody listens from the beginning: a write that began before is told by a resync.
      await ask(await open(), 'follow', 'first', { pk: 1 });
      isOver = false;
      const writing = write();
      const rounds = Math.ceil(subscribes / CLIENTS / 2);
      const seen = await Promise.all(clients.map((client) => follow(client, rounds)));
      isOver = true;
      await writing;
      // Every subscription ends with the state that was written last, or was left before.
      const last = await Promise.all(clients.map((client) => lastOf(client)));
      expect(last).toEqual(clients.map(() => written));
      expect(seen.flat().filter((steps) => steps.some((step, index) => index > 0 && step < (steps[index - 1] ?? 0)))).toEqual([]);
      expect(errors).toEqual([]);
      for (const client of clients) await client.close();
    },
    120_000,
  );

  function numberOf(data: unknown): number {
    if (Array.isArray(data)) return numberOf(data[0]);
    return Number(typeof data === 'object' && data !== null && 'text' in data ? data.text : data);
  }

  /** Subscribes and leaves again and again; for each time the numbers that were seen, the state's first. */
  async function follow(client: TestClient, rounds: number): Promise<number[][]> {
    const seen: number[][] = [];
    for (let round = 0; round < rounds; round += 1) {
      await ask(client, 'follow', round, { pk: 1 });
      const [state] = await next(client);
      expect(state?.slice(0, 2)).toEqual(['snapshot', round]);
      const steps = [numberOf(state?.[2])];
      const [first] = await next(client);
      expect(first?.slice(0, 2)).toEqual(['update', round]);
      steps.push(numberOf(first?.[2]));
      client.send({ action: 'leave', request_id: round, pk: 1 });
      for (let [frame] = await next(client); frame?.[0] !== 'leave'; [frame] = await next(client))
        steps.push(numberOf(frame?.[2]));
      seen.push(steps);
    }
    await ask(client, 'follow', 'last', { pk: 1 });
    return seen;
  }

  /** The last number that a subscription sees, once nobody writes any more. */
  async function lastOf(client: TestClient): Promise<number> {
    for (;;) {
      const [frame] = await next(client);
      if (numberOf(frame?.[2]) === written) return written;
    }
  }
});
