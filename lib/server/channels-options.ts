import type { IncomingMessage } from 'node:http';

import type { BearerTokenOptions } from '../auth/bearer-token.js';
import { checkForwardedHeaders } from '../auth/forwarded-headers.js';
import type { SessionStore } from '../auth/login-session.js';
import { type AllowedOrigins, checkOrigins } from '../auth/origin.js';
import type { ErrorDetails } from '../consumers/consumer.js';
import type { ChannelLayer } from '../layers/channel-layer.js';
import { isObject } from '../protocol/envelope.js';
import { checkKeys, isTextList, unexpected } from '../protocol/options.js';
import { MAX_TIMER_MS } from '../protocol/time.js';
import { type Limits, limitsOf, type RateLimit } from './limits.js';

/** Options of {@link createChannels}. */
export interface ChannelsOptions {
  /** The bus of group messages. @default memoryLayer(): one process */
  readonly layer?: ChannelLayer;
  /**
   * The store of the application's sessions, where several processes share it: a logout is told to the others' sockets also by a process
   * that has had no socket yet. @default found by the first socket with a session
   */
  readonly sessionStore?: SessionStore;
  /** Other origins than the server's own whose pages may open sockets. @default none */
  readonly origins?: AllowedOrigins;
  /** Where a handshake may carry a bearer token besides its `Authorization` header. @default only there */
  readonly bearerToken?: BearerTokenOptions;
  /**
   * Who the user of a handshake is, where its middleware leaves that elsewhere. What it throws refuses the handshake.
   *
   * @default req.user, or else req.auth
   */
  readonly user?: (req: IncomingMessage) => unknown;
  /**
   * Whether two users are the same: a socket whose login has become another user's is closed with 4401, and a renewed token of another user is
   * refused with 403.
   *
   * @default by the first of id, pk, _id, sub, uuid, userId, user_id, uid, username, email, within the same tenant and issuer; without any by
   * their content
   */
  readonly sameUser?: (one: Express.User | undefined, other: Express.User | undefined) => boolean;
  /** How often the login of a socket is asked again, in milliseconds; false for never. @default { everyMs: 30_000 } */
  readonly revalidate?: { readonly everyMs: number } | false;
  /** Whether clients may renew their bearer token by `{ action: 'reauthenticate', token }`. @default false */
  readonly reauthenticate?: boolean;
  /** Further headers of the handshake that the handlers of actions see. @default [] */
  readonly forwardHeaders?: readonly string[];
  /** Milliseconds that the handshake's middleware has. @default 10_000 */
  readonly handshakeTimeoutMs?: number;
  /** How often a sign of life is asked for, in milliseconds; a silent socket is closed with 4408. @default { everyMs: 30_000 } */
  readonly heartbeat?: { readonly everyMs: number } | false;
  /** Limits of each socket. */
  readonly limits?: Partial<Limits>;
  /** Frames that each socket may send. @default no limit: a socket's frames are read only as fast as they are answered */
  readonly rate?: RateLimit;
  /** Hears of every unexpected error; the client is told no more than that there was one. @default console.error */
  readonly onError?: (error: unknown, details: Partial<ErrorDetails>) => void;
}

interface Shape {
  readonly expected: string;
  readonly fits: (value: unknown) => boolean;
}

const INTERVAL: Shape = {
  expected: 'an object such as { everyMs: 30000 }, or false',
  fits: (value) => value === false || isObject(value),
};

const A_LAYER = 'a channel layer such as memoryLayer()';
const LAYER_METHODS = ['join', 'leave', 'send', 'onGap', 'close'];
const STORE_METHODS = ['get', 'destroy', 'createSession'];

/** What each option is, before its parts are looked at. */
const SHAPES: Readonly<Record<keyof ChannelsOptions, Shape>> = {
  layer: { expected: A_LAYER, fits: isObject },
  sessionStore: {
    expected: 'a store of express-session',
    fits: (value) => isObject(value) && STORE_METHODS.every((name) => typeof value[name] === 'function'),
  },
  origins: {
    expected: "a list such as ['https://app.example.com'], or a function",
    fits: (value) => isTextList(value) || typeof value === 'function',
  },
  bearerToken: { expected: "an object such as { protocol: 'bearer' }", fits: isObject },
  user: { expected: 'a function', fits: (value) => typeof value === 'function' },
  sameUser: { expected: 'a function', fits: (value) => typeof value === 'function' },
  revalidate: INTERVAL,
  reauthenticate: { expected: 'true or false', fits: (value) => typeof value === 'boolean' },
  forwardHeaders: { expected: "a list of names such as ['x-tenant']", fits: isTextList },
  handshakeTimeoutMs: { expected: 'a positive number of milliseconds below 2^31', fits: isTime },
  heartbeat: INTERVAL,
  limits: { expected: 'an object such as { maxFrameBytes: 65536 }', fits: isObject },
  rate: { expected: 'an object such as { perSecond: 10 }', fits: isObject },
  onError: { expected: 'a function', fits: (value) => typeof value === 'function' },
};

/** @throws TypeError for an option that can't be meant; the message says what was expected */
export function checkOptions(options: ChannelsOptions): void {
  checkKeys('createChannels()', options, Object.keys(SHAPES));
  const given = new Map<string, unknown>(Object.entries(options));
  for (const [name, { expected, fits }] of Object.entries(SHAPES)) {
    const value = given.get(name);
    if (value !== undefined && !fits(value)) throw unexpected(`\`${name}\``, expected, value);
  }
  const { layer, origins, forwardHeaders = [], bearerToken = {}, limits = {}, heartbeat, revalidate, rate } = options;
  checkLayer(layer);
  checkOrigins(origins);
  checkForwardedHeaders(forwardHeaders);
  checkKeys('`bearerToken`', bearerToken, ['protocol', 'query']);
  checkKeys('`limits`', limits, Object.keys(limitsOf()));
  checkParts('', limits, 'a positive number', isPositive);
  if (rate) {
    checkKeys('`rate`', rate, ['perSecond', 'burst']);
    checkParts('rate.', rate, 'a positive number', isPositive);
    if (!isPositive(rate.perSecond)) throw unexpected('`rate.perSecond`', 'a positive number', rate.perSecond);
  }
  for (const [name, interval] of Object.entries({ heartbeat, revalidate })) {
    if (!interval) continue;
    checkKeys(`\`${name}\``, interval, ['everyMs']);
    checkParts(`${name}.`, interval, 'a positive number of milliseconds below 2^31', isTime);
  }
}

/** A layer of the application's own may lack what another version did not ask for. */
function checkLayer(layer: unknown): void {
  if (!isObject(layer)) return;
  const missing = LAYER_METHODS.filter((name) => typeof layer[name] !== 'function').map((name) => `${name}()`);
  if (typeof layer['shared'] !== 'boolean') missing.push('shared');
  if (missing.length > 0) throw new TypeError(`Expected \`layer\` to be ${A_LAYER}, got one without ${missing.join(', ')}.`);
}

function checkParts(prefix: string, parts: object, expected: string, fits: (value: unknown) => boolean): void {
  for (const [name, value] of Object.entries(parts))
    if (value !== undefined && !fits(value)) throw unexpected(`\`${prefix}${name}\``, expected, value);
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && value > 0;
}

function isTime(value: unknown): boolean {
  return isPositive(value) && value <= MAX_TIMER_MS;
}

/** Milliseconds of an interval that can be switched off. */
export function intervalOf(option: { readonly everyMs: number } | false | undefined): number | undefined {
  if (option === false) return undefined;
  return option?.everyMs ?? 30_000;
}
