import { randomUUID } from 'node:crypto';

import { isObject } from '../protocol/envelope.js';

const PROCESS = randomUUID();

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
