import { once } from 'node:events';
import { WebSocket } from 'ws';

import { isRecord, type Oracle, type Topic } from './oracle.js';

/** A subscription, and what its client knows by it: of each row the stamp. */
interface Following {
  readonly topic: Topic;
  readonly since: number;
  readonly rows: Map<number, number>;
  phase: 'asked' | 'on' | 'over';
}

const ACTIONS = {
  room: ['follow_room', 'unfollow_room'],
  own: ['follow_own', 'unfollow_own'],
  instance: ['subscribe_instance', 'unsubscribe_instance'],
} as const;

let lastRequestId = 0;

/** One user on one socket. Every frame is put before the oracle the moment it comes. */
export class Reader {
  readonly user: number;
  readonly faults: string[] = [];
  readonly #oracle: Oracle;
  readonly #socket: WebSocket;
  readonly #followings = new Map<number, Following>();
  /** The newest stamp of the row that all follow. */
  last = 0;
  received = 0;

  private constructor(user: number, oracle: Oracle, socket: WebSocket) {
    this.user = user;
    this.#oracle = oracle;
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      oracle.judge(() => {
        if (socket.readyState === WebSocket.OPEN) this.#take(data.toString());
      });
    });
  }

  static async open(port: number, user: number, oracle: Oracle): Promise<Reader> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers: { 'x-user': String(user) } });
    const reader = new Reader(user, oracle, socket);
    await once(socket, 'open');
    reader.#send('follow_last', 0);
    await once(socket, 'message');
    return reader;
  }

  get open(): readonly (readonly [number, Following])[] {
    return [...this.#followings].filter(([, { phase }]) => phase === 'on');
  }

  get isWaiting(): boolean {
    return [...this.#followings.values()].some(({ phase }) => phase === 'asked');
  }

  follow(topic: Topic): void {
    lastRequestId += 1;
    this.#followings.set(lastRequestId, { topic, since: this.#oracle.tick(), rows: new Map(), phase: 'asked' });
    this.#send(ACTIONS[topic.kind][0], lastRequestId, topic);
  }

  unfollow(requestId: number, topic: Topic): void {
    this.#send(ACTIONS[topic.kind][1], requestId, topic);
  }

  close(): void {
    this.#socket.terminate();
  }

  /** What the client knows, where it is not what there is. */
  differences(): string[] {
    return this.open.flatMap(([requestId, { topic, rows }]) => {
      const text = (known: Iterable<readonly [number, number]>) =>
        JSON.stringify([...known].sort(([one], [other]) => one - other));
      const expected = text(this.#oracle.rowsOf(this.user, topic).map(({ id, stamp }) => [id, stamp]));
      return text(rows) === expected ? [] : [this.#say(requestId, `knows ${text(rows)} instead of ${expected}`)];
    });
  }

  #send(action: string, requestId: number, topic?: Topic): void {
    const args = topic?.kind === 'room' ? { room: topic.room } : topic?.kind === 'instance' ? { pk: topic.id } : {};
    this.#socket.send(JSON.stringify({ action, request_id: requestId, ...args }));
  }

  #take(text: string): void {
    const frame: unknown = JSON.parse(text);
    if (!isRecord(frame)) throw new Error(`Unexpected frame: ${text}`);
    const { action, data, response_status: status, request_id: requestId } = frame;
    if (requestId === 0) {
      if (isRecord(data)) this.last = Math.max(this.last, Number(data['stamp']));
      return;
    }
    const following = this.#followings.get(Number(requestId));
    this.received += 1;
    // It may have ended before it was asked to.
    const isEnded = String(action).startsWith('un') && Number(status) < 300;
    if (following === undefined || (following.phase === 'over' && !isEnded))
      this.#fault(requestId, text, 'a frame of no subscription');
    else if (isEnded || Number(status) >= 400) following.phase = 'over';
    else if (ACTIONS[following.topic.kind][0] === action) following.phase = 'on';
    else this.#judge(following, String(action), data, (reason) => this.#fault(requestId, text, reason));
  }

  #judge({ topic, since, rows }: Following, action: string, data: unknown, fault: (reason: string) => void): void {
    const { user } = this;
    const isKey = isRecord(data) && Object.keys(data).join() === 'pk';
    if (action === 'snapshot' || ((action === 'create' || action === 'update') && !isKey)) {
      for (const row of action === 'snapshot' && Array.isArray(data) ? (data as unknown[]) : [data]) {
        const reason = this.#oracle.faultOfShown(user, topic, since, row);
        if (reason !== undefined) fault(reason);
        if (isRecord(row)) rows.set(Number(row['id']), Number(row['stamp']));
      }
    } else if (action === 'delete') {
      const isShown = topic.kind === 'own' && !isKey;
      const reason = isShown
        ? this.#oracle.faultOfShown(user, topic, since, data)
        : this.#oracle.faultOfGone(user, topic, since, data);
      if (reason !== undefined) fault(reason);
      if (isRecord(data)) rows.delete(Number(isShown ? data['id'] : data['pk']));
    } else fault('an unexpected frame');
  }

  #fault(requestId: unknown, text: string, reason: string): void {
    this.faults.push(this.#say(requestId, `${reason}: ${text}`));
  }

  #say(requestId: unknown, text: string): string {
    return `user ${this.user}, ${JSON.stringify(this.#followings.get(Number(requestId))?.topic)}: ${text}`;
  }
}
