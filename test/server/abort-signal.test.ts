import { getMaxListeners } from 'node:events';

import { type Consumer, defineConsumer, demultiplexer } from 'express-channels';

import { serve } from '../support/serve.js';

test.each<[string, (consumer: Consumer) => Consumer, (frame: object) => object]>([
  ['a socket', (consumer) => consumer, (frame) => frame],
  ['a stream', (consumer) => demultiplexer({ one: consumer }), (payload) => ({ stream: 'one', payload })],
])('any number of actions may listen to the signal of %s: Node does not take it for a leak', async (_of, wrap, frameOf) => {
  const limit = ({ signal }: { signal: AbortSignal }): string => String(getMaxListeners(signal));
  const client = await serve(wrap(defineConsumer({ actions: { limit } }))).open();
  const answer = await client.request(frameOf({ action: 'limit' }));
  expect(answer['payload'] ?? answer).toMatchObject({ data: 'Infinity', response_status: 200 });
  await client.close();
});
