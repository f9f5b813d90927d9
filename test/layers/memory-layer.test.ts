import { memoryLayer } from 'express-channels';

import { describeChannelLayer } from './conformance.js';

describeChannelLayer('memoryLayer()', memoryLayer);

test('two layers in memory know nothing of each other', async () => {
  const got: string[] = [];
  const [one, other] = [memoryLayer(), memoryLayer()];
  await one.join('a', (message) => got.push(message));
  await other.send('a', '1');
  await one.send('a', '2');
  await Promise.resolve();
  expect(got).toEqual(['2']);
});
