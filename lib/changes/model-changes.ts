import type { Association, Model, ModelStatic, Transaction } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { got, unexpected } from '../protocol/options.js';
import type { Touch } from './change-batch.js';
import { ChangeFeed } from './change-feed.js';
import { CommitQueue, tick } from './commit-queue.js';
import { trackCounters } from './counter-writes.js';
import { trackLists } from './list-writes.js';
import { manyToMany } from './many-to-many.js';
import { isPrimaryKey, type ChangeListener, type PrimaryKey } from './row-change.js';
import { databaseOf } from './row-look-up.js';
import { RowWrites } from './row-writes.js';
import { trackWrites } from './write-hooks.js';

const observed = new WeakMap<ModelStatic<Model>, ObservedModel>();

/**
 * Tells a listener of every committed change of a model's rows that Sequelize makes in this process. Hooks are added to the model once,
 * and taken away with the last listener.
 *
 * @returns what ends it
 * @throws TypeError for what is no model with a primary key of one column, or for a `manyToMany` that is no such relation of it
 */
export function observeChanges<M extends Model>(model: ModelStatic<M>, listener: ChangeListener<M>): () => void {
  checkModel(model);
  for (const association of listener.manyToMany) manyToMany(model, association);
  const one = observed.get(model) ?? new ObservedModel(model);
  observed.set(model, one);
  return one.add(listener);
}

/**
 * Tells listeners that rows have changed by a write that Sequelize does not see. A row that is there is told as updated, one that is not
 * as deleted. In a transaction they are told when it is committed.
 *
 * @throws TypeError for what is no primary key
 */
export function notifyChanged(
  model: ModelStatic<Model>,
  pks: readonly PrimaryKey[],
  { transaction }: { readonly transaction?: Transaction | null | undefined } = {},
): void {
  checkModel(model);
  const wrong: unknown = pks.find((pk: unknown) => !isPrimaryKey(pk));
  if (wrong !== undefined) throw unexpected(`a primary key of ${model.name}`, 'a text or a number', wrong);
  const touches = pks.map((pk): Touch => ({ pk, from: tick(), existed: true, exists: undefined }));
  void observed.get(model)?.feed.record(touches, transaction === undefined ? currentTransaction(model) : transaction);
}

/** A model whose writes are followed as long as it has listeners. */
class ObservedModel {
  readonly feed: ChangeFeed;
  #end: (() => void)[] = [];
  readonly #lists = new Map<Association, () => void>();

  constructor(model: ModelStatic<Model>) {
    this.feed = new ChangeFeed(model);
  }

  add(listener: ChangeListener): () => void {
    const { model, listeners } = this.feed;
    if (listeners.size === 0) {
      const writes = new RowWrites(this.feed);
      this.#end = [CommitQueue.of(databaseOf(model)).use(), trackWrites(model, writes), trackCounters(model, writes)];
    }
    listeners.add(listener);
    for (const association of listener.manyToMany) {
      if (!this.#lists.has(association)) this.#lists.set(association, trackLists(this.feed, association));
    }
    return () => {
      if (listeners.delete(listener)) this.#removed();
    };
  }

  #removed(): void {
    for (const [association, end] of this.#lists) {
      if (this.feed.listenersOf(association).length > 0) continue;
      end();
      this.#lists.delete(association);
    }
    if (this.feed.listeners.size > 0) return;
    for (const end of this.#end) end();
    // A model may be initialised anew, for another database.
    observed.delete(this.feed.model);
  }
}

/** @throws TypeError for what is no model with a primary key of one column */
export function checkModel(model: ModelStatic<Model>): void {
  if (typeof model !== 'function' || model.sequelize === undefined)
    throw new TypeError(`Expected a model of Sequelize after its \`init\` or \`define\`, got ${got(model)}.`);
  const { primaryKeyAttributes, name } = model;
  if (primaryKeyAttributes.length !== 1)
    throw new TypeError(
      `Expected ${name} to have a primary key of one column, got ${primaryKeyAttributes.length === 0 ? 'none' : primaryKeyAttributes.join(', ')}.`,
    );
}

/** The transaction that Sequelize takes where none is named, if the application uses CLS. */
function currentTransaction(model: ModelStatic<Model>): Transaction | undefined {
  const namespace: unknown = Reflect.get(databaseOf(model).constructor, '_cls');
  if (!isObject(namespace) || typeof namespace['get'] !== 'function') return undefined;
  const transaction: unknown = Reflect.apply(namespace['get'], namespace, ['transaction']);
  return isTransaction(transaction) ? transaction : undefined;
}

function isTransaction(value: unknown): value is Transaction {
  return isObject(value) && 'afterCommit' in value;
}
