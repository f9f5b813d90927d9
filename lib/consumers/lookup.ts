import type { Model, ModelStatic } from 'sequelize';

import { NotFound, ValidationError } from '../protocol/errors.js';
import { parserFor, typeName } from '../serializers/value-parsers.js';

/** Which column rows are looked up by, and which key of the frame holds its value. */
export interface LookupOptions {
  /** @default 'pk', the primary key */
  readonly lookupField?: string | undefined;
  /** @default the name of `lookupField` */
  readonly lookupKey?: string | undefined;
}

/** Reads from the arguments of a client which row is meant. */
export class Lookup {
  readonly #key: string;
  readonly #attribute: string;
  readonly #parse: (value: string | number) => unknown;

  /** @throws TypeError if the model has no such column, or no primary key of one column to look up by */
  constructor(model: ModelStatic<Model>, { lookupField = 'pk', lookupKey = lookupField }: LookupOptions) {
    const columns = new Map(Object.entries(model.getAttributes()));
    this.#attribute = lookupField === 'pk' && !columns.has('pk') ? onlyKeyOf(model) : lookupField;
    const column = columns.get(this.#attribute);
    if (column === undefined || typeName(column.type) === 'VIRTUAL')
      throw new TypeError(
        `Expected \`lookupField\` to be a column of ${model.name}, got "${lookupField}". It has ${[...columns.keys()].join(', ')}.`,
      );
    const parse = parserFor(column.type);
    if (parse === undefined)
      throw new TypeError(`Expected \`lookupField\` of ${model.name} to be of a type that has a form in JSON.`);
    this.#key = lookupKey;
    // White space belongs to the texts that rows have; input of the same type is trimmed.
    this.#parse = isText(column.type) ? plainText : (value) => parse(value, { type: column.type, blank: true });
  }

  /**
   * The condition for the row that the arguments name. A value is only ever compared with: an object or a list is none.
   *
   * @throws {@link ValidationError} if they name none
   * @throws {@link NotFound} for a value that the column can't hold
   */
  where(args: object): Readonly<Record<string, unknown>> {
    const value: unknown = Object.hasOwn(args, this.#key) ? Reflect.get(args, this.#key) : undefined;
    if (value === undefined) throw new ValidationError({ [this.#key]: ['This field is required.'] });
    if (typeof value !== 'string' && typeof value !== 'number') throw new NotFound('Not found');
    try {
      return { [this.#attribute]: this.#parse(value) };
    } catch (error) {
      if (error instanceof ValidationError) throw new NotFound('Not found', { cause: error });
      throw error;
    }
  }
}

function onlyKeyOf(model: ModelStatic<Model>): string {
  const [key, another] = model.primaryKeyAttributes;
  if (key !== undefined && another === undefined) return key;
  const has = key === undefined ? 'none' : `${model.primaryKeyAttributes.join(' and ')} together`;
  throw new TypeError(`Expected ${model.name} to have a primary key of one column, or a \`lookupField\`, got ${has}.`);
}

function isText(type: unknown): boolean {
  return ['STRING', 'CHAR', 'TEXT', 'CITEXT'].includes(typeName(type));
}

function plainText(value: string | number): string {
  const text = String(value);
  if (text.includes('\0')) throw new NotFound('Not found');
  return text;
}
