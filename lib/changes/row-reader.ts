import { setImmediate } from 'node:timers/promises';

import type { Model, ModelStatic } from 'sequelize';

import { DatabaseReader } from './database-reader.js';
import { keyOf, type PrimaryKey } from './row-change.js';
import { databaseOf, findByKeys } from './queries.js';

interface Reading {
  readonly pks: Map<string, PrimaryKey>;
  readonly rows: Promise<ReadonlyMap<string, Model>>;
}

/**
 * Reads rows of a model, past the hooks and scopes of the application: by one SELECT at a time, for all that was asked for meanwhile. So
 * no state of a row is followed by an older one.
 */
export class RowReader {
  static readonly #readers = new WeakMap<ModelStatic<Model>, RowReader>();

  readonly #model: ModelStatic<Model>;
  #last: Promise<unknown> = Promise.resolve();
  #next: Reading | undefined;

  private constructor(model: ModelStatic<Model>) {
    this.#model = model;
  }

  static of(model: ModelStatic<Model>): RowReader {
    const reader = RowReader.#readers.get(model) ?? new RowReader(model);
    RowReader.#readers.set(model, reader);
    return reader;
  }

  /** The row as it is after this moment; undefined if there is none. */
  async read(pk: PrimaryKey): Promise<Model | undefined> {
    const { pks, rows } = (this.#next ??= this.#begin());
    pks.set(keyOf(pk), pk);
    return (await rows).get(keyOf(pk));
  }

  #begin(): Reading {
    const pks = new Map<string, PrimaryKey>();
    const rows = this.#last.then(async () => {
      // Others that are asked for by the same event come within this turn.
      await setImmediate();
      this.#next = undefined;
      return DatabaseReader.of(databaseOf(this.#model)).read((on) => findByKeys(this.#model, pks, on));
    });
    this.#last = rows.catch(() => undefined);
    return { pks, rows };
  }
}
