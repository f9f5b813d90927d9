import type { Model, ModelStatic, Transaction } from 'sequelize';

import { notifyChanged } from '../changes/model-changes.js';
import type { PrimaryKey } from '../changes/row-change.js';
import { checkKeys, unexpected } from '../protocol/options.js';

/** A model of Sequelize, whichever. */
export type AnyModel = ModelStatic<Model>;

/** The value of a primary key. */
export type RowKey = PrimaryKey;

/** Options of `channels.notify()`. */
export interface NotifyOptions {
  /** Observers are told when it is committed. @default that of CLS, if the application uses it; otherwise they are told at once */
  readonly transaction?: Transaction | null | undefined;
}

/** Tells observers of rows that were written past the ORM. @throws TypeError for what is no model, no list, or no primary key */
export function notify(model: AnyModel, pks: readonly RowKey[], options: NotifyOptions = {}): void {
  const given: unknown = pks;
  if (!Array.isArray(given)) throw unexpected('the primary keys', 'a list', given);
  checkKeys('notify()', options, ['transaction']);
  notifyChanged(model, pks, options);
}
