import { ParseError } from './errors.js';

/** A frame of a client, understood: the action it names, the id it wants echoed, and all its other keys. */
export interface ActionFrame {
  /** `null` if the frame names none. */
  readonly action: string | null;
  /** Any JSON value, echoed as it came; `null` when absent. */
  readonly requestId: unknown;
  readonly args: Readonly<Record<string, unknown>>;
}

/** What an action came to; `data` and `errors` are JSON texts, so that captured JSON is never parsed and printed again. */
export interface Outcome {
  readonly status: number;
  readonly data: string;
  /** JSON text of a list. */
  readonly errors: string;
  /** How `data` is encoded if it stands for bytes. */
  readonly encoding?: 'base64' | undefined;
  /** Headers of a captured response that the client is told. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined;
}

/** Deeper JSON than anybody means; far below what would exhaust the stack when it is printed again. */
const MAX_DEPTH = 128;

const NO_ERRORS = '[]';

/**
 * Reads a text frame as a JSON object.
 *
 * @throws {@link ParseError} for anything else: no JSON, no object, nested too deep
 */
export function parseObject(text: string): Readonly<Record<string, unknown>> {
  if (text.length > 2 * MAX_DEPTH && isTooDeep(text)) throw new ParseError('Malformed request: nested too deep.');
  const value = parseJson(text);
  if (!isObject(value)) throw new ParseError('Malformed request: expected a JSON object.');
  return value;
}

/**
 * Takes an object apart into action, request_id and arguments.
 *
 * @throws {@link ParseError} if the action is no text
 */
export function toActionFrame(frame: Readonly<Record<string, unknown>>): ActionFrame {
  const { action, request_id: requestId = null, ...args } = frame;
  if (!Object.hasOwn(frame, 'action')) return { action: null, requestId, args };
  if (typeof action !== 'string') throw new ParseError('Expected `action` to be a text.');
  return { action, requestId, args };
}

/** The envelope of a reply or event, always with these keys in this order. */
export function formatEnvelope(action: string | null, requestId: unknown, outcome: Outcome): string {
  let text =
    `{"errors":${outcome.errors},"data":${outcome.data},"action":${JSON.stringify(action)},` +
    `"response_status":${String(outcome.status)},"request_id":${toJson(requestId)}`;
  if (outcome.encoding !== undefined) text += `,"encoding":"${outcome.encoding}"`;
  if (outcome.headers !== undefined) text += `,"headers":${JSON.stringify(outcome.headers)}`;
  return `${text}}`;
}

/**
 * The envelopes of one event, which differ in nothing but the request_id: the rest is put together once.
 *
 * @returns what makes the envelope for the JSON text of a request_id
 */
export function formatEvent(action: string, { status, data, errors }: Outcome): (requestId: string) => string {
  const head = `{"errors":${errors},"data":${data},"action":${JSON.stringify(action)},"response_status":${String(status)},"request_id":`;
  return (requestId) => `${head}${requestId}}`;
}

/** The outcome of an action that went well. */
export function success(data: unknown, status: number): Outcome {
  return { status, data: toJson(data), errors: NO_ERRORS };
}

/** The outcome of an action that did not; its data is null. */
export function failure(errors: readonly unknown[], status: number): Outcome {
  return { status, data: 'null', errors: toJson(errors) };
}

/** JSON text of a value; of one that JSON does not know (undefined, a function) it is `null`. */
export function toJson(value: unknown): string {
  // TypeScript says that it always returns a string; for undefined, a function or a symbol it returns undefined.
  const text: unknown = JSON.stringify(value);
  return typeof text === 'string' ? text : 'null';
}

/** A JSON object, as opposed to a list, null or a scalar. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ParseError('Malformed request: expected JSON.', { cause: error });
  }
}

/** Counts brackets outside strings, so that a bomb is refused before anything recursive sees it. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const char = text.charCodeAt(index);
    if (inString) {
      if (char === 0x5c) index += 1;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (char === 0x7d || char === 0x5d) depth -= 1;
  }
  return false;
}
