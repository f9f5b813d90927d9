/** Names that were given out, with how often. */
const given = new Map<string, number>();

/**
 * What an observer is called that has no name of its own. Processes that run the same code make their observers in the same order, and so
 * find the same name for each.
 *
 * @throws TypeError for a name that another observer has: each would hear of the other's events
 */
export function nameFor(kind: string, own?: string): string {
  if (own !== undefined && given.has(own))
    throw new TypeError(`Expected \`name\` to be one that no other observer has, got '${own}' for the second time.`);
  const number = (given.get(own ?? kind) ?? 0) + 1;
  given.set(own ?? kind, number);
  return own ?? `${kind}#${String(number)}`;
}
