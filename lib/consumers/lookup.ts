import type { Model, ModelStatic } from 'sequelize';

import { NotFound, ValidationError } from '../protocol/errors.js';
import { unexpected } from '../protocol/options.js';
import { readerFor } from '../serializers/key-reader.js';

/** Which column rows are looked up by, and which key of the frame holds its value. */
export interface LookupOptions {
  /** @default 'pk', the primary key */
  readonly lookupField?: string | undefined;
  /** @default the name of `lookupField` */
  readonly lookupKey?: string | undefined;
}

/** Keys of a frame that have a meaning of their own. */
const TAKEN = ['', 'action', 'request_id', 'data'];

/** Reads from the arguments of a client which row is meant. */
export class Lookup {
  readonly #key: string;
  readonly #attribute: string;
  readonly #read: (value: unknown) => unknown;

  /** @throws TypeError if the model has no such column, or no primary key of one column to look up by */
  constructor(model: ModelStatic<Model>, { lookupField = 'pk', lookupKey = lookupField }: LookupOptions) {
    const columns = new Map(Object.entries(model.getAttributes()));
    this.#attribute = lookupField === 'pk' && !columns.has('pk') ? onlyKeyOf(model) : lookupField;
    const column = columns.get(this.#attribute);
    const read = readerFor(column?.type);
    if (read === undefined)
      throw new TypeError(
        `Expected \`lookupField\` to be a column of ${model.name} that a text or a number is compared with, got "${lookupField}". ` +
          `It has ${[...columns.keys()].join(', ')}.`,
      );
    if (typeof lookupKey !== 'string' || TAKEN.includes(lookupKey))
      throw unexpected('`lookupKey`', 'a key of the frame other than action, request_id and data', lookupKey);
    this.#key = lookupKey;
    this.#read = read;
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
    try {
      return { [this.#attribute]: this.#read(value) };
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
