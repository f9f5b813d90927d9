import { isObject } from '../protocol/envelope.js';
import { ValidationError } from '../protocol/errors.js';

/** What a parser knows of the column that a value is for. */
export interface ColumnType {
  /** The data type of Sequelize, as an initialised model holds it. */
  readonly type: unknown;
  /** Whether an empty text is a value. */
  readonly blank: boolean;
}

/** Turns a JSON value into the value of a column, or throws a {@link ValidationError} that says what is wrong with it. */
export type Parse = (value: unknown, column: ColumnType) => unknown;

const PARSERS: ReadonlyMap<string, Parse> = new Map<string, Parse>([
  ['STRING', text],
  ['CHAR', text],
  ['TEXT', text],
  ['CITEXT', text],
  ['TINYINT', integer(8)],
  ['SMALLINT', integer(16)],
  ['MEDIUMINT', integer(24)],
  ['INTEGER', integer(32)],
  ['BIGINT', integer(64)],
  ['FLOAT', float],
  ['DOUBLE PRECISION', float],
  ['REAL', singlePrecision],
  ['DECIMAL', decimal],
  ['BOOLEAN', boolean],
  ['DATE', dateTime],
  ['DATEONLY', date],
  ['TIME', time],
  ['ENUM', choice],
  ['UUID', uuid],
  ['UUIDV1', uuid],
  ['UUIDV4', uuid],
  ['JSON', json],
  ['JSONB', json],
  ['ARRAY', list],
  ['VIRTUAL', virtual],
]);

/** The parser for a data type of Sequelize; undefined for one that JSON has no form for, such as BLOB or GEOMETRY. */
export function parserFor(type: unknown): Parse | undefined {
  const parse = PARSERS.get(typeName(type));
  if (parse !== list) return parse;
  return parserFor(property(type, 'type')) && parse;
}

/** Sequelize's name of a data type. */
export function typeName(type: unknown): string {
  const key = property(type, 'key');
  return typeof key === 'string' ? key : String(type);
}

/** The digits after the point that a DECIMAL keeps; undefined if it keeps all. */
export function scaleOf(type: unknown): number | undefined {
  const { precision, scale } = numberOptions(type);
  return precision === undefined ? undefined : (scale ?? 0);
}

function text(value: unknown, { type, blank }: ColumnType): string {
  if (typeof value !== 'string' && typeof value !== 'number') refuse('Not a valid string.');
  const trimmed = String(value).trim();
  if (trimmed === '' && !blank) refuse('This field may not be blank.');
  if (trimmed.includes('\0')) refuse('Null characters are not allowed.');
  // A text without a length is one of Sequelize's 255 characters, but TEXT has none.
  const length = property(type, '_length');
  if (typeof length === 'number' && characters(trimmed) > length)
    refuse(`Ensure this field has no more than ${String(length)} characters.`);
  return trimmed;
}

/** Databases count code points, where JavaScript counts units of UTF-16. */
function characters(value: string): number {
  return value.length - (value.match(/[\uD800-\uDBFF][\uDC00-\uDFFF]/g)?.length ?? 0);
}

function integer(bits: number): Parse {
  const max = 2n ** BigInt(bits - 1) - 1n;
  return (value, { type }) => {
    const isInteger = typeof value === 'string' ? /^\s*[+-]?\d{1,40}\s*$/.test(value) : Number.isInteger(value);
    if (!isInteger) refuse('A valid integer is required.');
    return within(BigInt(typeof value === 'string' ? value : Number(value)), numberOptions(type).unsigned ? 0n : -max - 1n, max);
  };
}

/** A number, or its text where a number would lose digits. */
function within(value: bigint, min: bigint, max: bigint): number | string {
  if (value < min) refuse(`Ensure this value is greater than or equal to ${String(min)}.`);
  if (value > max) refuse(`Ensure this value is less than or equal to ${String(max)}.`);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function float(value: unknown): number {
  const written = typeof value === 'string' && /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value);
  const number = typeof value === 'number' || written ? Number(value) : NaN;
  if (!Number.isFinite(number)) refuse('A valid number is required.');
  return number;
}

function singlePrecision(value: unknown): number {
  const number = float(value);
  const kept = Math.fround(number);
  if (!Number.isFinite(kept) || (kept === 0 && number !== 0)) refuse('A valid number is required.');
  return number;
}

