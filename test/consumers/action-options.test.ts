import { setTimeout as pass } from 'node:timers/promises';

import { type } from 'arktype';
import {
  action,
  allowAny,
  type Consumer,
  defineConsumer,
  NotFound,
  permission,
  reply,
  type StandardSchema,
} from 'express-channels';
import { DataTypes, Sequelize, type Transaction } from 'sequelize';
import * as v from 'valibot';
import { z } from 'zod';

import * as sqlite from '../../example-app/src/sqlite.js';
import { gate, serve } from '../support/serve.js';
import { until } from '../support/socket-client.js';

describe('detached', () => {
  const DETACHED = { detached: true };

  it('runs beside the frames, and is answered when it is done', async () => {
    const gates = [gate(), gate()];
    const { open } = serve(
      defineConsumer({
        actions: {
          wait: action(async (_ctx, { n }) => {
            await gates[Number(n)]?.passed;
            return n;
          }, DETACHED),
          act: () => 'act',
        },
      }),
    );
    const client = await open();
    client.send({ action: 'wait', request_id: 'a', n: 0 });
    client.send({ action: 'wait', request_id: 'b', n: 1 });
    expect(await client.request({ action: 'act' })).toMatchObject({ data: 'act' });
    gates[1]?.pass();
    expect(await client.receive()).toMatchObject({ data: 1, action: 'wait', request_id: 'b', response_status: 200 });
    gates[0]?.pass();
    expect(await client.receive()).toMatchObject({ data: 0, request_id: 'a' });
  });

  it('holds up the frames behind it while 64 of a connection run', async () => {
    const { passed, pass } = gate();
    let running = 0;
    const wait = action(async () => {
      running += 1;
      await passed;
    }, DETACHED);
    const { open } = serve(defineConsumer({ actions: { wait, act: () => 'act' } }));
    const client = await open();
    for (let id = 1; id < 64; id += 1) client.send({ action: 'wait', request_id: id });
    expect(await client.request({ action: 'act' })).toMatchObject({ data: 'act' });
    for (const id of [64, 65]) client.send({ action: 'wait', request_id: id });
    client.send({ action: 'act', request_id: 66 });
    await until(() => running === 64);
    await client.receiveNothing();
    pass();
    const answered = [];
    while (answered.length < 66) answered.push((await client.receive())['request_id']);
    expect(answered.sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 66 }, (_one, index) => index + 1));
    expect(running).toBe(65);
  });

  it('is answered whatever it throws', async () => {
    const { errors, open } = serve(
      defineConsumer({
        actions: {
          expected: action(() => Promise.reject(new NotFound('gone')), DETACHED),
          unexpected: action(() => {
            throw new Error('oops');
          }, DETACHED),
        },
      }),
    );
    const client = await open();
    expect(await client.request({ action: 'expected' })).toMatchObject({ errors: ['gone'], response_status: 404 });
    expect(await client.request({ action: 'unexpected' })).toMatchObject({
      errors: ['A server error occurred.'],
      response_status: 500,
    });
    expect(errors).toEqual([new Error('oops')]);
  });

  it.each([
    ['Node itself tells it', (signal: AbortSignal) => pass(60_000, undefined, { signal })],
    ['the reason is thrown', (signal: AbortSignal) => new Promise((_resolve, reject) => { signal.onabort = () => { reject(signal.reason); }; })], // prettier-ignore
  ])('is aborted with the socket, which is no error: %s', async (_how, wait) => {
    const ended: string[] = [];
    const { errors, open } = serve(
      defineConsumer({
        actions: {
          wait: action(async ({ signal }) => {
            try {
              await wait(signal);
            } finally {
              ended.push(signal.aborted ? 'aborted' : 'done');
            }
          }, DETACHED),
        },
        disconnect: () => pass(0),
      }),
    );
    const client = await open();
    client.send({ action: 'wait' });
    await client.receiveNothing();
    await client.close();
    await until(() => ended.length > 0);
    expect([ended, errors]).toEqual([['aborted'], []]);
  });

  it('another error after the socket has gone is reported all the same', async () => {
    const { errors, open } = serve(
      defineConsumer({
        actions: {
          wait: action(async ({ signal }) => {
            await pass(60_000, undefined, { signal }).catch(() => {
              throw new Error('while clearing up');
            });
          }, DETACHED),
        },
      }),
    );
    const client = await open();
    client.send({ action: 'wait' });
    await client.receiveNothing();
    await client.close();
    await until(() => errors.length > 0);
    expect(errors).toEqual([new Error('while clearing up')]);
  });

  it('is waited for when the server closes in good order', async () => {
    const { passed, pass: go } = gate();
    const { channels, open } = serve(defineConsumer({ actions: { wait: action(() => passed.then(() => 'done'), DETACHED) } }));
    const client = await open();
    client.send({ action: 'wait' });
    await client.receiveNothing();
    const closed = channels.close();
    go();
    expect(await client.receive()).toMatchObject({ data: 'done' });
    expect(await client.closed).toBe(1012);
    await closed;
  });
});

