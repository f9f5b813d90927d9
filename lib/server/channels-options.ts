import { inspect } from 'node:util';

import type { BearerTokenOptions } from '../auth/bearer-token.js';
import { checkForwardedHeaders } from '../auth/forwarded-headers.js';
import { type AllowedOrigins, checkOrigins } from '../auth/origin.js';
import type { ErrorDetails } from '../consumers/consumer.js';
import type { ChannelLayer } from '../layers/channel-layer.js';
import type { Limits, RateLimit } from './limits.js';

/** Options of {@link createChannels}. */
export interface ChannelsOptions {
  /** The bus of group messages. @default memoryLayer(): one process */
  readonly layer?: ChannelLayer;
  /** Other origins than the server's own whose pages may open sockets. @default none */
  readonly origins?: AllowedOrigins;
  /** Where a handshake may carry a bearer token besides its `Authorization` header. @default only there */
  readonly bearerToken?: BearerTokenOptions;
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

/** With more, Node's timers fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** @throws TypeError for an option that can't be meant; the message says what was expected */
export function checkOptions({
  origins,
  forwardHeaders,
  limits = {},
  heartbeat,
  revalidate,
  rate,
  handshakeTimeoutMs,
}: ChannelsOptions): void {
  checkOrigins(origins);
  checkForwardedHeaders(forwardHeaders ?? []);
  const numbers: Record<string, unknown> = { ...limits };
  if (rate) Object.assign(numbers, { 'rate.perSecond': rate.perSecond, 'rate.burst': rate.burst });
  for (const [name, value] of Object.entries(numbers)) {
    if (value === undefined || (typeof value === 'number' && value > 0)) continue;
    throw new TypeError(`Expected \`${name}\` to be a positive number, got ${inspect(value)}.`);
  }
  const times: Record<string, unknown> = { handshakeTimeoutMs };
  if (heartbeat) times['heartbeat.everyMs'] = heartbeat.everyMs;
  if (revalidate) times['revalidate.everyMs'] = revalidate.everyMs;
  for (const [name, value] of Object.entries(times)) {
    if (value === undefined || (typeof value === 'number' && value > 0 && value <= MAX_TIMER_MS)) continue;
    throw new TypeError(`Expected \`${name}\` to be a positive number of milliseconds below 2^31, got ${inspect(value)}.`);
  }
}

/** Milliseconds of an interval that can be switched off. */
export function intervalOf(option: { readonly everyMs: number } | false | undefined): number | undefined {
  if (option === false) return undefined;
  return option?.everyMs ?? 30_000;
}
