import type { Model, ModelStatic } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { ValidationError } from '../protocol/errors.js';
import { duplicateSetText, duplicateText, missingText, type Naming, toActionError } from './constraint-errors.js';
import { FieldErrors, NON_FIELD_ERRORS } from './field-errors.js';
import type { AttributeField, QueryOptions } from './model-fields.js';
import { targetKeyOf } from './related-rows.js';
import { attributeValue } from './representation.js';
import { parseBySchema, type StandardSchema } from '../protocol/standard-schema.js';
import { uniqueSets } from './unique-sets.js';
import { describeValue, type Parse, parserFor, typeName } from './value-parsers.js';

/** Values of attributes, checked and ready for the model. */
export type Values = Readonly<Record<string, unknown>>;

/** What is to become of the input. */
export interface InputOptions extends QueryOptions {
  /** The row that is to be changed; undefined for a new one. */
  readonly instance?: Model | undefined;
  /** Whether fields may be left out that are required. */
  readonly partial?: boolean;
}

interface InputField extends AttributeField {
  readonly parse: Parse;
  readonly required: boolean;
  readonly nullable: boolean;
  readonly blank: boolean;
}

/** Checks what a client sends for a row against the model, before the database sees any of it. */
export class ModelInput {
  readonly #model: ModelStatic<Model>;
  readonly #fields: readonly InputField[];
  readonly #schema: StandardSchema | undefined;
  readonly #uniqueSets: readonly (readonly string[])[];
  readonly #names: ReadonlyMap<string, string>;

  /** @throws TypeError if a field takes input of a type that has no form in JSON */
  constructor(model: ModelStatic<Model>, fields: readonly AttributeField[], schema: StandardSchema | undefined) {
    this.#model = model;
    this.#fields = fields.filter(({ writable }) => writable).map((field) => toInputField(model, field));
    this.#schema = schema;
    this.#uniqueSets = uniqueSets(model);
    this.#names = namesOf(model, fields);
  }