/** Stays a text, so that no digit is lost. */
function decimal(value: unknown, { type }: ColumnType): string {
  const source = typeof value === 'number' || typeof value === 'string' ? String(value).trim() : '';
  const [, minus, whole, fraction = ''] = /^(?:\+|(-))?0*(\d{1,1000})(?:\.(\d{1,1000}))?$/.exec(source) ?? [];
  if (whole === undefined) refuse('A valid number is required.');
  const { precision = Infinity } = numberOptions(type);
  const scale = scaleOf(type);
  if (fraction.length > (scale ?? Infinity)) refuse(`Ensure that there are no more than ${String(scale)} decimal places.`);
  const digits = precision - (scale ?? 0);
  if (whole !== '0' && whole.length > digits)
    refuse(`Ensure that there are no more than ${String(digits)} digits before the decimal point.`);
  const rest = fraction.padEnd(scale ?? 0, '0');
  return `${minus ?? ''}${whole}${rest === '' ? '' : `.${rest}`}`;
}

function boolean(value: unknown): boolean {
  const written = typeof value === 'string' ? value.trim().toLowerCase() : value;
  if (written === true || written === 'true') return true;
  if (written === false || written === 'false') return false;
  refuse('Must be a valid boolean.');
}

const DATE_TIME = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)\s*(Z|[+-]\d{2}:?\d{2})?)?$/i;

/** A moment of ISO 8601, in UTC where it names no offset. A schema may have made a Date of it already. */
function dateTime(value: unknown): Date {
  const [, day, clock = '00:00', offset = 'Z'] = DATE_TIME.exec(typeof value === 'string' ? value.trim() : '') ?? [];
  const iso = `${String(day)}T${clock.replace(',', '.')}${offset.toUpperCase().replace(/(\d{2})(\d{2})$/, '$1:$2')}`;
  const moment = value instanceof Date ? value : new Date(day !== undefined && isDay(day) ? iso : NaN);
  // Databases end where years have more than four digits, and begin after the year 0.
  const year = moment.getUTCFullYear();
  if (year >= 1 && year <= 9999) return moment;
  refuse('Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].');
}

function date(value: unknown): string {
  const day = value instanceof Date ? dateTime(value).toISOString().slice(0, 10) : value;
  if (typeof day === 'string' && isDay(day.trim())) return day.trim();
  refuse('Date has wrong format. Use one of these formats instead: YYYY-MM-DD.');
}

/** JavaScript reads 31 February as a day in March, and databases have no year 0. */
function isDay(value: string): boolean {
  const [, year, day] = /^(\d{4})-\d{2}-(\d{2})$/.exec(value) ?? [];
  return year !== '0000' && new Date(value).getUTCDate() === Number(day);
}

function time(value: unknown): string {
  const written = typeof value === 'string' ? value.trim() : '';
  if (/^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$/.test(written)) return written;
  refuse('Time has wrong format. Use one of these formats instead: hh:mm[:ss[.uuuuuu]].');
}

function choice(value: unknown, { type }: ColumnType): string {
  const values = property(type, 'values');
  if (typeof value === 'string' && Array.isArray(values) && values.includes(value)) return value;
  refuse(`"${typeof value === 'string' ? value : JSON.stringify(value)}" is not a valid choice.`);
}

function uuid(value: unknown): string {
  const written = typeof value === 'string' ? value.trim().toLowerCase() : '';
  if (/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(written)) return written;
  refuse('Must be a valid UUID.');
}

/** Any JSON, but for what PostgreSQL does not store in it: NUL and halves of surrogate pairs. */
function json(value: unknown): unknown {
  if (isStorable(value)) return value;
  refuse('Value must be valid JSON.');
}

function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return !/[\0\p{Surrogate}]/u.test(value);
  if (Array.isArray(value)) return value.every(isStorable);
  return !isObject(value) || Object.entries(value).every((entry) => entry.every(isStorable));
}

function list(value: unknown, { type }: ColumnType): unknown[] {
  if (!Array.isArray(value)) refuse(`Expected a list of items but got ${describeValue(value)}.`);
  const element = property(type, 'type');
  const parse = parserFor(element);
  return value.map((item: unknown) => {
    if (item === null) refuse('This field may not be null.');
    return parse?.(item, { type: element, blank: false });
  });
}

/** What no column holds is checked by the type that it was given, if any. */
function virtual(value: unknown, { type, blank }: ColumnType): unknown {
  const returned = property(type, 'returnType');
  const parse = parserFor(returned) ?? json;
  return parse(value, { type: returned, blank });
}

/** What kind of JSON value it is, for the text of an error. */
export function describeValue(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function refuse(problem: string): never {
  throw new ValidationError([problem]);
}

function numberOptions(type: unknown): { unsigned: boolean; precision?: number | undefined; scale?: number | undefined } {
  const options = property(type, 'options');
  const number = (name: string): number | undefined => {
    const value = property(options, name);
    return typeof value === 'number' ? value : undefined;
  };
  return { unsigned: property(options, 'unsigned') === true, precision: number('precision'), scale: number('scale') };
}

/** Sequelize's types do not tell what its data types hold. */
function property(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}
