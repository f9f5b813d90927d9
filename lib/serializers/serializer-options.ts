import type { Attributes, CreationAttributes, Model } from 'sequelize';

import type { QueryOptions, RowPresenter } from './model-fields.js';
import type { StandardSchema } from '../protocol/standard-schema.js';

type AttributeName<M extends Model> = keyof Attributes<M> & string;
/** An attribute, `pk`, a relation or a key of `nested` or `computed`; what the types do not know is checked at start-up. */
export type FieldName<M extends Model> = AttributeName<M> | 'pk' | (string & {});
type Nested = Readonly<Record<string, RowPresenter>>;
/** The type of an object of options that was left out. */
export type NoKeys = object;

/** Options of {@link modelSerializer}. Either `fields` or `exclude` must be given. */
export interface SerializerOptions<
  M extends Model,
  F extends string,
  X extends string,
  R extends string,
  W extends string,
  N,
  C,
> {
  /**
   * The fields, in the order in which they are shown: attributes, `pk` for the primary key, relations, keys of `nested` and `computed`.
   * A relation to one row by `belongsTo` shows its foreign key, any other one shows primary keys, unless it is nested.
   */
  readonly fields?: readonly F[];
  /**
   * All attributes but these; foreign keys go by the name of their relation. Other relations are shown if they are nested. An empty
   * list means all: think of columns that nobody should see.
   */
  readonly exclude?: readonly X[];
  /**
   * Fields that take no input. Primary keys, timestamps, relations that are nested and computed fields never do.
   *
   * @default []
   */
  readonly readOnly?: readonly R[];
  /**
   * Fields that are never shown.
   *
   * @default []
   */
  readonly writeOnly?: readonly W[];
  /**
   * Serializers of related rows, by the name of the relation: an object or null, or a list in order of the primary key.
   *
   * @default {}
   */
  readonly nested?: N & Nested;
  /**
   * Levels to which relations that have no serializer in `nested` show all plain columns of the related rows: all, also those that
   * the serializer of those rows would hide.
   *
   * @default 0
   */
  readonly depth?: number;
  /**
   * Values that are made from the instance, or from the row as it is shown without them. What a function asks of the database it
   * asks for each row; better take it from a nested relation.
   *
   * @default {}
   */
  readonly computed?: {
    // The type of the row leaves C out, which could not be inferred from the functions otherwise.
    readonly [K in keyof C]: (instance: M, row: ShownRow<M, FieldOf<M, F, X, N, NoKeys>, W, N>) => C[K] | Promise<C[K]>;
  };
  /** A Standard Schema (zod, valibot, arktype) that the data must pass first; in a partial update, completed by the row as it is. */
  readonly schema?: StandardSchema;
  /**
   * Checks the values once each field is right. Throws a ValidationError, returns the values to go on with, or returns nothing to
   * go on with those given.
   */
  readonly validate?: (
    values: ChangedRow<M, F, X, R, N, C>,
    details: { readonly instance: M | undefined; readonly partial: boolean },
  ) => Partial<CreationAttributes<M>> | undefined | Promise<Partial<CreationAttributes<M>> | undefined>;
  /**
   * Stores a new row.
   *
   * @default `Model.create(values, options)`
   */
  readonly create?: (values: InputRow<M, F, X, R, N, C>, options: QueryOptions) => M | Promise<M>;
  /**
   * Stores a change.
   *
   * @default `instance.update(values, options)`
   */
  readonly update?: (
    instance: M,
    values: ChangedRow<M, F, X, R, N, C>,
    options: QueryOptions & { readonly partial: boolean },
  ) => unknown;
}

type FieldOf<M extends Model, F, X, N, C> = [F] extends [never]
  ? Exclude<ShownAttribute<M>, X> | (keyof N & string) | (keyof C & string)
  : F;
/** With `exclude`, a foreign key is shown under the name of its relation, which the types do not know. */
type ShownAttribute<M extends Model> = Exclude<AttributeName<M>, `${string}_id` | `${string}Id`>;
type PlainName<M extends Model, F, X, N, C> = Exclude<FieldOf<M, F, X, N, C>, keyof C>;

type ShownRow<M extends Model, Names, W, N> = {
  -readonly [K in Exclude<Names, W> & string]: K extends keyof N ? NestedValue<M, K, N[K]> : ShownValue<M, K>;
};
type ShownValue<M extends Model, K> =
  K extends AttributeName<M> ? JsonValue<Attributes<M>[K]> : K extends 'pk' ? number | string : unknown;
/** What a model without types has, `any`, is shown as unknown. */
type JsonValue<T> = unknown extends T ? unknown : T extends Date | Buffer ? string : T;
/** Whether a relation is to many rows is known where the model declares it. */
type NestedValue<M extends Model, K, S> = K extends keyof M
  ? NonNullable<M[K]> extends readonly unknown[]
    ? Serialized<S>[]
    : Serialized<S> | null
  : Serialized<S> | Serialized<S>[] | null;

/** A row as it is shown. */
export type OutputRow<M extends Model, F, X, W, N, C> = ShownRow<M, PlainName<M, F, X, N, C>, W, N> & {
  -readonly [K in keyof C]: C[K];
};

/** The attributes that take input: a relation's name stands for its foreign key. */
type InputName<M extends Model, F, X, R, N, C> = [F] extends [never]
  ? Exclude<AttributeName<M>, X | R>
  : AttributeOf<M, Exclude<F, R | keyof N | keyof C | 'pk'> & string>;
type AttributeOf<M extends Model, K extends string> =
  K extends AttributeName<M> ? K : Extract<AttributeName<M>, `${K}Id` | `${K}_id`>;
/** The values of a new row that take input, as the model has them. */
export type InputRow<M extends Model, F, X, R, N, C> =
  string extends AttributeName<M>
    ? Record<string, unknown>
    : Pick<CreationAttributes<M>, InputName<M, F, X, R, N, C> & keyof CreationAttributes<M>>;

/** Some values of a row that take input. */
export type ChangedRow<M extends Model, F, X, R, N, C> =
  string extends AttributeName<M>
    ? Record<string, unknown>
    : Partial<Pick<Attributes<M>, InputName<M, F, X, R, N, C> & keyof Attributes<M>>>;

/** The rows that a serializer shows. */
export type Serialized<S> = S extends { serializeMany(instances: never, options?: never): Promise<readonly (infer Row)[]> }
  ? Row
  : never;
