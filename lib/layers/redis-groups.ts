import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';

import type { GroupReceiver } from './channel-layer.js';
import type { RedisConnection } from './redis-connection.js';
import type { RedisLink } from './redis-link.js';

/** How many channels are subscribed by one command when all of them are. */
const CHANNELS_AT_ONCE = 500;

/** A receiver in a group. */
interface Member {
  /** Whether it has joined; before that it gets nothing. */
  joined: boolean;
  /** Its first join, which a second one that comes too early waits for as well. */
  joining: Promise<void>;
}

/** A group with receivers here, or one that is about to be left. */
interface Group {
  readonly name: string;
  readonly channel: string;
  readonly members: Map<GroupReceiver, Member>;
  /** Where its channel is subscribed. */
  on: RedisConnection | undefined;
  /** Where this was last asked for. */
  asked: RedisConnection | undefined;
  /** Steps of subscribing and unsubscribing follow one another, so that the last one asked wins. */
  steps: Promise<unknown>;
  pending: number;
}

/** Who has joined which group in this process, and what is subscribed at Redis for them. */
export class RedisGroups {
  readonly #prefix: string;
  readonly #link: RedisLink;
  readonly #onError: (error: unknown) => void;
  readonly #groups = new Map<string, Group>();
  #barrier: { readonly connection: RedisConnection; readonly passed: Promise<unknown> } | undefined;

  constructor(prefix: string, link: RedisLink, onError: (error: unknown) => void) {
    this.#prefix = prefix;
    this.#link = link;
    this.#onError = onError;
  }

  /** The channel of a group: its name may tell of a user, so that it is hashed. */
  channelOf(name: string): string {
    // JSON keeps apart what UTF-8 has no bytes for.
    return `${this.#prefix}:${createHash('sha256').update(JSON.stringify(name)).digest('base64url')}`;
  }

  /** Resolves when everything that is published from now on reaches the receiver. */
  join(name: string, receiver: GroupReceiver): Promise<void> {
    const group = this.#groupOf(name);
    const before = group.members.get(receiver);
    if (before?.joined === false) return before.joining;
    if (before !== undefined) return this.#inForce(group, before, receiver);
    const member: Member = { joined: false, joining: Promise.resolve() };
    group.members.set(receiver, member);
    member.joining = this.#join(group, member, receiver);
    return member.joining;
  }

  /** The receiver gets nothing any more. */
  leave(name: string, receiver: GroupReceiver): void {
    const channel = this.channelOf(name);
    const group = this.#groups.get(channel);
    if (group === undefined || !group.members.delete(receiver) || group.members.size > 0) return;
    const connection = group.asked;
    if (connection === undefined) this.#groups.delete(channel);
    else
      this.#settle(group, connection).catch((error: unknown) => {
        // What a lost connection had subscribed is gone with it.
        if (!connection.gone) this.#onError(error);
      });
  }

  /** @returns whether the message may have come by this channel */
  deliver(channel: string, name: string, text: string): boolean {
    const group = this.#groups.get(channel);
    // The last one has just left.
    if (group === undefined) return true;
    if (group.name !== name) return false;
    for (const [receiver, { joined }] of group.members) {
      if (!joined) continue;
      try {
        receiver(text);
      } catch (error) {
        this.#onError(error);
      }
    }
    return true;
  }

  /** Subscribes on a new connection what was subscribed on the last one. */
  async restore(connection: RedisConnection): Promise<void> {
    const groups = [...this.#groups.values()].filter((group) => group.members.size > 0);
    for (const group of groups) group.on = group.asked = connection;
    const parts = Array.from({ length: Math.ceil(groups.length / CHANNELS_AT_ONCE) }, (_, index) =>
      groups.slice(index * CHANNELS_AT_ONCE, (index + 1) * CHANNELS_AT_ONCE).map(({ channel }) => channel),
    );
    await Promise.all(parts.map((channels) => connection.subscribe(channels)));
  }

  clear(): void {
    this.#groups.clear();
  }

  #groupOf(name: string): Group {
    const channel = this.channelOf(name);
    const existing = this.#groups.get(channel);
    if (existing !== undefined) return existing;
    const members = new Map<GroupReceiver, Member>();
    const group: Group = { name, channel, members, on: undefined, asked: undefined, steps: Promise.resolve(), pending: 0 };
    this.#groups.set(channel, group);
    return group;
  }

  async #join(group: Group, member: Member, receiver: GroupReceiver): Promise<void> {
    try {
      await this.#inForce(group, member, receiver);
      member.joined = true;
    } catch (error) {
      if (group.members.get(receiver) === member) this.leave(group.name, receiver);
      throw error;
    }
  }

  /** Resolves when the group's channel is subscribed, and what was published before has been received; or when the member has left. */
  async #inForce(group: Group, member: Member, receiver: GroupReceiver): Promise<void> {
    const deadline = performance.now() + this.#link.timeoutMs;
    for (;;) {
      const connection = await this.#link.connected();
      if (group.members.get(receiver) !== member) return;
      try {
        // The answer to a subscription comes after what was published before; where there was none to make, that has to be asked for.
        if (!(await this.#settle(group, connection))) await this.#caughtUp(connection);
        return;
      } catch (error) {
        if (!connection.gone || performance.now() > deadline) throw error;
      }
    }
  }

  /** Brings about at Redis what is wanted here. @returns whether there was something to do */
  #settle(group: Group, connection: RedisConnection): Promise<boolean> {
    group.asked = connection;
    group.pending += 1;
    const step = group.steps.then(() => this.#step(group, connection));
    const over = (): void => {
      group.pending -= 1;
      if (group.pending === 0 && group.members.size === 0) this.#groups.delete(group.channel);
    };
    group.steps = step.then(over, over);
    return step;
  }

  async #step(group: Group, connection: RedisConnection): Promise<boolean> {
    const wanted = group.members.size > 0;
    if (wanted === (group.on === connection)) return false;
    await (wanted ? connection.subscribe([group.channel]) : connection.unsubscribe(group.channel));
    group.on = wanted ? connection : undefined;
    return true;
  }

  /** Resolves when what was published before has been received. Those who ask at the same time share a round trip. */
  #caughtUp(connection: RedisConnection): Promise<unknown> {
    if (this.#barrier?.connection === connection) return this.#barrier.passed;
    const passed = setImmediate().then(() => {
      this.#barrier = undefined;
      return connection.ping();
    });
    this.#barrier = { connection, passed };
    return passed;
  }
}
