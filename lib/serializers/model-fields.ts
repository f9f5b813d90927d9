import type { Association, IncludeOptions, Model, ModelAttributeColumnOptions, ModelStatic, Transactionable } from 'sequelize';

import { got, isTextList } from '../protocol/options.js';
import { typeName } from './value-parsers.js';

/** What is passed on to every query. */
export type QueryOptions = Pick<Transactionable, 'transaction'>;

/** Shows rows of a model; what a serializer is to the one that nests it. */
export interface RowPresenter {
  readonly model: ModelStatic<Model>;
  serializeMany(instances: readonly Model[], options?: QueryOptions): Promise<readonly unknown[]>;
  include(): { include: IncludeOptions[] };
}

/** Makes the value of a field from a row and from the fields of it that are no such values themselves. */
export type Compute = (instance: Model, row: Readonly<Record<string, unknown>>) => unknown;

/** The options that say which fields there are. */
export interface FieldOptions {
  readonly fields?: readonly string[];
  readonly exclude?: readonly string[];
  readonly readOnly?: readonly string[];
  readonly writeOnly?: readonly string[];
  readonly nested?: Readonly<Record<string, RowPresenter>>;
  readonly depth?: number;
  readonly computed?: Readonly<Record<string, Compute>>;
}

/** A column under its own name, as `pk`, or, for a foreign key, under the name of the relation. */
export interface AttributeField {
  readonly kind: 'attribute';
  readonly name: string;
  readonly attribute: string;
  readonly column: ModelAttributeColumnOptions;
  /** The relation that the column is the foreign key of. */
  readonly reference: Association | undefined;
  readonly shown: boolean;
  readonly writable: boolean;
}

/** Rows of a relation: by a serializer, by all of their plain fields to a depth, or by their primary keys alone. */
export interface RelationField {
  readonly kind: 'relation';
  readonly name: string;
  readonly association: Association;
  readonly nested: RowPresenter | undefined;
  readonly depth: number;
}

/** A value that the application makes. */
export interface ComputedField {
  readonly kind: 'computed';
  readonly name: string;
  readonly compute: Compute;
}

/** What a serializer shows under one name. */
export type Field = AttributeField | RelationField | ComputedField;

/**
 * The fields that the options ask for, in the order in which they are shown.
 *
 * @throws TypeError if the model has no such field, or cannot have it
 */
export function resolveFields(model: ModelStatic<Model>, options: FieldOptions): Field[] {
  const resolver = new FieldResolver(model, options);
  const names = [...new Set(resolver.names())];
  resolver.checkNames('readOnly', names);
  resolver.checkNames('writeOnly', names);
  const fields: Field[] = [];
  for (const name of names) {
    const field = resolver.resolve(name);
    // Of a column that goes by two names, the first takes input.
    const isTaken = fields.some((other) => other.kind === 'attribute' && other.writable && isSameColumn(other, field));
    fields.push(isTaken && field.kind === 'attribute' ? { ...field, writable: false } : field);
  }
  return fields;
}

function isSameColumn(one: AttributeField, other: Field): boolean {
  return other.kind === 'attribute' && one.attribute === other.attribute;
}

/** The relation to one row whose key stands in a column of this model. */
export function isBelongsTo(association: Association): boolean {
  return association.associationType === 'BelongsTo';
}

class FieldResolver {
  readonly #model: ModelStatic<Model>;
  readonly #options: FieldOptions;
  readonly #columns: ReadonlyMap<string, ModelAttributeColumnOptions>;
  readonly #associations: ReadonlyMap<string, Association>;
  readonly #nested: ReadonlyMap<string, RowPresenter>;
  readonly #computed: ReadonlyMap<string, Compute>;
  /** Columns that the database or Sequelize fills in. */
  readonly #managed: ReadonlySet<string>;

  constructor(model: ModelStatic<Model>, options: FieldOptions) {
    if (typeof model !== 'function' || model.sequelize === undefined)
      throw new TypeError(
        `Expected a model of Sequelize after its \`init\` or \`define\`, got ${got(model)}: make serializers when the models are there.`,
      );
    this.#model = model;
    this.#options = options;
    this.#columns = new Map(Object.entries(model.getAttributes()));
    this.#associations = new Map(Object.entries(model.associations));
    this.#nested = new Map(Object.entries(options.nested ?? {}));
    this.#computed = new Map(Object.entries(options.computed ?? {}));
    this.#managed = new Set([...model.primaryKeyAttributes, ...timestampsOf(model)]);
  }

