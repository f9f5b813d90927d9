import { unexpected } from '../protocol/options.js';
import type { SubscribeOptions } from './subscriptions.js';

/** What `subscribe` and `unsubscribe` take behind the context; the arguments may be left out where no groups depend on them. */
export type ObserverArguments<Args> = undefined extends Args
  ? readonly [args?: Args, options?: SubscribeOptions]
  : readonly [args: Args, options?: SubscribeOptions];

/** @throws TypeError for a name that is no text, what is no function, or groups that only one side knows */
export function checkObserver(options: object): void {
  const { name, ...functions }: Record<string, unknown> = { ...options };
  if (name !== undefined && (typeof name !== 'string' || name === '')) throw unexpected('`name`', 'a text', name);
  for (const [key, value] of Object.entries(functions))
    if (value !== undefined && typeof value !== 'function') throw unexpected(`\`${key}\``, 'a function', value);
  const { groupsForSignal, groupsForConsumer } = functions;
  if ((groupsForSignal === undefined) === (groupsForConsumer === undefined)) return;
  const [given, missing] =
    groupsForSignal === undefined ? ['groupsForConsumer', 'groupsForSignal'] : ['groupsForSignal', 'groupsForConsumer'];
  throw new TypeError(
    `Expected \`${missing}\` beside \`${given}\`: one says where events go, the other where subscribers listen.`,
  );
}
