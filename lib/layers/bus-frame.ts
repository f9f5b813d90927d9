import { isObject } from '../protocol/envelope.js';

/** What travels between processes. Each frame is one line of JSON; the text of a message stands behind it as it was sent. */
export type BusFrame =
  /** A message to a group. */
  | { readonly type: 'message'; readonly from: string; readonly group: string; readonly text: string }
  /** A sign of life: one that comes every `everyMs`, one that asks who else is there, and the answer to it. */
  | { readonly type: 'beat' | 'hello' | 'here'; readonly from: string; readonly everyMs: number }
  /** The last frame of a process that ends in good order. */
  | { readonly type: 'bye'; readonly from: string }
  /** A message of the sender may not have reached everybody. */
  | { readonly type: 'gap'; readonly from: string };

/** Processes of another version count as strangers. */
const VERSION = 1;
/** Characters of the first line at most: it holds the name of a group. */
export const MAX_HEAD_LENGTH = 8_192;
const MAX_ID_LENGTH = 64;

/** A frame as it is published. */
export function formatFrame(frame: BusFrame): string {
  if (frame.type !== 'message') return JSON.stringify({ v: VERSION, ...frame });
  const { text, ...head } = frame;
  return `${JSON.stringify({ v: VERSION, ...head })}\n${text}`;
}

/**
 * Reads what was published on one of our channels, by whomever.
 *
 * @param maxMessageBytes - of the text of a message
 * @returns undefined for anything that is no frame of ours
 */
export function parseFrame(published: string, maxMessageBytes: number): BusFrame | undefined {
  if (published.length > MAX_HEAD_LENGTH + 1 + maxMessageBytes) return undefined;
  const end = published.indexOf('\n');
  const line = end < 0 ? published : published.slice(0, end);
  if (line.length > MAX_HEAD_LENGTH) return undefined;
  const head = parseObject(line);
  if (head?.['v'] !== VERSION) return undefined;
  const { type, from, group, everyMs } = head;
  if (typeof from !== 'string' || from === '' || from.length > MAX_ID_LENGTH) return undefined;
  if (type === 'message') {
    const text = published.slice(end + 1);
    if (end < 0 || typeof group !== 'string' || Buffer.byteLength(text) > maxMessageBytes) return undefined;
    return { type, from, group, text };
  }
  if (end >= 0) return undefined;
  if (type === 'bye' || type === 'gap') return { type, from };
  if (type !== 'beat' && type !== 'hello' && type !== 'here') return undefined;
  return typeof everyMs === 'number' && everyMs > 0 ? { type, from, everyMs } : undefined;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
