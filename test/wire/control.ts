import express, { type ErrorRequestHandler, type Router } from 'express';
import type { Association, Model, ModelStatic, Sequelize, Transaction } from 'sequelize';

import type { Models } from './models.js';
import { signals } from './observer-consumers.js';
import { isJsonObject, type Json, type Operation } from './scenario.js';

type Values = Readonly<Record<string, Json>>;

/** The endpoints by which a play changes the database outside any socket: `POST /reset` and `POST /control`. */
export function controlRouter({ sequelize }: Models): Router {
  const router = express.Router();
  const answer = (work: () => Promise<unknown>, res: express.Response, next: express.NextFunction): void => {
    work().then((result) => res.json(result), next);
  };
  router.post('/reset', (_req, res, next) => {
    answer(empty, res, next);
  });
  router.post('/control', express.json({ limit: '10mb' }), (req, res, next) => {
    answer(async () => ({ results: await runAll(operationsIn(req.body)) }), res, next);
  });
  const refuse: ErrorRequestHandler = (error: unknown, _req, res, next) => {
    if (res.headersSent) next(error);
    else res.status(500).json({ error: String(error) });
  };
  router.use(refuse);
  return router;

  /** As rows in a file are lost: no observer is told. */
  async function empty(): Promise<object> {
    const tables = Object.values(sequelize.models).map(({ tableName }) => tableName);
    // SQLite keeps here which ids it has given away.
    for (const table of [...tables, 'sqlite_sequence']) await sequelize.query(`DELETE FROM ${table}`);
    return {};
  }

  async function runAll(operations: readonly Operation[], transaction?: Transaction): Promise<readonly unknown[]> {
    const results: unknown[] = [];
    for (const operation of operations) results.push((await run(operation, transaction)) ?? null);
    return results;
  }

  async function run(operation: Operation, outer: Transaction | undefined): Promise<unknown> {
    if (operation.op === 'signal') {
      signals.emit(textOf(operation['name']), operation['args']);
      return null;
    }
    if (operation.op === 'transaction') {
      return inTransaction(operation['outcome'] !== 'rollback', outer, (transaction) =>
        runAll(operationsOf(operation['ops']), transaction),
      );
    }
    const perform = performers.get(operation.op);
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
    let result: Result;
    try {
      result = await work(transaction);
    } catch (error) {
      await transaction.rollback();
      throw error;
    }
    await (commits ? transaction.commit() : transaction.rollback());
    return result;
  }
}

interface Within {
  readonly transaction: Transaction | null;
}

type Perform = (model: ModelStatic<Model>, operation: Operation, within: Within) => Promise<unknown>;

const performers: ReadonlyMap<string, Perform> = new Map<string, Perform>(
  Object.entries({
    create: async (model, { values }, within) => pkOf(await model.create(columnsOf(model, values), within)),
    update: async (model, { pk, values }, within) => {
      await (await find(model, pk, within)).set(columnsOf(model, values)).save(within);
    },
    touch: async (model, { pk }, within) => {
      await (await find(model, pk, within)).save(within);
    },
    delete: async (model, { pk }, within) => {
      await (await find(model, pk, within)).destroy(within);
    },
    update_sequence: async (model, { pk, values }, within) => {
      const row = await find(model, pk, within);
      for (const one of listOfValues(values)) await row.set(columnsOf(model, one)).save(within);
    },
    create_then_update: async (model, { values, then }, within) => {
      const row = await model.create(columnsOf(model, values), within);
      await row.set(columnsOf(model, then)).save(within);
      return pkOf(row);
    },
    update_then_delete: async (model, { pk, values }, within) => {
      const row = await find(model, pk, within);
      await row.set(columnsOf(model, values)).save(within);
      await row.destroy(within);
    },
    create_many: async (model, { values }, within) => {
      await model.bulkCreate(
        listOfValues(values).map((one) => columnsOf(model, one)),
        within,
      );
    },
    update_many: async (model, { where, values }, within) => {
      await model.update(columnsOf(model, values), { ...within, where: columnsOf(model, where) });
    },
    delete_many: async (model, { where }, within) => {
      const found = { where: columnsOf(model, where) };
      if (!takesAlong(model)) {
        await model.destroy({ ...within, ...found });
        return;
      }
      // One by one: of a set Sequelize leaves to the database what goes with each row, and then nobody hears of it.
      await databaseOf(model).transaction(within, async (transaction) => {
        for (const row of await model.findAll({ transaction, ...found })) await row.destroy({ transaction });
      });
    },
    m2m: async (model, { pk, field, verb, pks }, within) => {
      const row = await find(model, pk, within);
      const { accessors } = listOf(model, textOf(field));
      const accessor = accessors[ACCESSORS.get(textOf(verb)) ?? ''];
      if (accessor === undefined) throw new Error(`Unknown verb ${textOf(verb)}.`);
      const change: unknown = Reflect.get(row, accessor);
      if (typeof change !== 'function') throw new Error(`There is no ${accessor}().`);
      await Reflect.apply(change, row, [pks ?? [], within]);
    },
    rows: async (model, _operation, within) => {
      const rows = await model.findAll({ ...within, order: [model.primaryKeyAttribute] });
      return rows.map((row) => rowOf(model, row));
    },
  } satisfies Record<string, Perform>),
);

