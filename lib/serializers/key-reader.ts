import { ValidationError } from '../protocol/errors.js';
import { parserFor, typeName } from './value-parsers.js';

const TEXTS = ['STRING', 'CHAR', 'TEXT', 'CITEXT'];
const INTEGERS = ['TINYINT', 'SMALLINT', 'MEDIUMINT', 'INTEGER', 'BIGINT'];
/** Databases do not compare these with a text or a number. */
const INCOMPARABLE = ['JSON', 'JSONB', 'ARRAY', 'VIRTUAL'];

/**
 * Reads values by which a client names a row: those that a column has, as opposed to input for it. White space belongs to a text, and
 * an integer has one spelling.
 *
 * @returns what throws a {@link ValidationError} for a value that the column can't have; undefined for a column that can't be read
 */
export function readerFor(type: unknown): ((value: unknown) => unknown) | undefined {
  const name = typeName(type);
  const parse = parserFor(type);
  if (parse === undefined || INCOMPARABLE.includes(name)) return undefined;
  return (value) => {
    if (typeof value !== 'string' && typeof value !== 'number') refuse();
    if (TEXTS.includes(name)) return storable(String(value));
    const key = parse(value, { type, blank: true });
    const isExact = INTEGERS.includes(name) ? isSpelled(value, key) : typeof value === 'number' || value === value.trim();
    return isExact ? key : refuse();
  };
}

/** JSON has rounded a number above 2^53: another row might be meant. */
function isSpelled(value: string | number, key: unknown): boolean {
  return String(key) === String(value) && (typeof value === 'string' || Number.isSafeInteger(value));
}

/** PostgreSQL stores neither NUL nor halves of surrogate pairs. */
function storable(text: string): string {
  return /[\0\p{Surrogate}]/u.test(text) ? refuse() : text;
}

function refuse(): never {
  throw new ValidationError(['Not a valid value.']);
}
