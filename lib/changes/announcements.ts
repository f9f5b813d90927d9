import type { Model, ModelStatic, QueryOptions, WhereOptions } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import type { HookSet } from './hook-set.js';
import { isRow } from './queries.js';
import { isModel, isSameName } from './tables.js';

/** What a write does, as Sequelize names it. */
export type Verb = 'create' | 'update' | 'destroy' | 'restore' | 'upsert';

/** What a statement is going to write, as the hooks of Sequelize have announced it. */
export interface AnnouncedWrite {
  readonly verb: Verb;
  /** The model that is written through. */
  readonly model: ModelStatic<Model>;
  /** The rows that the write has in hand; undefined for one that goes by a condition. */
  readonly rows: readonly Model[] | undefined;
  /** Which rows a write by a condition is for, in names of columns; undefined for all. */
  readonly where: WhereOptions | undefined;
  /** The values of an update by a condition. */
  readonly values: unknown;
  readonly isTruncate: boolean;
}

/** What a hook of Sequelize says of the statement that comes next. A class, so that Sequelize hands it on and does not clone it. */
class Announcement {
  constructor(
    readonly verb: Verb,
    readonly model: unknown,
    readonly rows?: readonly Model[],
    /** The values of an update by a condition, which later hooks may still change. */
    readonly values?: unknown,
  ) {}
}

const ANNOUNCED = Symbol('express-channels');

/**
 * Hooks that announce what the next statement is going to write, among its options. In each hook, `this` is the model that is written
 * through. A save with nothing changed sends no statement.
 */
export function announcingHooks(unchanged: (model: unknown, row: Model, options: QueryOptions) => Promise<void>): HookSet {
  const announce = (options: object | null | undefined, announcement: Announcement): void => {
    if (options) Object.assign(options, { [ANNOUNCED]: announcement });
  };
  return {
    beforeCreate(row, options) {
      announce(options, new Announcement('create', this, [row]));
    },
    beforeUpdate(row, options) {
      if (isPart(options)) return undefined;
      if (row.changed() === false) return unchanged(this, row, options);
      announce(options, new Announcement('update', this, [row]));
      return undefined;
    },
    beforeDestroy(row, options) {
      if (!isPart(options)) announce(options, new Announcement('destroy', this, [row]));
    },
    beforeRestore(row, options) {
      if (!isPart(options)) announce(options, new Announcement('restore', this, [row]));
    },
    beforeUpsert(_values, options) {
      announce(options, new Announcement('upsert', this));
    },
    beforeBulkCreate(rows, options) {
      // With hooks for each row, these rows are saved one by one.
      if (!isPart(options)) announce(options, new Announcement('create', this, rows));
    },
    beforeBulkUpdate(options) {
      announce(options, new Announcement('update', this, undefined, Reflect.get(options, 'attributes')));
    },
    beforeBulkDestroy(options) {
      announce(options, new Announcement('destroy', this));
    },
    beforeBulkRestore(options) {
      announce(options, new Announcement('restore', this));
    },
  };
}

/** What a statement is going to write; undefined for one that writes nothing, or that no hook has announced. */
export function announcedWrite(options: QueryOptions): AnnouncedWrite | undefined {
  const type = String(options.type);
  const { instance, increment, where, truncate }: StatementOptions = options;
  // Rows that are saved with others have the options of these.
  const model: unknown = isRow(instance) ? instance.constructor : Reflect.get(options, 'model');
  if (!isModel(model)) return undefined;
  const row = isRow(instance) ? [instance] : undefined;
  const isTruncate = truncate === true;
  // They have no hooks, and are known by an option that no others have.
  if (typeof increment === 'boolean' && type === 'UPDATE')
    return { verb: 'update', model, rows: row, where: isWhere(where) ? where : undefined, values: undefined, isTruncate };
  const announcement: unknown = Reflect.get(options, ANNOUNCED);
  if (!isAnnouncement(announcement) || !isSameName(announcement.model, model)) return undefined;
  const { verb, rows, values } = announcement;
  if (type === 'INSERT' || type === 'UPSERT') {
    return {
      verb: type === 'UPSERT' ? 'upsert' : 'create',
      model,
      rows: row ?? rows ?? [],
      where: undefined,
      values,
      isTruncate,
    };
  }
  if (type === 'UPDATE' || type === 'DELETE') return row && { verb, model, rows: row, where: undefined, values, isTruncate };
  if (type !== 'BULKUPDATE' && type !== 'BULKDELETE') return undefined;
  return { verb, model, rows: undefined, where: isWhere(where) ? where : undefined, values, isTruncate };
}

/** What Sequelize keeps among the options of a statement, and its types leave out. */
interface StatementOptions {
  readonly instance?: unknown;
  readonly increment?: unknown;
  readonly where?: unknown;
  readonly truncate?: unknown;
}

function isAnnouncement(value: unknown): value is Announcement {
  return value instanceof Announcement;
}

/** Hooks for each row (`individualHooks`) belong to a write by a condition, which is followed as a whole. */
function isPart(options: unknown): boolean {
  return isObject(options) && options['individualHooks'] === true;
}

function isWhere(value: unknown): value is WhereOptions {
  return typeof value === 'object' && value !== null;
}
