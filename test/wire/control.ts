import express, { type Router } from 'express';
import type { Model, ModelStatic, Transaction } from 'sequelize';

import type { Models } from './models.js';
import { isJsonObject, type Json, type Operation } from './scenario.js';

type Values = Readonly<Record<string, Json>>;

/** The endpoints by which a play changes the database outside any socket: `POST /reset` and `POST /control`. */
export function controlRouter({ sequelize }: Models): Router {
  const router = express.Router();
  const answer = (work: () => Promise<unknown>, res: express.Response, next: express.NextFunction): void => {
    work().then((result) => res.json(result), next);
  };
  router.post('/reset', (_req, res, next) => {
    // Tables that are made anew count their ids from 1.
    answer(() => sequelize.sync({ force: true }).then(() => ({})), res, next);
  });
  router.post('/control', express.json({ limit: '10mb' }), (req, res, next) => {
    answer(async () => ({ results: await runAll(listOf(req.body)) }), res, next);
  });
  return router;

  async function runAll(operations: readonly Operation[], transaction?: Transaction): Promise<readonly unknown[]> {
    const results: unknown[] = [];
    for (const operation of operations) results.push(await run(operation, transaction));
    return results;
  }

  async function run(operation: Operation, outer: Transaction | undefined): Promise<unknown> {
    if (operation.op === 'transaction') {
      return inTransaction(operation['outcome'] !== 'rollback', outer, (transaction) =>
        runAll(operationsOf(operation['ops']), transaction),
      );
    }
    const perform = performers[operation.op];
    if (perform === undefined) throw new Error(`Unknown operation ${operation.op}.`);
    const model = sequelize.model(textOf(operation['model']));
    const { in: where = 'none' } = operation;
    if (where === 'none') return perform(model, operation, { transaction: outer ?? null });
    return inTransaction(where === 'transaction-commit', outer, (transaction) => perform(model, operation, { transaction }));
  }

  async function inTransaction<Result>(
    commits: boolean,
    outer: Transaction | undefined,
    work: (transaction: Transaction) => Promise<Result>,
  ): Promise<Result> {
    const transaction = await sequelize.transaction({ transaction: outer ?? null });
    const result = await work(transaction);
    await (commits ? transaction.commit() : transaction.rollback());
    return result;
  }
}

interface Within {
  readonly transaction: Transaction | null;
}

type Perform = (model: ModelStatic<Model>, operation: Operation, within: Within) => Promise<unknown>;

const performers: Readonly<Record<string, Perform>> = {
  create: async (model, { values }, within) => pkOf(await model.create(recordOf(values), within)),
  update: async (model, { pk, values }, within) => {
    await (await find(model, pk, within)).set(recordOf(values)).save(within);
  },
  touch: async (model, { pk }, within) => {
    await (await find(model, pk, within)).save(within);
  },
  delete: async (model, { pk }, within) => {
    await (await find(model, pk, within)).destroy(within);
  },
  update_sequence: async (model, { pk, values }, within) => {
    const row = await find(model, pk, within);
    for (const one of recordsOf(values)) await row.set(one).save(within);
  },
  create_then_update: async (model, { values, then }, within) => {
    const row = await model.create(recordOf(values), within);
    await row.set(recordOf(then)).save(within);
    return pkOf(row);
  },
  update_then_delete: async (model, { pk, values }, within) => {
    const row = await find(model, pk, within);
    await row.set(recordOf(values)).save(within);
    await row.destroy(within);
  },
  create_many: async (model, { values }, within) => {
    await model.bulkCreate([...recordsOf(values)], within);
  },
  update_many: async (model, { where, values }, within) => {
    await model.update(recordOf(values), { ...within, where: columnsOf(model, where) });
  },
  delete_many: async (model, { where }, within) => {
    await model.destroy({ ...within, where: columnsOf(model, where) });
  },
  rows: async (model, _operation, within) => model.findAll({ ...within, order: [primaryKey(model)] }),
};

async function find(model: ModelStatic<Model>, pk: Json | undefined, within: Within): Promise<Model> {
  return model.findByPk(Number(pk), { ...within, rejectOnEmpty: true });
}

function primaryKey(model: ModelStatic<Model>): string {
  return model.primaryKeyAttribute;
}

function pkOf(row: Model): unknown {
  return row.get('id');
}

function columnsOf(model: ModelStatic<Model>, where: Json | undefined): Values {
  return Object.fromEntries(
    Object.entries(recordOf(where ?? {})).map(([column, value]) => [column === 'pk' ? primaryKey(model) : column, value]),
  );
}

function recordOf(value: Json | undefined): Record<string, Json> {
  if (!isJsonObject(value)) throw new Error(`Expected an object, got ${JSON.stringify(value)}.`);
  return { ...value };
}

function recordsOf(value: Json | undefined): readonly Record<string, Json>[] {
  if (!Array.isArray(value)) throw new Error(`Expected a list, got ${JSON.stringify(value)}.`);
  return value.map(recordOf);
}

function operationsOf(value: Json | undefined): readonly Operation[] {
  return recordsOf(value).map((operation) => ({ ...operation, op: textOf(operation['op']) }));
}

function textOf(value: Json | undefined): string {
  if (typeof value !== 'string') throw new Error(`Expected a text, got ${JSON.stringify(value)}.`);
  return value;
}

function listOf(body: unknown): readonly Operation[] {
  if (typeof body !== 'object' || body === null || !('ops' in body)) throw new Error('Expected { ops }.');
  return operationsOf(body.ops as Json);
}
