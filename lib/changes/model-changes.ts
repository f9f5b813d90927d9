import type { Association, Model, ModelStatic, Transaction } from 'sequelize';

import { got, unexpected } from '../protocol/options.js';
import { observeAssociation } from './association-writes.js';
import type { RowEffect } from './change-batch.js';
import { ChangeFeed } from './change-feed.js';
import { manyToMany } from './many-to-many.js';
import { databaseOf } from './queries.js';
import { type ChangeListener, isPrimaryKey, type PrimaryKey } from './row-change.js';
import { RowWrites } from './row-writes.js';
import { transactionOfCls } from './sequelize-internals.js';
import { observeStatements } from './statements.js';
import { tick, TransactionTracker } from './transactions.js';

const observed = new WeakMap<ModelStatic<Model>, ObservedModel>();

/** The databases whose writes can be followed, as Sequelize names them. */
const DIALECTS = ['postgres', 'mariadb', 'mysql', 'sqlite'];

/**
 * Gives a listener every committed change of a model's rows that Sequelize makes in this process. Hooks are added to the database once, and
 * removed with the last listener.
 *
 * @returns what ends it
 * @throws TypeError for what is no model with a primary key of one column, for a database that is not supported, or for a `manyToMany`
 * that is no such relation of it
 */
export function observeChanges<M extends Model>(model: ModelStatic<M>, listener: ChangeListener<M>): () => void {
  checkModel(model);
  for (const association of listener.manyToMany) manyToMany(model, association);
  const one = observed.get(model) ?? new ObservedModel(model);
  observed.set(model, one);
  return one.add(listener);
}

/**
 * Publishes rows that a write has changed which Sequelize does not see. A row that exists is published as updated, one that does not as
 * deleted. In a transaction this happens when it is committed.
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
  if (wrong !== undefined) throw unexpected(`a primary key of ${model.name}`, 'a string or a number', wrong);
  const feed = observed.get(model)?.feed;
  const within = transaction === undefined ? transactionOfCls(databaseOf(model)) : transaction;
  const tracked = within ? TransactionTracker.of(databaseOf(model)).transactionOf(within) : 'committed';
  if (feed === undefined || tracked === 'rolled back') return;
  const effects = pks.map((pk): RowEffect => ({ pk, from: tick(), existed: true, exists: undefined, isNamed: true }));
  void feed.record(effects, tracked === 'committed' ? undefined : tracked);
}

/** A model whose writes are followed as long as it has listeners. */
class ObservedModel {
  readonly feed: ChangeFeed;
  #end: (() => void)[] = [];
  readonly #associations = new Map<Association, () => void>();

  constructor(model: ModelStatic<Model>) {
    this.feed = new ChangeFeed(model);
  }

  add(listener: ChangeListener): () => void {
    const { model, listeners, reader } = this.feed;
    if (listeners.size === 0) this.#end = [reader.use(), observeStatements(model, new RowWrites(this.feed))];
    listeners.add(listener);
    for (const association of listener.manyToMany) {
      if (!this.#associations.has(association)) this.#associations.set(association, observeAssociation(this.feed, association));
    }
    return () => {
      if (listeners.delete(listener)) this.#removed();
    };
  }

  #removed(): void {
    for (const [association, end] of this.#associations) {
      if (this.feed.listenersOf(association).length > 0) continue;
      end();
      this.#associations.delete(association);
    }
    if (this.feed.listeners.size > 0) return;
    for (const end of this.#end) end();
    // A model may be initialised again, for another database.
    observed.delete(this.feed.model);
  }
}

/** @throws TypeError for what is no model with a primary key of one column, or of a database whose writes cannot be followed */
export function checkModel(model: ModelStatic<Model>): void {
  if (typeof model !== 'function' || model.sequelize === undefined)
    throw new TypeError(`Expected a model of Sequelize after its \`init\` or \`define\`, got ${got(model)}.`);
  const { primaryKeyAttributes, name, sequelize } = model;
  const version = String(Reflect.get(sequelize.constructor, 'version') ?? '6');
  if (!/^6\b/.test(version))
    throw new TypeError(`Expected ${name} to be a model of Sequelize 6, got one of Sequelize ${version}.`);
  const dialect = sequelize.getDialect();
  if (!DIALECTS.includes(dialect))
    throw new TypeError(`Expected the database of ${name} to be one of ${DIALECTS.join(', ')}, got ${dialect}.`);
  if (primaryKeyAttributes.length !== 1)
    throw new TypeError(
      `Expected ${name} to have a primary key of one column, got ${primaryKeyAttributes.length === 0 ? 'none' : primaryKeyAttributes.join(', ')}.`,
    );
}