  names(): readonly string[] {
    const { fields, exclude } = this.#options;
    if ((fields === undefined) === (exclude === undefined))
      this.#fail('either `fields` or `exclude`', fields === undefined ? 'none of them' : 'both');
    for (const [option, names] of Object.entries({ fields, exclude }))
      if (names !== undefined && !isTextList(names)) this.#fail(`\`${option}\` to be a list of names`, got(names));
    const declared = [...this.#nested.keys(), ...this.#computed.keys()];
    if (exclude !== undefined) return [...this.#allBut(exclude), ...declared];
    const missing = declared.find((name) => fields?.includes(name) === false);
    if (missing !== undefined) this.#fail(`\`fields\` to list "${missing}", which is nested or computed`, `[${String(fields)}]`);
    return fields ?? [];
  }

  /** All columns, foreign keys by the name of their relation; the other relations are shown where they are named. */
  #allBut(exclude: readonly string[]): string[] {
    const names = [...this.#columns.keys()].map((attribute) => ({
      attribute,
      name: this.#reference(attribute)?.as ?? attribute,
    }));
    for (const excluded of exclude) {
      if (!names.some(({ attribute, name }) => excluded === attribute || excluded === name))
        this.#fail('`exclude` to name fields', `"${excluded}". ${this.#describe()}`);
    }
    return names.filter(({ attribute, name }) => !exclude.includes(attribute) && !exclude.includes(name)).map(({ name }) => name);
  }

  checkNames(option: 'readOnly' | 'writeOnly', names: readonly string[]): void {
    const unknown = this.#options[option]?.find((name) => !names.includes(name));
    if (unknown !== undefined) this.#fail(`\`${option}\` to name fields of the serializer`, `"${unknown}"`);
  }

  resolve(name: string): Field {
    const field = this.#find(name);
    const isWriteOnly = this.#options.writeOnly?.includes(name) === true;
    if (isWriteOnly && !(field.kind === 'attribute' && field.writable))
      this.#fail('`writeOnly` to name fields that take input', `"${name}"`);
    return field.kind === 'attribute' ? { ...field, shown: !isWriteOnly } : field;
  }

  #find(name: string): Field {
    const compute = this.#computed.get(name);
    if (compute !== undefined) return { kind: 'computed', name, compute };
    const association = this.#associations.get(name);
    const nested = this.#nested.get(name);
    const { depth = 0 } = this.#options;
    if (nested !== undefined) return this.#nest(name, association, nested);
    if (association === undefined) return this.#attribute(name, name, undefined);
    if (depth > 0 || !isBelongsTo(association)) return { kind: 'relation', name, association, nested, depth };
    return this.#attribute(name, association.foreignKey, association);
  }

  #nest(name: string, association: Association | undefined, nested: RowPresenter): RelationField {
    if (association === undefined) this.#fail('`nested` to name relations', `"${name}". ${this.#describe()}`);
    if (!isKindOf(nested.model, association.target))
      this.#fail(`\`nested.${name}\` to be a serializer of ${association.target.name}`, `one of ${nested.model.name}`);
    return { kind: 'relation', name, association, nested, depth: 0 };
  }

  #attribute(name: string, key: string, association: Association | undefined): AttributeField {
    const attribute = key === 'pk' && !this.#columns.has(key) ? this.#model.primaryKeyAttribute : key;
    const column = this.#columns.get(attribute);
    if (column === undefined)
      this.#fail('`fields` to name attributes, relations, `pk` or computed fields', `"${name}". ${this.#describe()}`);
    const writable = this.#isWritable(name, attribute, column);
    return {
      kind: 'attribute',
      name,
      attribute,
      column,
      reference: association ?? this.#reference(attribute),
      shown: true,
      writable,
    };
  }

  #isWritable(name: string, attribute: string, column: ModelAttributeColumnOptions): boolean {
    if (this.#options.readOnly?.includes(name) === true || this.#managed.has(attribute)) return false;
    const isGetter = typeName(column.type) === 'VIRTUAL' && column.get !== undefined && column.set === undefined;
    return column.autoIncrement !== true && !isGetter;
  }

  /** A column that several relations share, as polymorphic ones do, stands for none of them. */
  #reference(attribute: string): Association | undefined {
    const [reference, another] = [...this.#associations.values()].filter(
      (association) => isBelongsTo(association) && association.foreignKey === attribute,
    );
    return another === undefined ? reference : undefined;
  }

  #describe(): string {
    const relations = [...this.#associations.keys()].join(', ') || 'none';
    return `${this.#model.name} has the attributes ${[...this.#columns.keys()].join(', ')}, and the relations ${relations}.`;
  }

  #fail(expected: string, given: string): never {
    throw new TypeError(`Serializer of ${this.#model.name}: expected ${expected}, got ${given}`);
  }
}

function timestampsOf({ options }: ModelStatic<Model>): string[] {
  const { timestamps = true, paranoid = false, createdAt = true, updatedAt = true, deletedAt = true, version = false } = options;
  const columns = [
    ['createdAt', timestamps && createdAt],
    ['updatedAt', timestamps && updatedAt],
    ['deletedAt', timestamps && paranoid && deletedAt],
    ['version', version],
  ] as const;
  return columns.filter(([, column]) => column !== false).map(([name, column]) => (typeof column === 'string' ? column : name));
}

/** Whether two models are one; scopes of a model are classes derived from it. */
export function isKindOf(one: ModelStatic<Model>, other: ModelStatic<Model>): boolean {
  return one === other || one.prototype instanceof other || other.prototype instanceof one;
}
