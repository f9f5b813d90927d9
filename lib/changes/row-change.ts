import type { Association, Model } from 'sequelize';

/** The value of a primary key. */
export type PrimaryKey = string | number | bigint | Date | Uint8Array;

/** One committed change of a row. */
export interface RowChange<M extends Model = Model> {
  readonly kind: 'create' | 'update' | 'delete';
  readonly pk: PrimaryKey;
  /** The row as it was published before, or as it was before the transaction; undefined for a create, or if it is not known. */
  readonly before: M | undefined;
  /**
   * The row as it was read after the commit: never older than the change, never older than what was published of the row before.
   * Of a deleted row its last state, or, if that is not known, its primary key alone.
   */
  readonly after: M;
}

/** What receives the committed changes of a model. */
export interface ChangeListener<M extends Model = Model> {
  /** Whether it has subscribers now. What has none is not looked up. */
  wanted(): boolean;
  /** Whether the rows as they were matter: an update then looks up the row before. */
  needsBefore(): boolean;
  /** Many-to-many relations whose changes are updates of this model's rows. */
  readonly manyToMany: readonly Association[];
  /** Rows of one transaction that it takes one by one; for more than that `missed` is called. */
  readonly maxRows: number;
  /** Committed changes, in order. What it throws goes to `failed`, not to the writer. */
  committed(changes: readonly RowChange<M>[]): void;
  /** Something has changed that cannot be published row by row: subscribers should read again. */
  missed(): void;
  /** Observing itself went wrong, by a failing SELECT or a throwing listener. */
  failed(error: unknown): void;
}

/** A primary key as it is compared: numbers may come as strings. */
export function keyOf(pk: PrimaryKey): string {
  if (pk instanceof Uint8Array) return Buffer.from(pk).toString('hex');
  return pk instanceof Date ? pk.toISOString() : String(pk);
}

/** Whether a value can be a primary key. */
export function isPrimaryKey(value: unknown): value is PrimaryKey {
  return ['string', 'number', 'bigint'].includes(typeof value) || value instanceof Date || value instanceof Uint8Array;
}
