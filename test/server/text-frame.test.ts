import { createChannels, defineConsumer } from 'express-channels';
import { listen, open } from '../support/socket-client.js';

const EMPTY = JSON.stringify({ errors: [], data: '', action: 'repeat', response_status: 200, request_id: 1 }).length;

test.each([0, 125 - EMPTY, 126 - EMPTY, 0xffff - EMPTY, 0x10000 - EMPTY, 1_000_000].map((length) => Math.max(0, length)))(
  'an answer with a text of %i characters arrives as it was sent, and so does what follows it',
  async (length) => {
    const repeat = (_ctx: unknown, { text, times }: Record<string, unknown>) => String(text).repeat(Number(times));
    const channels = createChannels().route('/ws', defineConsumer({ actions: { repeat } }));
    const client = await open(await listen(channels), '/ws');
    for (const text of ['a', 'ä', '€', '🙂'])
      expect((await client.act('repeat', { request_id: 1, text, times: length }))['data']).toBe(text.repeat(length));
    await client.close();
  },
);
