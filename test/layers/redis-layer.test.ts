import { redisLayer } from 'express-channels';
import { Redis } from 'ioredis';
import { createClient } from 'redis';

import { RedisServer, redisMissing } from '../support/redis.js';
import { describeRequiring } from '../support/requirement.js';
import { describeChannelLayer } from './conformance.js';

describeRequiring(redisMissing, 'redisLayer()', () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start();
  });

  afterAll(async () => {
    await server.stop();
  });

  describeChannelLayer('redisLayer() over redis', () => redisLayer({ client: createClient({ url: server.url }) }));
  describeChannelLayer('redisLayer() over ioredis', () => redisLayer({ client: new Redis(server.url, { lazyConnect: true }) }));
});
