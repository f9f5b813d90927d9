import { once } from 'node:events';

import { WebSocket } from 'ws';

import { type Expected, expectations, faultOf, readAnswer } from './contract.js';
import type { Kind } from './consumers.js';
import { Draw } from './draw.js';
import { Ledger } from './ledger.js';
import { type Shot, shotOf } from './shots.js';

/** A socket's part in a run. */
export interface LaneOptions {
  readonly number: number;
  readonly kind: Kind | 'mixed';
  readonly user?: string | undefined;
  readonly cookie?: string | undefined;
  readonly port: number;
  readonly seed: number;
  /** Whether the socket goes in the middle, again and again. */
  readonly leaves?: boolean;
}

/** An expected answer, and the frames that have come for it. */
interface Pending extends Expected {
  readonly index: number;
  readonly shot: Shot;
  seen: number;
}

/** Milliseconds in which the next answer must come; where a machine is busy, a burst takes its time. */
const PATIENCE_MS = 15_000;

/** One client that sends all kinds of frames and compares all answers with the contract. */
export class Lane {
  readonly ledger = new Ledger();
  readonly sorts = new Map<string, number>();
  readonly statuses = new Map<number, number>();
  readonly #options: LaneOptions;
  readonly #draw: Draw;
  #socket: WebSocket | undefined;
  #pending: Pending[] = [];
  #fault: Error | undefined;
  #changed: () => void = () => undefined;
  #leaving = false;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#draw = new Draw(options.seed ^ (options.number << 16));
  }

  /** Sends the frames, in bursts; rejects at the first answer that breaks the contract. */
  async run(frames: number): Promise<void> {
    await this.#open();
    for (let index = 0; index < frames;) {
      const size = Math.min(
        frames - index,
        this.#draw.chance(0.3) ? 1 : this.#draw.integer(2, this.#draw.chance(0.05) ? 200 : 24),
      );
      await this.#burst(Array.from({ length: size }, (_, at) => index + at));
      index += size;
      if (this.#options.leaves === true) await this.#open();
    }
    await this.#barrier();
    await this.close();
  }

  /** One frame alone, and what came for it. */
  async replay(index: number): Promise<void> {
    await this.#open();
    process.stderr.write(`→ ${this.#shot(index).bytes.toString()}\n`);
    await this.#burst([index]);
    await this.#barrier();
    await this.close();
  }

  /** Another lane has found what it looked for. */
  stop(): void {
    this.#leaving = true;
    this.#fault ??= new Error('stopped');
    this.#socket?.terminate();
    this.#changed();
  }

  async close(): Promise<void> {
    this.#leaving = true;
    this.#socket?.close();
    await this.#settled(() => this.#socket?.readyState === WebSocket.CLOSED);
  }

  #shot(index: number): Shot {
    const { seed, number, kind } = this.#options;
    return shotOf(seed, number, index, kind);
  }

  async #open(): Promise<void> {
    const { port, number, cookie } = this.#options;
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/${number}`, {
      perMessageDeflate: false,
      headers: cookie === undefined ? {} : { cookie },
    });
    socket.on('message', (data: Buffer) => {
      this.#arrived(data.toString());
    });
    socket.on('close', (code) => {
      if (!this.#leaving) this.#fail(`the socket was closed with ${code}`);
      this.#changed();
    });
    await once(socket, 'open');
    this.#leaving = false;
    this.#socket = socket;
  }

  async #burst(indexes: readonly number[]): Promise<void> {
    const { kind, user, leaves = false } = this.#options;
    for (const index of indexes) {
      const shot = this.#shot(index);
      const { sort, bytes, delivery } = shot;
      for (const one of [sort, delivery]) this.sorts.set(one, (this.sorts.get(one) ?? 0) + 1);
      const text = sort === 'binary' ? undefined : bytes.toString();
      this.#pending.push(...expectations(text, kind, user, sort === 'valid').map((one) => ({ ...one, index, shot, seen: 0 })));
      this.#send(shot);
    }
    if (!leaves) return this.#settled(() => this.#pending.length === 0);
    const left = this.#draw.integer(0, this.#pending.length);
    await this.#settled(() => this.#pending.length <= left);
    this.#leaving = true;
    this.#pending = [];
    if (this.#draw.chance(0.5)) this.#socket?.terminate();
    else this.#socket?.close();
    await this.#settled(() => this.#socket?.readyState === WebSocket.CLOSED);
  }

  #send({ sort, bytes, delivery }: Shot): void {
    const socket = this.#socket;
    const binary = sort === 'binary';
    if (delivery === 'whole' || bytes.length < 2) {
      socket?.send(bytes, { binary });
      return;
    }
    const middle = this.#draw.integer(1, bytes.length - 1);
    socket?.send(bytes.subarray(0, middle), { binary, fin: false });
    if (delivery === 'pings') {
      socket?.ping('between');
      socket?.pong();
    }
    socket?.send(bytes.subarray(middle), { binary, fin: true });
  }

  /** The last answers are those of these frames: nothing else has been sent before them. */
  async #barrier(): Promise<void> {
    const frame = { action: 'barrier', request_id: 'barrier' };
    const streams = this.#options.kind === 'mixed' ? ['router', 'actions', 'things', 'items', 'samples', 'members'] : [undefined];
    for (const stream of streams) {
      const text = JSON.stringify(stream === undefined ? frame : { stream, payload: frame });
      const shot: Shot = { sort: 'valid', bytes: Buffer.from(text), delivery: 'whole' };
      for (const one of expectations(text, this.#options.kind, this.#options.user, false))
        this.#pending.push({ ...one, index: -1, shot, seen: 0 });
      this.#send(shot);
    }
    await this.#settled(() => this.#pending.length === 0);
  }

  async #settled(done: () => boolean): Promise<void> {
    const deadline = setTimeout(() => {
      this.#fail('no answer in time');
    }, PATIENCE_MS);
    while (this.#fault === undefined && !done()) {
      await new Promise<void>((resolve) => (this.#changed = resolve));
      deadline.refresh();
    }
    clearTimeout(deadline);
    if (this.#fault !== undefined) throw this.#fault;
  }

  #arrived(text: string): void {
    const read = readAnswer(text, this.#options.kind === 'mixed');
    if (typeof read === 'string') this.#fail(`${read}: ${text.slice(0, 2_000)}`);
    else if (!this.#leaving) this.#take(read, text);
    this.#changed();
  }

  #take({ stream, answer }: Exclude<ReturnType<typeof readAnswer>, string>, text: string): void {
    const status = answer.response_status;
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    const requestId = JSON.stringify(answer.request_id);
    const next = this.#pending.find((one) => one.ordered && one.stream === stream);
    // First what is next in order: where two look the same, it does not matter which of them has come.
    const meant = [next, ...this.#pending.filter((one) => !one.ordered && one.stream === stream)].filter(
      (one) => one !== undefined,
    );
    const mine = meant.filter((one) => one.action === answer.action && one.requestId === requestId);
    const found = mine.find((one) => faultOf(one, answer) === undefined);
    if (found === undefined) {
      const fault = mine[0] === undefined ? 'nobody waits for it' : faultOf(mine[0], answer);
      this.#fail(`${String(fault)}: ${text.slice(0, 2_000)}`, mine[0] ?? next);
      return;
    }
    found.seen += 1;
    const contradiction = this.#options.leaves === true ? undefined : this.ledger.note(found, answer);
    if (contradiction !== undefined) this.#fail(`${contradiction}: ${text.slice(0, 2_000)}`, found);
    if (found.seen === found.most) this.#pending.splice(this.#pending.indexOf(found), 1);
    // A cancel is answered when the lists before it have ended.
    if (found.kind === 'items' && found.action === 'list_cancel' && status === 200)
      this.#pending = this.#pending.filter((one) => one.action !== 'list' || one.stream !== stream || one.index > found.index);
  }

  #fail(why: string, { index, shot } = this.#pending[0] ?? { index: -1, shot: undefined }): void {
    const { seed, number, kind, user = 'nobody' } = this.#options;
    this.#fault ??= new Error(
      `${kind}, ${user}: ${why}\nfor frame ${index}${shot === undefined ? '' : ` (${shot.sort}, ${shot.delivery}): ${shot.bytes.toString().slice(0, 2_000)}`}\n` +
        `again: npm run fuzz -- --seed ${seed} --lane ${number}; this frame alone: add --frame ${index}`,
    );
    this.#changed();
  }
}
