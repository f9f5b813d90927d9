import { createRequire } from 'node:module';
import { join } from 'node:path';

import { isObject } from '../protocol/envelope.js';
import { got, unexpected } from '../protocol/options.js';
import { adaptIoRedis, isIoRedis, type IoRedisClient } from './ioredis.js';
import { adaptNodeRedis, isNodeRedis, type NodeRedisClient } from './node-redis.js';
import type { OpenClient } from './redis-connection.js';

/**
 * A client of one Redis server: `createClient()` of the package `redis`, or `new Redis()` of `ioredis`. It serves as a pattern and need
 * not be connected: the layer makes clients of its own by `duplicate()`.
 */
export interface RedisClient {
  duplicate(): unknown;
}

const A_CLIENT = 'a client of one Redis server: createClient() of the package redis, or new Redis() of ioredis';

/**
 * How connections are made that are like a client's.
 *
 * @throws TypeError for anything else than a client of one server
 */
export function openLike(client: unknown): OpenClient {
  if (isNodeRedis(client)) {
    const duplicate = (overrides: object): NodeRedisClient => sure(client.duplicate(overrides), isNodeRedis);
    return (events, timeoutMs) => adaptNodeRedis(duplicate, client.options?.socket, events, timeoutMs);
  }
  if (isIoRedis(client)) {
    const duplicate = (overrides: object): IoRedisClient => sure(client.duplicate(overrides), isIoRedis);
    return (events, timeoutMs) => adaptIoRedis(duplicate, events, timeoutMs);
  }
  throw new TypeError(`Expected \`client\` to be ${A_CLIENT}. Got ${kindOf(client)}.`);
}

/**
 * How connections to an address are made, by the client that the application has installed.
 *
 * @throws TypeError for an address that can't be meant; Error where neither client is installed
 */
export function openUrl(url: unknown): OpenClient {
  if (typeof url !== 'string' || !/^rediss?:\/\//.test(url) || !URL.canParse(url))
    throw unexpected('`url`', 'an address such as "redis://localhost:6379"', withoutPassword(url));
  const createClient = partOf(load('redis'), 'createClient');
  if (createClient !== undefined) {
    const create = (overrides: object): NodeRedisClient =>
      sure(Reflect.apply(createClient, undefined, [{ url, ...overrides }]), isNodeRedis);
    return (events, timeoutMs) => adaptNodeRedis(create, undefined, events, timeoutMs);
  }
  const Redis = partOf(load('ioredis'), 'Redis');
  if (Redis !== undefined) {
    const create = (overrides: object): IoRedisClient => sure(Reflect.construct(Redis, [url, overrides]), isIoRedis);
    return (events, timeoutMs) => adaptIoRedis(create, events, timeoutMs);
  }
  throw new Error(
    'Neither redis nor ioredis is installed beside the application: install one of them (npm install redis), or give a `client`.',
  );
}

/**
 * A package of the application, which needs only one of the two. This library is both an ES module and a CommonJS one, and knows its own
 * place in neither way; the application's is that of its main file, or the folder it was started in.
 */
function load(name: string): unknown {
  for (const place of [process.argv[1], join(process.cwd(), 'package.json')]) {
    if (place === undefined) continue;
    try {
      return createRequire(place)(name);
    } catch (error) {
      if (!isObject(error) || error['code'] !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return undefined;
}

function partOf(module: unknown, name: string): NewableFunction | undefined {
  if (typeof module !== 'function' && !isObject(module)) return undefined;
  const part: unknown = Reflect.get(module, name);
  return typeof part === 'function' ? part : undefined;
}

function sure<Client>(value: unknown, is: (value: unknown) => value is Client): Client {
  if (is(value)) return value;
  throw new TypeError(`Expected what was made to be ${A_CLIENT}. Got ${kindOf(value)}.`);
}

/** Clients are large, and hold passwords. */
function kindOf(value: unknown): string {
  if (!isObject(value)) return got(value);
  if (value['isCluster'] === true || 'slots' in value)
    return 'a client of a cluster: give one of a node, from which messages reach all nodes';
  const { constructor } = value;
  return `an object of the class ${typeof constructor === 'function' ? constructor.name : 'null'}`;
}

function withoutPassword(url: unknown): unknown {
  return typeof url === 'string' ? url.replace(/:.*/s, ':…') : url;
}