describe('transaction', () => {
  const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
  const Thing = sequelize.define('Thing', { name: DataTypes.STRING }, { timestamps: false });
  const ended: string[] = [];
  const create = async (name: unknown, transaction: Transaction): Promise<void> => {
    transaction.afterCommit(() => void ended.push('commit'));
    await Thing.create({ name }, { transaction });
  };
  const consumer = (): Consumer =>
    defineConsumer({
      actions: {
        create: action(
          async ({ transaction }, { name }) => {
            await create(name, transaction);
            return reply(await Thing.count({ transaction }), 201);
          },
          { transaction: sequelize },
        ),
        fail: action(
          async ({ transaction }, { name }) => {
            await create(name, transaction);
            throw new NotFound('no');
          },
          { transaction: sequelize },
        ),
        parsed: action(async ({ transaction }, { name }) => create(name, transaction), {
          transaction: sequelize,
          schema: z.object({ name: z.string() }),
          detached: true,
        }),
        plain: action(({ transaction }) => ({ transaction: String(transaction) })),
      },
    });

  beforeEach(async () => {
    ended.length = 0;
    await sequelize.sync({ force: true });
  });

  afterAll(() => sequelize.close());

  it('commits before the reply', async () => {
    const client = await serve(consumer()).open();
    expect(await client.request({ action: 'create', name: 'a' })).toMatchObject({ data: 1, response_status: 201 });
    expect(ended).toEqual(['commit']);
    expect(await Thing.count()).toBe(1);
  });

  it('rolls back what a handler that throws has written, and tells its error', async () => {
    const client = await serve(consumer()).open();
    expect(await client.request({ action: 'fail', name: 'a' })).toMatchObject({ errors: ['no'], response_status: 404 });
    expect(ended).toEqual([]);
    expect(await Thing.count()).toBe(0);
  });

  it('is not begun for arguments that are refused', async () => {
    const begun = jest.spyOn(sequelize, 'transaction');
    const client = await serve(consumer()).open();
    expect(await client.request({ action: 'parsed', name: 1 })).toMatchObject({ response_status: 400 });
    expect(begun).not.toHaveBeenCalled();
    expect(await client.request({ action: 'parsed', name: 'x' })).toMatchObject({ response_status: 204 });
    expect(begun).toHaveBeenCalledTimes(1);
    begun.mockRestore();
  });

  it('there is none without the option', async () => {
    const client = await serve(consumer()).open();
    expect(await client.request({ action: 'plain' })).toMatchObject({ data: { transaction: 'undefined' } });
  });
});