  /** What the client calls the columns. */
  get naming(): Naming {
    return { fieldOf: (column) => this.#names.get(column), row: this.#model.name.toLowerCase() };
  }

  /**
   * The values of the fields that were given; other keys are none of its business.
   *
   * @throws {@link ValidationError} that names every invalid field
   */
  async check(data: unknown, { instance, partial = false, ...query }: InputOptions): Promise<Values> {
    const given = await this.#bySchema(toObject(data), partial ? instance : undefined);
    const errors = new FieldErrors();
    const values = this.#parse(given, partial, errors);
    await this.#checkReferences(values, errors, query);
    await this.#checkUnique(values, instance, errors, query);
    await this.#checkModelRules(values, instance, errors);
    errors.throwIfAny();
    return Object.fromEntries(values);
  }

  /** A schema describes whole rows: a part is completed by the row as it is, and only the part is taken from the result. */
  async #bySchema(given: Values, current: Model | undefined): Promise<Values> {
    if (this.#schema === undefined) return given;
    if (current === undefined) return toObject(await parseBySchema(this.#schema, given));
    const row = this.#fields.map((field) => [field.name, attributeValue(current, field)] as const);
    const parsed = toObject(await parseBySchema(this.#schema, { ...Object.fromEntries(row), ...given }));
    return Object.fromEntries(Object.entries(parsed).filter(([name]) => Object.hasOwn(given, name)));
  }

  #parse(given: Values, partial: boolean, errors: FieldErrors): Map<string, unknown> {
    const values = new Map<string, unknown>();
    for (const field of this.#fields) {
      const value = Object.hasOwn(given, field.name) ? given[field.name] : undefined;
      if (value === undefined) {
        if (field.required && !partial) errors.add(field.name, 'This field is required.');
        continue;
      }
      errors.attempt(field.name, () => values.set(field.attribute, parseField(field, value)));
    }
    return values;
  }

  async #checkReferences(values: Map<string, unknown>, errors: FieldErrors, query: QueryOptions): Promise<void> {
    for (const { name, attribute, reference } of this.#fields) {
      const key = values.get(attribute);
      if (reference === undefined || !isScalar(key)) continue;
      const targetKey = targetKeyOf(reference);
      const found = await reference.target.findOne({ where: { [targetKey]: key }, attributes: [targetKey], ...query });
      if (found !== null) continue;
      errors.add(name, missingText(key));
      values.delete(attribute);
    }
  }

  async #checkUnique(values: Map<string, unknown>, instance: Model | undefined, errors: FieldErrors, query: QueryOptions) {
    for (const attributes of this.#uniqueSets) {
      if (!attributes.some((attribute) => values.has(attribute))) continue;
      const where = new Map(attributes.map((attribute) => [attribute, this.#valueToBe(attribute, values, instance)]));
      // NULL equals nothing, and an object would be a condition.
      if (![...where.values()].every(isScalar)) continue;
      const other = await this.#model.unscoped().findOne({
        where: Object.fromEntries(where),
        attributes: [...this.#model.primaryKeyAttributes],
        paranoid: false,
        ...query,
      });
      if (other === null || (instance !== undefined && isSameRow(other, instance, this.#model))) continue;
      const names = attributes.map((attribute) => this.#names.get(attribute) ?? attribute);
      const [name = NON_FIELD_ERRORS] = names;
      if (names.length === 1) errors.add(name, duplicateText(this.naming.row, name));
      else errors.add(NON_FIELD_ERRORS, duplicateSetText(names));
    }
  }

  #valueToBe(attribute: string, values: ReadonlyMap<string, unknown>, instance: Model | undefined): unknown {
    if (values.has(attribute)) return values.get(attribute);
    if (instance !== undefined) return instance.get(attribute);
    return this.#model.getAttributes()[attribute]?.defaultValue;
  }

  /** Asks the validators of the model about the row as it would be; those of the whole row only when all fields are right. */
  async #checkModelRules(values: ReadonlyMap<string, unknown>, instance: Model | undefined, errors: FieldErrors): Promise<void> {
    if (values.size === 0) return;
    const draft = instance === undefined ? this.#model.build() : copyOf(instance, this.#model);
    draft.set(Object.fromEntries(values));
    const unaffected = Object.keys(this.#model.getAttributes()).filter((attribute) => !values.has(attribute));
    const ofTheRow = errors.isEmpty ? [] : Object.keys(this.#model.options.validate ?? {});
    try {
      await draft.validate({ skip: [...unaffected, ...ofTheRow], hooks: false });
    } catch (error) {
      errors.addAll(toActionError(error, this.naming));
    }
  }
}

function toInputField(model: ModelStatic<Model>, field: AttributeField): InputField {
  const { type, allowNull, defaultValue } = field.column;
  const parse = parserFor(type);
  if (parse === undefined) {
    throw new TypeError(
      `Serializer of ${model.name}: expected field "${field.name}" to be in \`readOnly\`, because there is no JSON for its type, got ${typeName(type)}`,
    );
  }
  const nullable = allowNull !== false;
  const hasDefault = defaultValue !== undefined && defaultValue !== null;
  return { ...field, parse, nullable, required: !nullable && !hasDefault, blank: defaultValue === '' };
}

function namesOf(model: ModelStatic<Model>, fields: readonly AttributeField[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const [attribute, { field: column = attribute }] of Object.entries(model.getAttributes())) {
    const ofClient = fields.filter((field) => field.attribute === attribute);
    const name = (ofClient.find(({ writable }) => writable) ?? ofClient[0])?.name ?? attribute;
    names.set(attribute, name);
    if (!names.has(column)) names.set(column, name);
  }
  return names;
}

function parseField({ parse, column, nullable, blank, reference }: InputField, value: unknown): unknown {
  if (value === null) {
    if (nullable) return null;
    throw new ValidationError(['This field may not be null.']);
  }
  try {
    return parse(value, { type: column.type, blank });
  } catch (error) {
    if (reference === undefined || !(error instanceof ValidationError)) throw error;
    const isKey = typeof value === 'string' || typeof value === 'number';
    throw new ValidationError([
      isKey ? missingText(value) : `Incorrect type. Expected pk value, received ${describeValue(value)}.`,
    ]);
  }
}

/** Rules are asked about a copy, so that the instance is left as it is if they refuse. */
function copyOf(instance: Model, model: ModelStatic<Model>): Model {
  const values = Object.keys(model.getAttributes()).map((name): [string, unknown] => [name, instance.getDataValue(name)]);
  return model.build(Object.fromEntries(values), { isNewRecord: false, raw: true });
}

function toObject(data: unknown): Values {
  if (isObject(data)) return data;
  throw new ValidationError({ [NON_FIELD_ERRORS]: [`Invalid data. Expected an object, but got ${describeValue(data)}.`] });
}

function isScalar(value: unknown): boolean {
  return (
    value !== null && value !== undefined && (typeof value !== 'object' || value instanceof Date) && typeof value !== 'function'
  );
}

function isSameRow(one: Model, other: Model, model: ModelStatic<Model>): boolean {
  return model.primaryKeyAttributes.every((attribute) => String(one.get(attribute)) === String(other.get(attribute)));
}