/** The methods that Sequelize gives a row for a many-to-many relation, by what is done; an empty set clears it. */
const ACCESSORS: ReadonlyMap<string, string> = new Map([
  ['add', 'addMultiple'],
  ['remove', 'removeMultiple'],
  ['set', 'set'],
  ['clear', 'set'],
]);

/** Whether rows of other models go with each of its rows. */
function takesAlong(model: ModelStatic<Model>): boolean {
  return Object.values(model.associations).some(({ associationType }) => associationType !== 'BelongsTo');
}

function databaseOf({ sequelize }: ModelStatic<Model>): Sequelize {
  if (sequelize === undefined) throw new Error('The model is not open.');
  return sequelize;
}

async function find(model: ModelStatic<Model>, pk: Json | undefined, within: Within): Promise<Model> {
  return model.findByPk(Number(pk), { ...within, rejectOnEmpty: true });
}

function pkOf(row: Model): unknown {
  return row.get('id');
}

/** Columns by the names of a play: foreign keys are called after their relations, the primary key `pk`. */
function columnsOf(model: ModelStatic<Model>, values: Json | undefined): Record<string, Json> {
  return Object.fromEntries(Object.entries(recordOf(values ?? {})).map(([name, value]) => [columnOf(model, name), value]));
}

function columnOf(model: ModelStatic<Model>, name: string): string {
  if (name === 'pk') return model.primaryKeyAttribute;
  const association = model.associations[name];
  return association?.associationType === 'BelongsTo' ? association.foreignKey : name;
}

function rowOf(model: ModelStatic<Model>, row: Model): Record<string, unknown> {
  const names = new Map(
    Object.values(model.associations)
      .filter(({ associationType }) => associationType === 'BelongsTo')
      .map(({ foreignKey, as }) => [foreignKey, as]),
  );
  const columns = Object.keys(model.getAttributes());
  return Object.fromEntries(columns.map((column) => [names.get(column) ?? column, row.get(column)]));
}

interface List extends Association {
  readonly accessors: Readonly<Record<string, string>>;
}

function listOf(model: ModelStatic<Model>, field: string): List {
  const association = model.associations[field];
  if (association?.associationType !== 'BelongsToMany' || !isList(association))
    throw new Error(`${model.name} has no many-to-many relation ${field}.`);
  return association;
}

function isList(association: Association): association is List {
  return 'accessors' in association;
}

function recordOf(value: Json | undefined): Values {
  if (!isJsonObject(value)) throw new Error(`Expected an object, got ${JSON.stringify(value)}.`);
  return value;
}

function listOfValues(value: Json | undefined): readonly Values[] {
  if (!Array.isArray(value)) throw new Error(`Expected a list, got ${JSON.stringify(value)}.`);
  return value.map(recordOf);
}

function operationsOf(value: Json | undefined): readonly Operation[] {
  return listOfValues(value).map((operation) => ({ ...operation, op: textOf(operation['op']) }));
}

function textOf(value: Json | undefined): string {
  if (typeof value !== 'string') throw new Error(`Expected a text, got ${JSON.stringify(value)}.`);
  return value;
}

function operationsIn(body: unknown): readonly Operation[] {
  if (typeof body !== 'object' || body === null || !('ops' in body)) throw new Error('Expected { ops }.');
  return operationsOf(body.ops as Json);
}
