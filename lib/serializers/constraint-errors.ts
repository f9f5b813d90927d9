import { isObject } from '../protocol/envelope.js';
import { isError, NotFound, property } from '../protocol/errors.js';
import { FieldErrors, NON_FIELD_ERRORS } from './field-errors.js';

/** How the fields of a client are called, and its rows. */
export interface Naming {
  /** The client's name of an attribute or of a column; undefined for one that it has no field for. */
  readonly fieldOf: (column: string) => string | undefined;
  /** What a row is called in a text. */
  readonly row: string;
}

const DEFAULT_NAMING: Naming = { fieldOf: (column) => column, row: 'row' };

/**
 * Turns the errors of Sequelize that a client caused into those that tell it so: a violated rule of the model, unique or foreign key
 * constraint is a ValidationError that names the fields, a row that `rejectOnEmpty` missed a NotFound. Any other error
 * is returned as it came. No text of the database gets into a reply.
 *
 * Errors are told by their names, so that it does not matter which copy of Sequelize threw them.
 */
export function toActionError(error: unknown, naming: Naming = DEFAULT_NAMING): unknown {
  if (!isError(error)) return error;
  const name = property(error, 'name');
  if (name === 'SequelizeEmptyResultError') return new NotFound('Not found', { cause: error });
  const problems = new FieldErrors();
  if (name === 'SequelizeUniqueConstraintError') addDuplicate(problems, error, naming);
  else if (name === 'SequelizeForeignKeyConstraintError') addReference(problems, error, naming);
  else if (name === 'SequelizeExclusionConstraintError' || isCheckViolation(error)) addRefusal(problems);
  else if (name === 'SequelizeValidationError') {
    const hidden = addViolations(problems, error, naming);
    if (hidden !== undefined) return hidden;
  } else return error;
  return problems.toError(error);
}

/** The text for a value that another row has. */
export function duplicateText(row: string, field: string): string {
  return `${row} with this ${field} already exists.`;
}

/** The text for values that another row has together. */
export function duplicateSetText(fields: readonly string[]): string {
  return `The fields ${fields.join(', ')} must make a unique set.`;
}

function addDuplicate(problems: FieldErrors, error: Error, { fieldOf, row }: Naming): void {
  const columns = items(error).map((item) => item.path);
  const [column] = columns;
  // SQLite reports all of its constraints as this one; only those on unique columns name them.
  if (column === undefined) addRefusal(problems);
  else if (columns.length > 1) problems.add(NON_FIELD_ERRORS, duplicateSetText(columns.map((name) => fieldOf(name) ?? name)));
  else problems.add(fieldOf(column) ?? NON_FIELD_ERRORS, duplicateText(row, fieldOf(column) ?? column));
}

function addRefusal(problems: FieldErrors): void {
  problems.add(NON_FIELD_ERRORS, 'These values are not allowed.');
}

/** Sequelize has no error of its own for PostgreSQL's check_violation. */
function isCheckViolation(error: Error): boolean {
  return property(driverError(error), 'code') === '23514';
}

function driverError(error: Error): Readonly<Record<string, unknown>> {
  const parent = property(error, 'parent');
  return isObject(parent) ? parent : {};
}

function addReference(problems: FieldErrors, error: Error, { fieldOf }: Naming): void {
  // PostgreSQL tells: Key (user_id)=(77) is not present in table "users".
  const detail = String(driverError(error)['detail']);
  const [, column, value = ''] = /^Key \("?([^()"]+)"?\)=\((.*)\) is not present/s.exec(detail) ?? [];
  const field = column === undefined ? undefined : fieldOf(column);
  if (field !== undefined) problems.add(field, missingText(value));
  else problems.add(NON_FIELD_ERRORS, 'A row that this one refers to does not exist, or other rows refer to this one.');
}

/** The text for a foreign key that no row has. */
export function missingText(key: unknown): string {
  return `Invalid pk "${String(key)}" - object does not exist.`;
}

const TEXTS: ReadonlyMap<string, string> = new Map([
  ['isEmail', 'Enter a valid email address.'],
  ['isUrl', 'Enter a valid URL.'],
  ['is_null', 'This field may not be null.'],
]);

/** @returns an error that a rule met by itself, such as a query that failed: its text is not for the client. */
function addViolations(problems: FieldErrors, error: Error, { fieldOf }: Naming): Error | undefined {
  for (const { path, message, key, original } of items(error)) {
    if (original instanceof Error && 'parent' in original) return original;
    const isDefault = message === `Validation ${key} on ${path} failed` || message.endsWith(`.${path} cannot be null`);
    const standard = isDefault ? TEXTS.get(key) : undefined;
    // A rule of the whole row goes by its own name.
    problems.add(fieldOf(path) ?? NON_FIELD_ERRORS, standard ?? message);
  }
  return undefined;
}

interface Item {
  readonly path: string;
  readonly message: string;
  readonly key: string;
  readonly original: unknown;
}

function items(error: Error): Item[] {
  const list: readonly unknown[] = 'errors' in error && Array.isArray(error.errors) ? error.errors : [];
  return list.filter(isObject).map((item) => ({
    path: String(item['path']),
    message: String(item['message']),
    key: String(item['validatorKey']),
    original: item['original'],
  }));
}
