import { Inbox } from '../../lib/server/inbox.js';
import { gate } from '../support/serve.js';

test('tasks run one at a time, also those that a running one adds before it first waits', async () => {
  const inbox = new Inbox();
  const order: string[] = [];
  const { passed, pass } = gate();
  inbox.push(async () => {
    inbox.push(() => Promise.resolve(void order.push('third')));
    order.push('first');
    await passed;
    order.push('second');
  });
  expect([order, inbox.size]).toEqual([['first'], 1]);
  pass();
  await inbox.idle();
  expect(order).toEqual(['first', 'second', 'third']);
});

test('one that is closed drops what waits and takes no more', async () => {
  const inbox = new Inbox();
  const { passed, pass } = gate();
  const late = jest.fn(() => Promise.resolve());
  inbox.push(() => passed);
  inbox.push(late);
  inbox.close();
  inbox.push(late);
  pass();
  await inbox.idle();
  expect(late).not.toHaveBeenCalled();
});

test('one that has been idle works again', async () => {
  const inbox = new Inbox();
  const done: number[] = [];
  for (const number of [1, 2]) {
    inbox.push(() => Promise.resolve(void done.push(number)));
    await inbox.idle();
  }
  expect(done).toEqual([1, 2]);
});

test('what is done at once keeps its turn behind what is not', async () => {
  const inbox = new Inbox();
  const order: string[] = [];
  const atOnce = (name: string) => () => void order.push(name);
  const { passed, pass } = gate();
  inbox.push(() => {
    inbox.push(atOnce('second'));
    order.push('first');
    return undefined;
  });
  await inbox.idle();
  inbox.push(() => passed);
  inbox.push(atOnce('third'));
  inbox.push(atOnce('fourth'));
  expect(order).toEqual(['first', 'second']);
  pass();
  await inbox.idle();
  expect(order).toEqual(['first', 'second', 'third', 'fourth']);
});
