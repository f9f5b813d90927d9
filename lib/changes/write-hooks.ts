import type { Model, ModelStatic, Transaction, WhereOptions } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { addHooks, type HookSet } from './hook-set.js';

/** A write as the hooks of Sequelize tell it. */
export interface Write {
  readonly verb: 'create' | 'update' | 'destroy' | 'restore' | 'upsert';
  /** The rows that the write has in hand; undefined for one that goes by a condition. */
  readonly rows?: readonly Model[];
  /** Whether it is a `bulkCreate`. */
  readonly isBulk?: boolean;
  /** Whether it is a `save` with nothing changed. */
  readonly isIdle?: boolean;
  /** The connection that the write holds already: look-ups that asked for another one could wait for ever. */
  readonly held?: Transaction;
  readonly options: WriteOptions;
}

/** What is read of the options of a write. */
export interface WriteOptions {
  readonly transaction?: Transaction | null | undefined;
  readonly where?: WhereOptions | undefined;
  readonly individualHooks?: boolean | undefined;
  /** The values of an update by a condition. */
  readonly attributes?: unknown;
  readonly updateOnDuplicate?: unknown;
  readonly ignoreDuplicates?: boolean | undefined;
  readonly conflictFields?: unknown;
  readonly conflictAttributes?: unknown;
  readonly instance?: unknown;
  /** The row that is being saved, with rows that it includes. */
  readonly parentRecord?: unknown;
}

/** Looks at writes before and after they are done; `Capture` is what it has to know of before. Neither may fail. */
export interface WriteTracker<Capture> {
  before(write: Write): Promise<Capture | undefined> | Capture | undefined;
  after(write: Write, capture: Capture | undefined): Promise<void> | undefined;
}

/** Follows the writes of a model and of all models of its table; the function that is returned ends it. */
export function trackWrites<Capture>(model: ModelStatic<Model>, tracker: WriteTracker<Capture>): () => void {
  const hooks = writeHooks(tracker, (one) => isSameTable(one, model));
  const models = Object.values(model.sequelize?.models ?? {}).filter((one) => one !== model && isSameTable(one, model));
  const detach = [model, ...models].map((one) => addHooks(one, hooks));
  return () => {
    for (const end of detach) end();
  };
}

/** Whether two models are of one table: scopes, other models of it, but not the same model in another schema. */
export function isSameTable(one: unknown, other: ModelStatic<Model>): boolean {
  return one === other || (isModel(one) && JSON.stringify(one.getTableName()) === JSON.stringify(other.getTableName()));
}

function isModel(value: unknown): value is ModelStatic<Model> {
  return typeof value === 'function' && 'getTableName' in value;
}

/** In each hook, `this` is the model that is written through: the one that is observed, or derived from it. */
function writeHooks<Capture>(tracker: WriteTracker<Capture>, isOurs: (model: unknown) => boolean): HookSet {
  const captures = new WeakMap<object, Capture>();
  const before = (model: unknown, write: Write): Promise<void> | undefined => {
    if (!isOurs(model)) return undefined;
    const keep = (capture: Capture | undefined): void => {
      if (capture !== undefined) captures.set(write.options, capture);
    };
    const capture = tracker.before(write);
    if (capture instanceof Promise) return capture.then(keep);
    keep(capture);
    return undefined;
  };
  const after = (model: unknown, write: Write): Promise<void> | undefined =>
    isOurs(model) ? tracker.after(write, captures.get(write.options)) : undefined;

  return {
    afterCreate(row, options) {
      return after(this, { verb: 'create', rows: [row], options });
    },
    beforeUpdate(row, options) {
      return isPart(options)
        ? undefined
        : before(this, { verb: 'update', rows: [row], isIdle: row.changed() === false, options });
    },
    afterUpdate(row, options) {
      return isPart(options) ? undefined : after(this, { verb: 'update', rows: [row], options });
    },
    beforeDestroy(row, options) {
      return isPart(options) ? undefined : before(this, { verb: 'destroy', rows: [row], options });
    },
    afterDestroy(row, options) {
      return isPart(options) ? undefined : after(this, { verb: 'destroy', rows: [row], options });
    },
    beforeRestore(row, options) {
      return isPart(options) ? undefined : before(this, { verb: 'restore', rows: [row], options });
    },
    afterRestore(row, options) {
      return isPart(options) ? undefined : after(this, { verb: 'restore', rows: [row], options });
    },
    beforeUpsert(_values, options) {
      return before(this, { verb: 'upsert', rows: rowOf(options), options });
    },
    afterUpsert([row], options) {
      return after(this, { verb: 'upsert', rows: [row], options });
    },
    // With hooks for each row, these rows are saved one by one.
    beforeBulkCreate(rows, options) {
      return isPart(options) ? undefined : before(this, { verb: 'create', rows, isBulk: true, options });
    },
    afterBulkCreate(rows, options) {
      return isPart(options) ? undefined : after(this, { verb: 'create', rows, isBulk: true, options });
    },
    beforeBulkUpdate(options) {
      return before(this, { verb: 'update', options });
    },
    afterBulkUpdate(options) {
      return after(this, { verb: 'update', options });
    },
    beforeBulkDestroy(options) {
      return before(this, { verb: 'destroy', options });
    },
    afterBulkDestroy(options) {
      return after(this, { verb: 'destroy', options });
    },
    beforeBulkRestore(options) {
      return before(this, { verb: 'restore', options });
    },
    afterBulkRestore(options) {
      return after(this, { verb: 'restore', options });
    },
  };
}

/** Hooks for each row (`individualHooks`) belong to a write by a condition, which is followed as a whole. */
function isPart(options: unknown): boolean {
  return isObject(options) && options['individualHooks'] === true;
}

/** Sequelize builds the row of an upsert before it calls the hook, and keeps it there. */
function rowOf({ instance }: WriteOptions): readonly Model[] {
  return isRow(instance) ? [instance] : [];
}

/** Whether a value is a row of a model. */
export function isRow(value: unknown): value is Model {
  return typeof value === 'object' && value !== null && 'getDataValue' in value;
}
