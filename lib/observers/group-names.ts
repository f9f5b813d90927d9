import { got, unexpected } from '../protocol/options.js';

/**
 * Names of groups as they are compared: as texts, each once.
 *
 * @throws TypeError for what is no list, or a name that is neither a text nor a number
 */
export function toGroups(names: Iterable<string | number>): readonly string[] {
  const list: unknown = names;
  // A text is a list of its letters, which nobody means.
  if (typeof list !== 'object' || list === null || !(Symbol.iterator in list))
    throw unexpected('the names of groups', 'a list', list);
  const groups = new Set<string>();
  for (const name of names) {
    const given: unknown = name;
    if (typeof given !== 'string' && typeof given !== 'number')
      throw new TypeError(`Expected the names of groups to be texts or numbers, got ${got(given)}.`);
    groups.add(String(given));
  }
  return [...groups];
}
