import type { IncludeOptions, Model, ModelStatic } from 'sequelize';

import {
  type AttributeField,
  type Field,
  type QueryOptions,
  type RelationField,
  resolveFields,
  type RowPresenter,
} from './model-fields.js';
import { primaryKeyOf, relatedRows, sortByPrimaryKey } from './related-rows.js';
import { scaleOf, typeName } from './value-parsers.js';

type Row = Readonly<Record<string, unknown>>;

/**
 * What rows look like on the wire. Works column by column: each relation is loaded for all rows at once, so that the number of
 * queries depends on the fields and not on the rows.
 */
export class Representation implements RowPresenter {
  readonly model: ModelStatic<Model>;
  readonly #names: readonly string[];
  readonly #attributes: readonly AttributeField[];
  readonly #relations: readonly Relation[];
  readonly #computed: readonly (Field & { kind: 'computed' })[];

  constructor(model: ModelStatic<Model>, fields: readonly Field[]) {
    this.model = model;
    this.#attributes = fields.filter((field) => field.kind === 'attribute').filter(({ shown }) => shown);
    this.#relations = fields.filter((field) => field.kind === 'relation').map((field) => new Relation(field));
    this.#computed = fields.filter((field) => field.kind === 'computed');
    this.#names = fields.filter((field) => field.kind !== 'attribute' || field.shown).map(({ name }) => name);
  }

  /** Joins the relations to one row; those to many are loaded apart, since each of them would multiply the rows of a join. */
  include(): { include: IncludeOptions[] } {
    return { include: this.#relations.filter(({ isMany }) => !isMany).map((relation) => relation.join()) };
  }

  async serializeMany(instances: readonly Model[], options: QueryOptions = {}): Promise<Row[]> {
    const columns = new Map<string, ReadonlyMap<Model, unknown>>();
    for (const relation of this.#relations) columns.set(relation.name, await relation.show(instances, options));
    const rows: Row[] = [];
    for (const instance of instances) {
      const values = new Map<string, unknown>();
      for (const field of this.#attributes) values.set(field.name, attributeValue(instance, field));
      for (const [name, column] of columns) values.set(name, column.get(instance));
      rows.push(await this.#complete(instance, values));
    }
    return rows;
  }

  async #complete(instance: Model, values: Map<string, unknown>): Promise<Row> {
    const row = this.#ordered(values);
    if (this.#computed.length === 0) return row;
    for (const { name, compute } of this.#computed) values.set(name, await compute(instance, row));
    return this.#ordered(values);
  }

  #ordered(values: ReadonlyMap<string, unknown>): Row {
    return Object.fromEntries(this.#names.filter((name) => values.has(name)).map((name) => [name, values.get(name)]));
  }
}

/** The value of a column as JSON has it. */
export function attributeValue(instance: Model, { attribute, column: { type } }: AttributeField): unknown {
  const value: unknown = instance.get(attribute);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && typeName(type) === 'DECIMAL') return decimalText(value, scaleOf(type));
  // SQLite leaves columns without a value off a row that was just inserted.
  return value ?? null;
}

/** Some drivers answer decimals as numbers, others as texts that keep all digits. */
function decimalText(value: number, scale: number | undefined): string {
  return scale === undefined ? String(value) : value.toFixed(scale);
}

/** A relation as its field shows it. */
class Relation {
  readonly name: string;
  readonly isMany: boolean;
  readonly #field: RelationField;
  /** Undefined where the primary keys are shown. */
  readonly #presenter: RowPresenter | undefined;

  constructor(field: RelationField) {
    const { association, nested, depth } = field;
    this.#field = field;
    this.name = field.name;
    this.isMany = association.isMultiAssociation;
    this.#presenter = nested ?? (depth > 0 ? allFields(association.target, depth - 1) : undefined);
  }

  async show(instances: readonly Model[], options: QueryOptions): Promise<ReadonlyMap<Model, unknown>> {
    const { association } = this.#field;
    const related = await relatedRows(association, instances, this.#loaded(), options);
    const distinct = [...new Set([...related.values()].flat())];
    const shown =
      (await this.#presenter?.serializeMany(distinct, options)) ?? distinct.map((row) => primaryKeyOf(row, association.target));
    const byRow = new Map(distinct.map((row, index) => [row, shown[index]]));
    const list = (rows: readonly Model[]): unknown[] => sortByPrimaryKey(rows, association.target).map((row) => byRow.get(row));
    return new Map([...related].map(([instance, rows]) => [instance, this.isMany ? list(rows) : (list(rows)[0] ?? null)]));
  }

  join(): IncludeOptions {
    const attributes = this.#loaded();
    return {
      association: this.#field.association,
      ...(attributes !== undefined && { attributes }),
      include: this.#presenter?.include().include ?? [],
    };
  }

  #loaded(): string[] | undefined {
    return this.#presenter === undefined ? [this.#field.association.target.primaryKeyAttribute] : undefined;
  }
}

function allFields(model: ModelStatic<Model>, depth: number): RowPresenter {
  return new Representation(model, resolveFields(model, { exclude: [], depth }));
}
