import { got } from '../protocol/options.js';

/**
 * Names of groups as they are compared: as texts, each once.
 *
 * @throws TypeError for a name that is neither a text nor a number
 */
export function toGroups(names: Iterable<string | number>): readonly string[] {
  const groups = new Set<string>();
  for (const name of names) {
    const given: unknown = name;
    if (typeof given !== 'string' && typeof given !== 'number')
      throw new TypeError(`Expected the names of groups to be texts or numbers, got ${got(given)}.`);
    groups.add(String(given));
  }
  return [...groups];
}
