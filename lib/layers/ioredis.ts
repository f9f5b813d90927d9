import { isObject } from '../protocol/envelope.js';
import type { ClientAdapter, ClientEvents } from './redis-connection.js';

/** A client of the package `ioredis`, as far as it is used. */
export interface IoRedisClient {
  duplicate(overrides: object): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'message' | 'smessage', listener: (channel: string, text: string) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  connect(): Promise<unknown>;
  disconnect(): void;
  call(name: string, ...args: readonly string[]): Promise<unknown>;
}

/** How long a connection that is ended may wait for the other side, in milliseconds. */
const END_GRACE_MS = 100;

/** Whether a value is such a client, of one server or behind sentinels. */
export function isIoRedis(value: unknown): value is IoRedisClient {
  if (!isObject(value) || value['isCluster'] !== false || typeof value['status'] !== 'string') return false;
  return ['duplicate', 'on', 'connect', 'disconnect', 'call'].every((name) => typeof value[name] === 'function');
}

/**
 * Puts a client to the layer's use.
 *
 * @param make - makes a client with some of its options replaced
 */
export function adaptIoRedis(
  make: (overrides: object) => IoRedisClient,
  { message, lost }: ClientEvents,
  timeoutMs: number,
): ClientAdapter {
  const client = make({
    lazyConnect: true,
    connectTimeout: timeoutMs,
    disconnectTimeout: END_GRACE_MS,
    retryStrategy: null,
    reconnectOnError: null,
    enableOfflineQueue: false,
    maxRetriesPerRequest: null,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    enableAutoPipelining: false,
    keyPrefix: '',
    commandTimeout: undefined,
  });
  client.on('error', lost);
  client.on('message', message);
  client.on('smessage', message);
  let ended = false;
  client.on('end', () => {
    ended = true;
    lost(new Error('Redis has closed the connection.'));
  });
  return {
    connect: () => client.connect(),
    command: (name, ...args) => client.call(name, ...args),
    subscribe: (channels, sharded) => client.call(sharded ? 'ssubscribe' : 'subscribe', ...channels),
    unsubscribe: (channel, sharded) => client.call(sharded ? 'sunsubscribe' : 'unsubscribe', channel),
    destroy() {
      // A connection that has gone can't be waited for.
      if (!ended) client.disconnect();
    },
  };
}
