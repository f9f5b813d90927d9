import { isDeepStrictEqual } from 'node:util';

import { ACTIONS, type Kind, KINDS } from './consumers.js';
import { CANARY, ITEMS } from './models.js';
import { type Echo, MAPPING, PLANNED } from './site.js';
import type { Frame } from './valid-frames.js';

/** The envelope of an answer. */
export interface Answer {
  readonly errors: readonly unknown[];
  readonly data: unknown;
  readonly action: unknown;
  readonly response_status: number;
  readonly request_id: unknown;
}

/** What has to come for one frame. */
export interface Expected {
  /** Undefined where frames are not in streams. */
  readonly stream: string | null | undefined;
  readonly kind: Kind | undefined;
  readonly action: string | null;
  /** JSON text. */
  readonly requestId: string;
  /** Whether it comes behind the answers to all frames before it. */
  readonly ordered: boolean;
  readonly statuses: readonly number[];
  /** How many frames; a range where a list may be cancelled. */
  readonly most: number;
  /** The only texts that it may have. */
  readonly errors?: readonly string[] | undefined;
  readonly frame: Frame | undefined;
}

const ANY_REFUSAL = [400, 401, 403, 404, 405, 409, 413, 415, 422];
const WRITES = new Map([
  ['create', [201]],
  ['delete', [204]],
]);
const USUAL = new Map<string, readonly number[]>([
  ...['none', 'shout', 'remove'].map((name): [string, number[]] => [name, [204]]),
  ...['teapot', 'coded'].map((name): [string, number[]] => [name, [418]]),
  ...[...PLANNED].map((name): [string, number[]] => [name, [500]]),
  ['rollback', [400]],
  ['refused', [403]],
  ['problems', [422]],
  ['redirect', [302]],
  ['nobody', [404]],
  ['three', [206, 200]],
]);

/** What the contract says that has to come for a frame; `valid` if there is nothing wrong with it. */
export function expectations(
  text: string | undefined,
  kind: Kind | 'mixed',
  user: string | undefined,
  valid: boolean,
): Expected[] {
  const frame = text === undefined ? undefined : read(text);
  if (kind !== 'mixed') return ofConsumer(frame, undefined, kind, user, valid);
  if (frame === undefined || typeof frame['stream'] !== 'string') {
    const payload = frame === undefined ? undefined : frame['payload'];
    return [atOnce(null, payload, [400])];
  }
  const { stream, payload } = frame;
  const named = KINDS.find((one) => one === stream);
  if (named === undefined) return [atOnce(stream, payload, [404])];
  if (!isObject(payload)) return [atOnce(stream, payload, [400])];
  // Who is not let in at the handshake finds the stream closed; `members` lets everybody in and refuses the actions.
  return ofConsumer(payload, stream, named, user, valid);
}

function atOnce(stream: string | null, payload: unknown, statuses: readonly number[]): Expected {
  const { action, request_id: requestId } = isObject(payload) ? payload : {};
  return {
    stream,
    kind: undefined,
    action: typeof action === 'string' ? action : null,
    requestId: JSON.stringify(requestId ?? null),
    ordered: false,
    statuses,
    most: 1,
    frame: undefined,
  };
}

function ofConsumer(
  frame: Frame | undefined,
  stream: string | undefined,
  kind: Kind,
  user: string | undefined,
  valid: boolean,
): Expected[] {
  const named = frame !== undefined && Object.hasOwn(frame, 'action') ? frame['action'] : undefined;
  const action = typeof named === 'string' ? named : null;
  const common = {
    stream,
    kind,
    action,
    requestId: JSON.stringify(frame?.['request_id'] ?? null),
    ordered: true,
    most: 1,
    frame,
  };
  if (frame === undefined) return [{ ...common, statuses: [400] }];
  if (named === undefined) return [{ ...common, statuses: [405], errors: ['Unable to find action in message body.'] }];
  if (action === null) return [{ ...common, statuses: [400] }];
  if (kind === 'members' && user === undefined) return [{ ...common, statuses: [403] }];
  if (!ACTIONS[kind].includes(action)) return [{ ...common, statuses: [405], errors: [`Method "${action}" not allowed.`] }];
  const usual = USUAL.get(action) ?? (kind === 'router' ? [200] : (WRITES.get(action) ?? [200]));
  const statuses = valid ? [...usual, ...missing(kind, action)] : [...usual, ...ANY_REFUSAL];
  const answer = { ...common, statuses };
  if (kind === 'items' && action === 'list') return [{ ...answer, ordered: false, statuses: [200], most: pagesOf(frame) }];
  if (action === 'wait') return [{ ...answer, ordered: false }];
  if (action === 'three') return [{ ...answer, statuses: [206, 200], most: 4 }];
  if (action !== 'shout') return [answer];
  const heard = { ...common, kind, action: 'heard', requestId: 'null', ordered: false, statuses: [200] };
  return [answer, heard];
}