describe('schema', () => {
  const schemas = {
    zod: z.object({ n: z.coerce.number().default(7), address: z.object({ city: z.string() }).optional() }),
    valibot: v.object({
      n: v.optional(v.pipe(v.union([v.string(), v.number()]), v.transform(Number), v.number()), 7),
      address: v.optional(v.object({ city: v.string() })),
    }),
    arktype: type({ n: type('string.numeric.parse | number').default(7), 'address?': { city: 'string' } }),
  };

  describe.each(Object.entries<StandardSchema>(schemas))('%s', (_library, schema) => {
    const client = () => serve(defineConsumer({ actions: { act: action((_ctx, args) => reply(args), { schema }) } })).open();

    it('parses the arguments', async () => {
      const { request } = await client().then((one) => ({ request: one.request.bind(one) }));
      expect(await request({ action: 'act', n: '5' })).toMatchObject({ data: { n: 5 }, response_status: 200 });
      expect(await request({ action: 'act', request_id: 1 })).toMatchObject({ data: { n: 7 } });
    });

    it('refuses them by field, nested ones by path', async () => {
      const one = await client();
      expect(await one.request({ action: 'act', request_id: 2, n: 'x', address: { city: 1 } })).toEqual({
        errors: [{ n: [expect.any(String)], 'address.city': [expect.any(String)] }],
        data: null,
        action: 'act',
        response_status: 400,
        request_id: 2,
      });
    });
  });

  it('an asynchronous one is waited for', async () => {
    const schema = z.object({ name: z.string().refine(async (name) => Promise.resolve(name !== 'taken'), 'Is taken.') });
    const client = await serve(defineConsumer({ actions: { act: action((_ctx, { name }) => name, { schema }) } })).open();
    expect(await client.request({ action: 'act', name: 'free' })).toMatchObject({ data: 'free' });
    expect(await client.request({ action: 'act', name: 'taken' })).toMatchObject({ errors: [{ name: ['Is taken.'] }] });
  });

  it('issues of one field come together; those of none are non_field_errors', async () => {
    const schema = z
      .object({ a: z.string().min(3, 'short').regex(/^x/, 'no x') })
      .check((ctx) => void ctx.issues.push({ code: 'custom', message: 'as a whole', input: ctx.value, path: [] }));
    const client = await serve(defineConsumer({ actions: { act: action(() => 1, { schema }) } })).open();
    expect(await client.request({ action: 'act', a: 'y' })).toMatchObject({
      errors: [{ a: ['short', 'no x'], non_field_errors: ['as a whole'] }],
    });
  });

  it('issues without a path are non_field_errors, also those of a schema of your own', async () => {
    const schema: StandardSchema<never> = {
      '~standard': {
        version: 1,
        vendor: 'ours',
        validate: () => ({ issues: [{ message: 'no' }, { message: 'never', path: [] }] }),
      },
    };
    const client = await serve(defineConsumer({ actions: { act: action(() => 1, { schema }) } })).open();
    expect(await client.request({ action: 'act' })).toMatchObject({ errors: [{ non_field_errors: ['no', 'never'] }] });
  });

  it('one that fails by itself is a 500', async () => {
    const schema = z.object({ a: z.unknown().transform(() => { throw new Error('oops'); }) }); // prettier-ignore
    const { errors, open } = serve(defineConsumer({ actions: { act: action(() => 1, { schema }) } }));
    expect(await (await open()).request({ action: 'act', a: 'y' })).toMatchObject({ response_status: 500 });
    expect(errors).toEqual([new Error('oops')]);
  });
});

describe('permissions', () => {
  it('of an action are asked after those of the consumer, and after its schema', async () => {
    const asked: string[] = [];
    const noting = (name: string, allows: boolean) =>
      permission(() => {
        asked.push(name);
        return allows;
      });
    const { open } = serve(
      defineConsumer({
        permissions: [noting('consumer', true)],
        actions: {
          open: action(() => 'open', { permissions: [allowAny] }),
          closed: action(() => 'closed', { permissions: [noting('action', false)], schema: z.object({ n: z.number() }) }),
        },
      }),
    );
    const client = await open();
    expect(await client.request({ action: 'open' })).toMatchObject({ data: 'open' });
    expect(await client.request({ action: 'closed' })).toMatchObject({ response_status: 400 });
    expect(asked.splice(0)).toEqual(['consumer', 'consumer']);
    expect(await client.request({ action: 'closed', n: 1 })).toMatchObject({ response_status: 403 });
    expect(asked).toEqual(['consumer', 'action']);
  });

  it('a refused consumer tells nothing of which actions there are', async () => {
    const client = await serve(defineConsumer({ permissions: [permission(() => false)], actions: { act: () => 1 } })).open();
    expect(await client.request({ action: 'act' })).toMatchObject({ response_status: 403 });
    expect(await client.request({ action: 'nope' })).toMatchObject({ response_status: 403 });
  });
});
