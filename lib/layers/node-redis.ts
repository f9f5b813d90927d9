import { isObject } from '../protocol/envelope.js';
import type { ClientAdapter, ClientEvents } from './redis-connection.js';

/** A client of the package `redis`, as far as it is used. */
export interface NodeRedisClient {
  readonly isOpen: boolean;
  readonly options?: { readonly socket?: object };
  duplicate(overrides: object): unknown;
  on(event: string, listener: (error: Error) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
  sendCommand(args: readonly string[]): Promise<unknown>;
  subscribe(channels: readonly string[], listener: ChannelListener): Promise<unknown>;
  sSubscribe(channels: readonly string[], listener: ChannelListener): Promise<unknown>;
  unsubscribe(channel: string, listener: ChannelListener): Promise<unknown>;
  sUnsubscribe(channel: string, listener: ChannelListener): Promise<unknown>;
}

type ChannelListener = (text: string, channel: string) => void;

const METHODS = [
  'duplicate',
  'on',
  'connect',
  'destroy',
  'sendCommand',
  'subscribe',
  'sSubscribe',
  'unsubscribe',
  'sUnsubscribe',
];

/** Whether a value is such a client, of one server: those of clusters and sentinels can't tell whether they are subscribed. */
export function isNodeRedis(value: unknown): value is NodeRedisClient {
  if (!isObject(value) || typeof value['isPubSubActive'] !== 'boolean') return false;
  return METHODS.every((name) => typeof value[name] === 'function');
}

/**
 * Puts a client to the layer's use.
 *
 * @param make - makes a client with some of its options replaced
 * @param socket - options of its socket that are kept
 */
export function adaptNodeRedis(
  make: (overrides: object) => NodeRedisClient,
  socket: object | undefined,
  { message, lost }: ClientEvents,
  timeoutMs: number,
): ClientAdapter {
  // `destroy` does not reach a socket that is still being connected.
  const destroying = new AbortController();
  const client = make({
    socket: { ...socket, connectTimeout: timeoutMs, reconnectStrategy: false, signal: destroying.signal },
    disableOfflineQueue: true,
    clientSideCache: undefined,
    emitInvalidate: undefined,
    // Answers are waited for with a timeout of our own, and read as text.
    commandOptions: { timeout: undefined, typeMapping: undefined },
  });
  client.on('error', lost);
  const listener: ChannelListener = (text, channel) => {
    message(channel, text);
  };
  return {
    connect: () => client.connect(),
    command: (name, ...args) => client.sendCommand([name.toUpperCase(), ...args]),
    subscribe: (channels, sharded) => (sharded ? client.sSubscribe(channels, listener) : client.subscribe(channels, listener)),
    unsubscribe: (channel, sharded) => (sharded ? client.sUnsubscribe(channel, listener) : client.unsubscribe(channel, listener)),
    destroy() {
      destroying.abort();
      try {
        client.destroy();
      } catch (error) {
        // Version 5 refuses it for a client that has lost its connection.
        if (client.isOpen) throw error;
      }
    },
  };
}