/** What may be wrong with a valid frame: the row may have gone, the slug may be taken, all slots may be. */
function missing(kind: Kind, action: string): readonly number[] {
  if (kind === 'samples') return ['retrieve', 'update', 'patch', 'delete'].includes(action) ? [404] : [];
  if (kind !== 'things') return [];
  if (action === 'create') return [400];
  return action === 'list' ? [] : ['update', 'patch'].includes(action) ? [404, 400] : [404];
}

/** An unusable limit is the default of 3, one above 5 is 5, an unusable offset is 0. */
function pagesOf(frame: Frame): number {
  const integer = (key: string, min: number): number | undefined => {
    const value = frame[key];
    const isText = typeof value === 'string' && /^\s*\+?[0-9]+\s*$/.test(value);
    return (isText || Number.isInteger(value)) && Number(value) >= min ? Number(value) : undefined;
  };
  const limit = Math.min(integer('limit', 1) ?? 3, 5);
  const offset = integer('offset', 0) ?? 0;
  return Math.max(1, Math.ceil((ITEMS - offset) / limit));
}

/** What is wrong with an answer as such; undefined if nothing is. */
export function faultOf(expected: Expected, answer: Answer): string | undefined {
  const { response_status: status, errors, data } = answer;
  if (!expected.statuses.includes(status)) return `expected status ${expected.statuses.join(' or ')}`;
  if (expected.errors !== undefined && !isDeepStrictEqual(errors, expected.errors)) return `expected ${expected.errors.join()}`;
  if (status < 400 && errors.length > 0) return 'errors in spite of success';
  if (status >= 400 && errors.length === 0) return 'no errors';
  if (status >= 400 && expected.kind !== 'router' && data !== null) return 'data beside errors';
  if (status === 204 && data !== null) return 'data with 204';
  if (status >= 300 || expected.frame === undefined) return undefined;
  if (expected.action === 'echo') return faultOfEcho(expected.frame, data);
  return expected.kind === 'router' ? faultOfRoute(expected, data) : undefined;
}

function faultOfEcho(frame: Frame, data: unknown): string | undefined {
  const args = Object.entries(frame).filter(([key]) => key !== 'action' && key !== 'request_id');
  return JSON.stringify(args) === JSON.stringify(isObject(data) ? Object.entries(data) : []) ? undefined : 'the echo is another';
}

const ECHOES = new Map<string, string>(
  Object.entries(MAPPING).filter(([action]) => ['list', 'retrieve', 'create', 'patch', 'part'].includes(action)),
);

/** The mapped route was reached, by the mapped method, with what the frame said and nothing else. */
function faultOfRoute({ action, frame = {} }: Expected, data: unknown): string | undefined {
  const route = ECHOES.get(action ?? '');
  if (route === undefined) return undefined;
  const echo = data as Echo;
  if (echo.route !== route || !route.startsWith(`${echo.method} `)) return `reached ${echo.method} for ${echo.route}`;
  if (!isDeepStrictEqual(echo.headers, [null, null])) return 'the frame has set headers';
  if (frame['data'] !== undefined && JSON.stringify(echo.body) !== JSON.stringify(frame['data'])) return 'the body is another';
  const given = isObject(frame['parameters']) ? frame['parameters'] : {};
  for (const [name, value] of Object.entries(echo.params)) {
    const meant = Object.hasOwn(given, name) ? given[name] : frame[name];
    if (String(meant) !== value) return `parameter ${name} is another`;
  }
  return undefined;
}

const ENVELOPE = ['errors', 'data', 'action', 'response_status', 'request_id'];
const SECRETS = [
  CANARY,
  process.cwd(),
  'node_modules',
  '    at ',
  'SQLITE_',
  'SequelizeDatabase',
  'SELECT `',
  'INSERT INTO `',
  'file://',
];

/** Reads a frame of the server; a text says what is wrong with it. */
export function readAnswer(text: string, inStream: boolean): { stream: string | null | undefined; answer: Answer } | string {
  const secret = SECRETS.find((one) => text.includes(one));
  if (secret !== undefined) return `"${secret}" is on the wire`;
  const value = JSON.parse(text) as Frame;
  if (!inStream) return isEnvelope(value) ? { stream: undefined, answer: value } : 'no envelope';
  const { stream, payload } = value;
  if (Object.keys(value).join() !== 'stream,payload' || !(stream === null || typeof stream === 'string')) return 'no stream';
  return isEnvelope(payload) ? { stream, answer: payload } : 'no envelope';
}

function isEnvelope(value: unknown): value is Answer {
  if (!isObject(value)) return false;
  const keys = Object.keys(value);
  const extra = keys.slice(ENVELOPE.length).every((key) => key === 'encoding' || key === 'headers');
  return ENVELOPE.every((key, index) => keys[index] === key) && extra && Array.isArray(value['errors']);
}

/** The object in a text; undefined if that is malformed: no JSON, no object, or deeper than 128 levels. */
function read(text: string): Frame | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && !isDeeper(value, 128) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isDeeper(value: object, most: number): boolean {
  let level: readonly object[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth >= most) return true;
    level = level.flatMap((one) =>
      Object.values<unknown>({ ...one }).filter((part) => typeof part === 'object' && part !== null),
    );
  }
  return false;
}

function isObject(value: unknown): value is Frame {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
