import type { ChannelLayer } from 'express-channels';

import { until } from '../support/socket-client.js';

/** What every channel layer must do. */
export function describeChannelLayer(name: string, open: () => ChannelLayer | Promise<ChannelLayer>): void {
  describe(`${name} as a channel layer`, () => {
    let layer: ChannelLayer;
    let got: string[];
    const receive = (message: string): unknown => got.push(message);

    beforeEach(async () => {
      layer = await open();
      got = [];
    });

    afterEach(async () => {
      await layer.close();
    });

    /** Everything that was sent before has arrived when a message to a group of its own has. */
    async function settled(): Promise<void> {
      let arrived = false;
      const mark = (): void => {
        arrived = true;
      };
      await layer.join('settled', mark);
      await layer.send('settled', '{}');
      await until(() => arrived);
      await layer.leave('settled', mark);
    }

    it('delivers to every receiver of the group, once each, and to no other', async () => {
      const others: string[] = [];
      const elsewhere: string[] = [];
      await layer.join('a', receive);
      await layer.join('a', (message) => others.push(message));
      await layer.join('b', (message) => elsewhere.push(message));
      await layer.send('a', '"x"');
      await settled();
      expect([got, others, elsewhere]).toEqual([['"x"'], ['"x"'], []]);
    });

    it('delivers the messages of a sender in the order in which they were sent', async () => {
      await layer.join('a', receive);
      const sent = Array.from({ length: 200 }, (_, index) => String(index));
      await Promise.all(sent.map((message) => layer.send('a', message)));
      await settled();
      expect(got).toEqual(sent);
    });

    it.each(['{"a": 1}', '"é☃😀"', '""', `"${'x'.repeat(100_000)}"`])(
      'delivers the text as it was sent: %.20s',
      async (message) => {
        await layer.join('a', receive);
        await layer.send('a', message);
        await settled();
        expect(got).toEqual([message]);
      },
    );

    it.each(['a group', 'é☃', 'a:b*?[c]', '__proto__', 'constructor', 'x'.repeat(300)])('takes the name %.20s', async (group) => {
      await layer.join(group, receive);
      await layer.send(group, '1');
      await layer.send(`${group}2`, '2');
      await settled();
      expect(got).toEqual(['1']);
    });

    it('counts receivers: one that has joined twice gets a message once, and has left by leaving once', async () => {
      await layer.join('a', receive);
      await layer.join('a', receive);
      await layer.send('a', '1');
      await settled();
      await layer.leave('a', receive);
      await layer.send('a', '2');
      await settled();
      expect(got).toEqual(['1']);
    });

    it('delivers nothing to one that has left, and all to those that stay', async () => {
      const stays: string[] = [];
      await layer.join('a', receive);
      await layer.join('a', (message) => stays.push(message));
      await layer.leave('a', receive);
      await layer.send('a', '1');
      await settled();
      expect([got, stays]).toEqual([[], ['1']]);
    });

    it('delivers nothing more to one whose leaving has been acknowledged', async () => {
      await layer.join('a', receive);
      const sending = layer.send('a', '1');
      await layer.leave('a', receive);
      const before = [...got];
      await sending;
      await settled();
      expect(got).toEqual(before);
    });

    it('delivers nothing of what was sent before the receiver joined', async () => {
      const before: string[] = [];
      await layer.join('a', (message) => before.push(message));
      await layer.send('a', '1');
      await layer.join('a', receive);
      await layer.send('a', '2');
      await settled();
      expect([before, got]).toEqual([['1', '2'], ['2']]);
    });

    it('lets join and leave take effect in the order in which they are called', async () => {
      await Promise.all([layer.join('a', receive), layer.leave('a', receive)]);
      await Promise.all([layer.join('b', receive), layer.leave('b', receive), layer.join('b', receive)]);
      await layer.send('a', '1');
      await layer.send('b', '2');
      await settled();
      expect(got).toEqual(['2']);
    });

    it('leaves a group that was never joined, and sends to one that nobody has joined', async () => {
      await layer.leave('nobody', receive);
      await layer.send('nobody', '1');
      await settled();
      expect(got).toEqual([]);
    });

    it('calls no receiver before send has returned', async () => {
      await layer.join('a', receive);
      const sending = layer.send('a', '1');
      expect(got).toEqual([]);
      await sending;
      await settled();
      expect(got).toEqual(['1']);
    });
  });
}
