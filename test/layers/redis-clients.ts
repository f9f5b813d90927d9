import type { RedisClient } from 'express-channels';
import { Redis } from 'ioredis';
import { createClient } from 'redis';

/** The clients that the layer can be made of, as applications make them. */
export const redisClients: readonly (readonly [name: string, make: (url: string) => RedisClient])[] = [
  ['redis', (url) => createClient({ url })],
  ['ioredis', (url) => new Redis(url, { lazyConnect: true })],
];

/** The same with the older protocol, which servers before Redis 6 speak. */
export const olderClients: typeof redisClients = [
  ['redis with RESP2', (url) => createClient({ url, RESP: 2 })],
  ['ioredis with RESP2', (url) => new Redis(url, { lazyConnect: true, protocol: 2 })],
];
