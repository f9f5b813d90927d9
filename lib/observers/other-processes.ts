import { randomUUID } from 'node:crypto';

import { isObject } from '../protocol/envelope.js';

const PROCESS = randomUUID();

/** Messages that are remembered, so that one that comes by two buses counts once. */
const MAX_HEARD = 1_000;

/** A message for the same observer in other processes. */
export function toMessage(content: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...content, from: PROCESS });
}

/** What another process has sent; undefined for this process's own messages, and for what is none. */
export function fromMessage(text: string): Readonly<Record<string, unknown>> | undefined {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isObject(message) && typeof message['from'] === 'string' && message['from'] !== PROCESS ? message : undefined;
}

/** The last messages of other processes. */
export class Heard {
  readonly #last = new Set<string>();

  /** Whether the message of that id to that group has not come before. */
  isNew(id: string, group: string): boolean {
    const key = `${id} ${group}`;
    if (this.#last.has(key)) return false;
    this.#last.add(key);
    const [oldest] = this.#last;
    if (this.#last.size > MAX_HEARD && oldest !== undefined) this.#last.delete(oldest);
    return true;
  }
}
