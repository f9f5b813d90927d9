import { inspect } from 'node:util';

import { isObject } from './envelope.js';

/** The options of `viewAsConsumer`. */
export const VIEW_OPTIONS = ['permissions', 'timeoutMs', 'maxResponseBytes', 'exposeHeaders'];

/** Options that are easily given to the wrong one of two functions. */
const OWNERS = new Map([
  ['createChannels()', ['origins', 'bearerToken', 'revalidate', 'heartbeat', 'limits', 'rate', 'onError', 'handshakeTimeoutMs']],
  ['viewAsConsumer()', VIEW_OPTIONS],
]);

/**
 * Checks that options name nothing that is not read: a typing error must not leave a limit or a permission out.
 *
 * @param where - what they are options of, for people
 * @throws TypeError for an unknown option; the message lists those there are
 */
export function checkKeys(where: string, options: unknown, known: readonly string[]): void {
  if (!isObject(options)) throw unexpected(`the options of ${where}`, 'an object', options);
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const owner = [...OWNERS.keys()].find((one) => one !== where && OWNERS.get(one)?.includes(key));
    const hint = owner === undefined ? '.' : `: it belongs to ${owner}.`;
    throw new TypeError(`Unknown option \`${key}\` for ${where}${hint} Options are: ${known.join(', ')}.`);
  }
}

/** The error for a value that can't be meant. */
export function unexpected(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`Expected ${name} to be ${expected}, got ${got(value)}.`);
}

/** Characters of a value that a message shows. */
const MAX_SHOWN = 120;

/** A value as a message shows it: in short. */
export function got(value: unknown): string {
  // An application is a function, too, with a page of properties.
  if (typeof value === 'function') return `[Function: ${value.name || 'anonymous'}]`;
  const text = inspect(value, { depth: 0, breakLength: Infinity });
  if (text.length <= MAX_SHOWN) return text;
  // Of an object no more than its class: a server has pages of properties, too.
  return typeof value === 'object' ? inspect(value, { depth: -1 }) : `${text.slice(0, MAX_SHOWN)}…`;
}

/** Whether a value is a list of texts. */
export function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
