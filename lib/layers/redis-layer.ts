import type { ChannelLayer } from './channel-layer.js';
import { checkKeys, unexpected } from '../protocol/options.js';
import { MAX_TIMER_MS } from '../protocol/time.js';
import { RedisBus } from './redis-bus.js';
import { openLike, openUrl, type RedisClient } from './redis-client.js';

/** Options of {@link redisLayer}: one of `client` and `url`, and what else differs from the defaults. */
export interface RedisLayerOptions {
  /** A client like which the layer makes two of its own; it is not used itself, and need not be connected. */
  readonly client?: RedisClient;
  /** Where Redis is: `redis://…` or `rediss://…`. The layer loads `redis` or `ioredis`, whichever the application has installed. */
  readonly url?: string;
  /** What the names of all channels begin with. Processes of one application have the same. @default 'express-channels' */
  readonly prefix?: string;
  /** Bytes of the largest message, the same in all processes. @default 1_048_576 */
  readonly maxMessageBytes?: number;
  /** Milliseconds that Redis has to answer. @default 5_000 */
  readonly timeoutMs?: number;
  /** Milliseconds between two signs of life for other processes. One that misses three in a row has died. @default 1_000 */
  readonly beatMs?: number;
  /** Hears of every outage, once, and of receivers that throw. @default console.error */
  readonly onError?: (error: unknown) => void;
}

/** The channel layer of {@link redisLayer}. */
export interface RedisLayer extends ChannelLayer {
  /** How much came on the layer's channels that it has not sent: forged, damaged, too large, or of another version. */
  readonly ignored: number;
}

/** More, and Redis itself refuses it. */
const MAX_BYTES = 512 * 1024 * 1024;

const SHAPES: Readonly<Record<string, readonly [expected: string, fits: (value: unknown) => boolean]>> = {
  prefix: ['a text', (value) => typeof value === 'string' && value !== ''],
  maxMessageBytes: ['a positive number of at most 512 MiB', (value) => isPositive(value, MAX_BYTES)],
  timeoutMs: ['a positive number of milliseconds below 2^31', (value) => isPositive(value, MAX_TIMER_MS)],
  beatMs: ['a positive number of milliseconds below 2^31', (value) => isPositive(value, MAX_TIMER_MS)],
  onError: ['a function', (value) => typeof value === 'function'],
};

/**
 * The channel layer of several processes: messages travel over Redis, by pub/sub. Nothing is stored there. The layer connects at once, and
 * again whenever a connection was lost; what may have got lost is told by `onGap`.
 *
 * @throws TypeError for options that can't be meant; Error for a `url` where neither client is installed
 *
 * @example
 * const channels = createChannels(app, { layer: redisLayer({ url: 'redis://localhost:6379' }) });
 */
export function redisLayer(options: RedisLayerOptions): RedisLayer {
  if (typeof options === 'string')
    // It may hold a password.
    throw new TypeError(
      "Expected the options of redisLayer() to be an object such as { url: 'redis://localhost:6379' }, got a text.",
    );
  checkKeys('redisLayer()', options, ['client', 'url', ...Object.keys(SHAPES)]);
  const given = new Map<string, unknown>(Object.entries(options));
  for (const [name, [expected, fits]] of Object.entries(SHAPES)) {
    const value = given.get(name);
    if (value !== undefined && !fits(value)) throw unexpected(`\`${name}\``, expected, value);
  }
  const { client, url, prefix, maxMessageBytes, timeoutMs, beatMs, onError } = options;
  if ((client === undefined) === (url === undefined))
    throw new TypeError(
      `Expected redisLayer() to have a \`client\` or a \`url\`, got ${url === undefined ? 'neither' : 'both'}.`,
    );
  return new RedisBus({
    open: url === undefined ? openLike(client) : openUrl(url),
    prefix: prefix ?? 'express-channels',
    maxMessageBytes: maxMessageBytes ?? 1024 * 1024,
    timeoutMs: timeoutMs ?? 5_000,
    beatMs: beatMs ?? 1_000,
    onError: onError ?? console.error,
  });
}

function isPositive(value: unknown, most: number): boolean {
  return typeof value === 'number' && value > 0 && value <= most;
}
