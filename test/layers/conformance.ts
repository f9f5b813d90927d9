import type { ChannelLayer } from 'express-channels';

import { seeded } from '../support/random.js';
import { until } from '../support/socket-client.js';

/**
 * What every channel layer must do.
 *
 * @param open - opens a layer; those of a shared bus are on the same one
 */
export function describeChannelLayer(name: string, shared: boolean, open: () => ChannelLayer): void {
  describe(`${name} as a channel layer`, () => {
    let layer: ChannelLayer;
    let got: string[];
    const receive = (message: string): unknown => got.push(message);

    beforeEach(() => {
      layer = open();
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

    it.each(['1', `"${'x'.repeat(500_000)}"`])(
      'delivers nothing of what was sent before the receiver joined: %.20s',
      async (message) => {
        const before: string[] = [];
        await layer.join('a', (text) => before.push(text));
        await layer.send('a', message);
        await layer.join('a', receive);
        await layer.send('a', '2');
        await settled();
        expect([before.length, got]).toEqual([2, ['2']]);
      },
    );

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

    it('joins a receiver once that joins twice at the same time, and both wait for it', async () => {
      await Promise.all([layer.join('a', receive), layer.join('a', receive)]);
      await layer.send('a', '1');
      await settled();
      await layer.leave('a', receive);
      await layer.send('a', '2');
      await settled();
      expect(got).toEqual(['1']);
    });

    it('has done what was asked last when joins and leaves of one group race', async () => {
      const random = seeded('joins and leaves');
      const receivers = Array.from({ length: 4 }, (_, index) => {
        const received: string[] = [];
        return { index, received, receive: (message: string) => received.push(message), joined: false };
      });
      for (let round = 0; round < 40; round += 1) {
        const asked: Promise<void>[] = [];
        for (let count = random.integer(1, 8); count > 0; count -= 1) {
          const one = receivers[random.integer(0, 3)] ?? receivers[0];
          if (one === undefined) continue;
          one.joined = random.next() < 0.5;
          asked.push(one.joined ? layer.join('a', one.receive) : layer.leave('a', one.receive));
          if (random.next() < 0.3) await Promise.resolve();
        }
        await Promise.all(asked);
        await layer.send('a', String(round));
        await settled();
        const got = receivers.filter(({ received }) => received.at(-1) === String(round)).map(({ index }) => index);
        expect(got).toEqual(receivers.filter(({ joined }) => joined).map(({ index }) => index));
      }
    });

    it('tells of no gap when nothing was lost', async () => {
      let gaps = 0;
      const off = layer.onGap(() => (gaps += 1));
      await layer.join('a', receive);
      await layer.send('a', '1');
      await settled();
      off();
      off();
      expect(gaps).toBe(0);
    });

    it('closes as often as it is asked to, and whoever leaves afterwards is not bothered', async () => {
      await layer.join('a', receive);
      await layer.close();
      await layer.close();
      await layer.leave('a', receive);
    });

    it(`says that other processes ${shared ? 'can be' : 'are not'} on the bus`, async () => {
      const other = open();
      expect(layer.shared).toBe(shared);
      await layer.join('a', receive);
      await other.send('a', '1');
      await layer.send('a', '2');
      await settled();
      await other.close();
      expect(got).toEqual(shared ? ['1', '2'] : ['2']);
    });

    if (!shared) return;

    it('has joined when join resolves, for messages of others as well, and delivers them in order', async () => {
      const other = open();
      const groups = Array.from({ length: 30 }, (_, index) => `group ${index}`);
      await Promise.all(
        groups.map(async (group) => {
          const received: string[] = [];
          await layer.join(group, (message) => received.push(message));
          const sent = Array.from({ length: 20 }, (_, index) => `${group} ${index}`);
          await Promise.all(sent.map((message) => other.send(group, message)));
          await until(() => received.length === sent.length);
          expect(received).toEqual(sent);
        }),
      );
      await other.close();
    });
  });
}
