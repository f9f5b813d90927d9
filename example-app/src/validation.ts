import { validationError } from './errors.js';

/** Turns a value of the body into the value of a field, or throws the `Problem` with it. */
interface Field<T> {
  parse: (value: unknown) => T;
  optional?: boolean;
}
type Fields<T> = { [Name in keyof T]-?: Field<T[Name]> };

class Problem extends Error {}

/** The fields that a body gives, each checked; a field that is left out must be optional. */
export function validate<T>(fields: Fields<T>, body: unknown): T {
  const problems = new Map<string, string[]>();
  const values = parse(fields, body, problems);
  for (const name in fields) {
    if (!(name in values) && !problems.has(name) && fields[name].optional !== true)
      problems.set(name, ['This field is required.']);
  }
  if (isComplete(values, problems)) return values;
  throw validationError(Object.fromEntries(problems));
}

/** The same for a change of some fields: all may be left out. */
export function validatePartial<T>(fields: Fields<T>, body: unknown): Partial<T> {
  const problems = new Map<string, string[]>();
  const values = parse(fields, body, problems);
  if (problems.size > 0) throw validationError(Object.fromEntries(problems));
  return values;
}

function parse<T>(fields: Fields<T>, body: unknown = {}, problems: Map<string, string[]>): Partial<T> {
  if (!isRecord(body)) throw validationError({ detail: ['The body must be a JSON object.'] });
  const values: Partial<T> = {};
  for (const name in fields) {
    if (body[name] === undefined) continue;
    try {
      values[name] = fields[name].parse(body[name]);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problems.set(name, [error.message]);
    }
  }
  return values;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isComplete = <T>(_values: Partial<T>, problems: Map<string, string[]>): _values is T => problems.size === 0;

export const optional = <T>(field: Field<T>): Field<T> => ({ ...field, optional: true });

export const nullable = <T>({ parse }: Field<T>): Field<T | null> => ({
  parse: (value) => (value === null ? null : parse(value)),
});

export function text({ min = 1, max, pattern }: { min?: number; max: number; pattern?: [RegExp, string] }): Field<string> {
  return {
    parse(value) {
      if (value === null) throw new Problem('This field may not be null.');
      if (typeof value !== 'string' || value.includes('\0')) throw new Problem('Not a valid string.');
      if (min > 0 && value.trim() === '') throw new Problem('This field may not be blank.');
      if (value.length < min) throw new Problem(`Ensure this field has at least ${min} characters.`);
      if (value.length > max) throw new Problem(`Ensure this field has no more than ${max} characters.`);
      if (pattern !== undefined && !pattern[0].test(value)) throw new Problem(pattern[1]);
      return value;
    },
  };
}

export function choice<const T extends string>(choices: readonly T[]): Field<T> {
  return {
    parse(value) {
      const chosen = choices.find((one) => one === value);
      if (chosen === undefined) throw new Problem(`Not one of ${choices.join(', ')}.`);
      return chosen;
    },
  };
}

const dateFormat = /^\d{4}-\d{2}-(\d{2})(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?$/;

/** A moment in ISO 8601, in UTC where it names no offset. */
export const dateTime: Field<Date> = {
  parse(value) {
    if (value === null) throw new Problem('This field may not be null.');
    const date = typeof value === 'string' ? parseDate(value) : undefined;
    if (date === undefined) throw new Problem('Not a valid date and time: write it as 2026-11-21T09:30:00Z.');
    return date;
  },
};

function parseDate(text: string): Date | undefined {
  const match = dateFormat.exec(text);
  if (match === null) return undefined;
  const [, day, time, , , offset] = match;
  const date = new Date(time === undefined || offset !== undefined ? text : `${text}Z`);
  // JavaScript reads 31 February as a day in March.
  const exists = new Date(text.slice(0, 10)).getUTCDate() === Number(day);
  const year = date.getUTCFullYear();
  return exists && year >= 1000 && year <= 9999 ? date : undefined;
}
