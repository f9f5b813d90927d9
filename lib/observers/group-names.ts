import { got } from '../protocol/options.js';

/**
 * Names of groups as they are compared: as texts, each once.
 *
 * @param source - the function that has returned them, for people
 * @throws TypeError for what is no list, or a name that is neither a text nor a number
 */
export function toGroups(source: string, names: Iterable<string | number>): readonly string[] {
  const list: unknown = names;
  // A text is a list of its letters, which nobody means.
  const groups = typeof list === 'object' && list !== null && Symbol.iterator in list ? new Set<unknown>(names) : undefined;
  if (groups === undefined || [...groups].some((name) => typeof name !== 'string' && typeof name !== 'number'))
    throw new TypeError(`Expected ${source} to return a list of texts or numbers, got ${got(list)}.`);
  return [...new Set([...groups].map(String))];
}
