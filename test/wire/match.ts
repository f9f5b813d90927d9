import type { Json } from './scenario.js';

/**
 * Where a value differs from what is expected of it; undefined if it does not. Compared as parsed JSON: the same keys in any order, the
 * same values. A matcher (an object whose only key begins with `$`) stands in place of a value.
 */
export function difference(expected: Json, actual: unknown, at = ''): string | undefined {
  if (isObject(expected)) {
    const [key, ...more] = Object.keys(expected);
    if (key?.startsWith('$') === true && more.length === 0) return differenceByMatcher(key, expected[key] ?? null, actual, at);
    return differenceOfObjects(expected, actual, at, false);
  }
  if (Array.isArray(expected)) {
    const list: readonly Json[] = expected;
    if (!Array.isArray(actual) || actual.length !== list.length) return told(expected, actual, at);
    return first(list.map((item, index) => difference(item, actual[index], `${at}[${String(index)}]`)));
  }
  return expected === actual ? undefined : told(expected, actual, at);
}

function differenceByMatcher(matcher: string, argument: Json, actual: unknown, at: string): string | undefined {
  switch (matcher) {
    case '$any':
      return undefined;
    case '$nonEmpty':
      return (typeof actual === 'string' || Array.isArray(actual)) && actual.length > 0
        ? undefined
        : told('a non-empty list or string', actual, at);
    case '$text':
      return typeof actual === 'string' && actual !== '' ? undefined : told('a non-empty string', actual, at);
    case '$status':
      return isStatus(argument, actual) ? undefined : told(argument, actual, at);
    case '$partial':
      return isObject(argument) ? differenceOfObjects(argument, actual, at, true) : told(argument, actual, at);
    default:
      throw new Error(`Unknown matcher ${matcher}.`);
  }
}

function isStatus(expected: Json, actual: unknown): boolean {
  if (typeof actual !== 'number') return false;
  if (Array.isArray(expected)) return expected.includes(actual);
  return typeof expected === 'string' && /^[1-5]xx$/.test(expected) && Math.floor(actual / 100) === Number(expected[0]);
}

function differenceOfObjects(
  expected: Readonly<Record<string, Json>>,
  actual: unknown,
  at: string,
  partial: boolean,
): string | undefined {
  if (!isObject(actual)) return told(expected, actual, at);
  const unexpected = partial ? [] : Object.keys(actual).filter((key) => !Object.hasOwn(expected, key));
  if (unexpected.length > 0) return `${at}: unexpected ${unexpected.join(', ')} in ${JSON.stringify(actual)}`;
  return first(
    Object.entries(expected).map(([key, value]) =>
      Object.hasOwn(actual, key)
        ? difference(value, actual[key], `${at}.${key}`)
        : `${at}: no ${key} in ${JSON.stringify(actual)}`,
    ),
  );
}

function isObject<Value>(value: Value): value is Value & Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function first(differences: readonly (string | undefined)[]): string | undefined {
  return differences.find((one) => one !== undefined);
}

function told(expected: Json, actual: unknown, at: string): string {
  return `${at}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`;
}
