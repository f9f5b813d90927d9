import type { Model, ModelStatic, Sequelize, Transaction } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { addHooks } from './hook-set.js';
import { databaseOf } from './row-look-up.js';
import { isRow, isSameTable, type Write, type WriteTracker } from './write-hooks.js';

/**
 * Follows `increment` and `decrement`, which have no hooks of their own: their statements are known by an option that no others have.
 * The function that is returned ends it.
 */
export function trackCounters<Capture>(model: ModelStatic<Model>, tracker: WriteTracker<Capture>): () => void {
  const sequelize = databaseOf(model);
  const captures = new WeakMap<object, Capture>();
  return addHooks(sequelize, {
    beforeQuery(options, query) {
      const write = counterWrite(model, options);
      if (write === undefined) return undefined;
      const held = options.transaction ? undefined : transactionOn(sequelize, query.connection);
      const keep = (capture: Capture | undefined): void => {
        if (capture !== undefined) captures.set(options, capture);
      };
      return Promise.resolve(tracker.before(held === undefined ? write : { ...write, held })).then(keep);
    },
    afterQuery(options) {
      const write = counterWrite(model, options);
      return write && tracker.after(write, captures.get(options));
    },
  });
}

function counterWrite(model: ModelStatic<Model>, options: unknown): Write | undefined {
  if (!isObject(options) || typeof options['increment'] !== 'boolean' || options['type'] !== 'UPDATE') return undefined;
  if (!isSameTable(options['model'], model)) return undefined;
  const { instance } = options;
  return isRow(instance) ? { verb: 'update', rows: [instance], options } : { verb: 'update', options };
}

/** A transaction in name only: Sequelize sends the statements of one over its connection. */
function transactionOn(sequelize: Sequelize, connection: unknown): Transaction | undefined {
  const type: unknown = Reflect.get(sequelize.constructor, 'Transaction');
  return isTransactionType(type) ? Object.assign(new type(sequelize, {}), { connection }) : undefined;
}

function isTransactionType(value: unknown): value is typeof Transaction {
  return typeof value === 'function' && value.name === 'Transaction';
}
