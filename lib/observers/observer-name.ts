/** Names that were given out, with how often. */
const given = new Map<string, number>();

/**
 * What an observer is called that has no name of its own. Processes that run the same code make their observers in the same order, and so
 * find the same name for each.
 */
export function nameFor(kind: string): string {
  const number = (given.get(kind) ?? 0) + 1;
  given.set(kind, number);
  return `${kind}#${String(number)}`;
}
