import type { ChannelLayer } from '../layers/channel-layer.js';
import { isObject } from '../protocol/envelope.js';
import { got } from '../protocol/options.js';

/** A message to a group; `type` names the handler. */
export interface GroupMessage {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** The groups that one connection or stream has joined. */
export class Groups {
  readonly #layer: ChannelLayer;
  readonly #joined = new Set<string>();
  readonly #receive: (message: string) => void;
  #over = false;

  constructor(layer: ChannelLayer, receive: (message: GroupMessage) => void) {
    this.#layer = layer;
    this.#receive = (text) => {
      const message: unknown = JSON.parse(text);
      if (isGroupMessage(message)) receive(message);
    };
  }

  /** @throws TypeError for a name that is no text */
  async join(group: string): Promise<void> {
    checkGroup(group);
    // An action may go on when its connection has gone, and nobody would leave the group for it.
    if (this.#over) return;
    this.#joined.add(group);
    await this.#layer.join(group, this.#receive);
  }

  /** @throws TypeError for a name that is no text */
  async leave(group: string): Promise<void> {
    checkGroup(group);
    if (this.#joined.delete(group)) await this.#layer.leave(group, this.#receive);
  }

  /** Leaves them for good: no other is joined. */
  async leaveAll(): Promise<void> {
    this.#over = true;
    await Promise.all([...this.#joined].map((group) => this.leave(group)));
  }
}

/**
 * Sends a message to all connections of a group.
 *
 * @throws TypeError for a name that is no text, or a message without a type
 */
export async function sendToGroup(layer: ChannelLayer, group: string, message: GroupMessage): Promise<void> {
  checkGroup(group);
  if (!isGroupMessage(message)) throw new TypeError(`Expected a message with a \`type\`, got ${got(message)}.`);
  await layer.send(group, JSON.stringify(message));
}

function checkGroup(group: unknown): void {
  if (typeof group !== 'string' || group === '')
    throw new TypeError(`Expected the name of a group to be a text such as 'room-1', got ${got(group)}.`);
}

function isGroupMessage(value: unknown): value is GroupMessage {
  return isObject(value) && typeof value['type'] === 'string';
}
