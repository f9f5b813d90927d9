import { isObject } from '../protocol/envelope.js';
import { ValidationError } from '../protocol/errors.js';
import { NON_FIELD_ERRORS } from '../serializers/field-errors.js';

/**
 * An object of the client that has become a part of a query would be read as a condition: whoever writes a queryset thinks of a
 * scalar.
 *
 * @throws {@link ValidationError} if there is one
 */
export function refuseClientObjects(find: object, args: object): void {
  const own = new Map<unknown, string>([[args, NON_FIELD_ERRORS]]);
  for (const [key, value] of Object.entries(args)) collect(value, key, own);
  check(find, own, new Set());
}

function collect(value: unknown, key: string, into: Map<unknown, string>): void {
  // What a schema has made of JSON, a Date or a row, is no object of the client.
  if (!isPlain(value) || into.has(value)) return;
  into.set(value, key);
  for (const part of Object.values(value)) collect(part, key, into);
}

function check(value: unknown, own: ReadonlyMap<unknown, string>, seen: Set<unknown>): void {
  const key = own.get(value);
  if (key !== undefined) throw new ValidationError({ [key]: ['Expected a text, a number, true or false.'] });
  if (!(isPlain(value) || isExpression(value)) || seen.has(value)) return;
  seen.add(value);
  for (const part of Reflect.ownKeys(value)) check(Reflect.get(value, part), own, seen);
}

function isPlain(value: unknown): value is object {
  if (Array.isArray(value)) return true;
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Of whichever realm: that of a test framework has an `Object` of its own.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** What `fn`, `where`, `and`, `cast`, `json` of Sequelize make. Models, relations and transactions hold no value of the client. */
function isExpression(value: unknown): value is object {
  return isObject(value) && ['args', 'logic', 'val', 'value', 'conditions'].some((key) => Object.hasOwn(value, key));
}
