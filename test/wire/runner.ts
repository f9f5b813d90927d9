import { EventEmitter, once } from 'node:events';
import { setTimeout as pass } from 'node:timers/promises';

import { difference } from './match.js';
import type { ExpectedFrame, Json, Operation, Scenario, Step } from './scenario.js';
import { type Received, WireSocket } from './wire-socket.js';

// The format's own times: how long silence lasts, and how long one frame too many is waited for. The latter is waited once, at the end:
// what comes too late for its step is one too many for the next.
const EXTRA_MS = 25;
const SILENCE_MS = 80;
const LATEST_MS = 5_000;

/**
 * Plays one scenario against a server.
 *
 * @param latestMs - milliseconds after which what has not come counts as missing
 * @throws Error that says at which step the server did something else
 */
export async function play(scenario: Scenario, port: number, latestMs = LATEST_MS): Promise<void> {
  const run = new Run(scenario, port, latestMs);
  try {
    await run.play();
  } finally {
    run.cut();
  }
}

class Run {
  readonly #scenario: Scenario;
  readonly #port: number;
  readonly #latestMs: number;
  readonly #sockets = new Map<string, WireSocket>();
  readonly #events = new EventEmitter();

  constructor(scenario: Scenario, port: number, latestMs: number) {
    this.#scenario = scenario;
    this.#port = port;
    this.#latestMs = latestMs;
  }

  async play(): Promise<void> {
    const { steps, setup = [] } = this.#scenario;
    await this.#post('/reset', {});
    if (setup.length > 0) await this.#control(setup);
    if (steps[0]?.connect !== 'a') await this.#connect({ connect: 'a', accepted: true, ...asOf(this.#scenario) });
    for (const [index, step] of steps.entries()) {
      try {
        await this.#step(step);
      } catch (error) {
        throw new Error(`Step ${String(index + 1)}, ${JSON.stringify(step)}: ${String(error)}`, { cause: error });
      }
    }
    await pass(EXTRA_MS);
    this.#check([], {});
  }

  cut(): void {
    for (const socket of this.#sockets.values()) socket.cut();
  }

  async #step(step: Step): Promise<void> {
    await this.#act(step);
    if (step.pipelined === true) return;
    const { expect, closed = [], wait } = step;
    if (wait !== undefined) await pass(wait);
    else if (expect !== undefined || closed.length > 0) await this.#await(expect ?? [], closed);
    else return;
    this.#check(expect ?? [], step);
  }

  async #act(step: Step): Promise<void> {
    if (step.connect !== undefined) await this.#connect(step);
    if (step.disconnect !== undefined) await this.#socket(step.disconnect).close(step.code ?? 1000);
    if (step.op !== undefined) await this.#operate(step.op, step.rows);
    const socket = (): WireSocket => this.#socket(step.conn ?? 'a');
    if (step.sendText !== undefined) socket().send(step.sendText);
    if (step.sendParts !== undefined) socket().send(step.sendParts.map(([text, times]) => text.repeat(times)).join(''));
    if (step.sendBinary !== undefined) socket().send(Buffer.from(step.sendBinary, 'base64'));
    if (step.send === undefined) return;
    const frames: readonly Json[] = step.burst === true && Array.isArray(step.send) ? step.send : [step.send];
    for (const frame of frames) socket().send(JSON.stringify(frame));
  }

  async #connect({
    connect: name = 'a',
    consumer = this.#scenario.consumer,
    as,
    headers = {},
    accepted,
    handshake,
  }: Step): Promise<void> {
    const query = as === undefined ? '' : `?as=${encodeURIComponent(as)}`;
    const opened = await WireSocket.open(`ws://127.0.0.1:${String(this.#port)}/${consumer}${query}`, headers, () =>
      this.#events.emit('change'),
    );
    if (typeof opened === 'number') {
      if (accepted === true) throw new Error(`The handshake was refused with ${String(opened)}.`);
      const unlike = difference(handshake?.status ?? { $any: true }, opened, 'status');
      if (unlike !== undefined) throw new Error(unlike);
      return;
    }
    this.#sockets.set(name, opened);
    if (accepted !== true) throw new Error('The handshake was accepted.');
  }

  async #operate(operation: Operation, rows: Json | undefined): Promise<void> {
    const [result] = await this.#control([operation]);
    const unlike = rows === undefined ? undefined : difference(rows, result, 'rows');
    if (unlike !== undefined) throw new Error(unlike);
  }

  /** Waits for all that is expected, and then for one too many. */
  async #await(expected: readonly ExpectedFrame[], closed: NonNullable<Step['closed']>): Promise<void> {
    const isThere = (): boolean =>
      [...this.#sockets].every(([name, { count }]) => count >= expected.filter(({ conn }) => conn === name).length) &&
      closed.every(({ conn }) => this.#socket(conn).closedWith !== undefined);
    const signal = AbortSignal.timeout(this.#latestMs);
    while (!isThere() && !signal.aborted) await once(this.#events, 'change', { signal }).catch(() => undefined);
    if (expected.length + closed.length === 0) await pass(SILENCE_MS);
    else await Promise.all([...this.#sockets.values()].map((socket) => socket.flush()));
  }

  /** Exactly these frames have arrived, and exactly these connections were closed. */
  #check(expected: readonly ExpectedFrame[], { closed = [], unordered, order }: Step): void {
    for (const [name, socket] of this.#sockets) {
      const ofIt = expected.filter(({ conn }) => conn === name);
      const unlike = compare(ofIt, socket.take(), unordered === true ? 'any' : (order ?? 'listed'));
      if (unlike !== undefined) throw new Error(`Connection ${name}: ${unlike}`);
      const code = closed.find(({ conn }) => conn === name)?.code;
      if (!socket.left && socket.closedWith !== code) {
        throw new Error(
          `Connection ${name}: expected ${code === undefined ? 'no close' : `close ${String(code)}`}, got ${String(socket.closedWith)}.`,
        );
      }
      if (code !== undefined) socket.left = true;
    }
    const unknown = expected.find(({ conn }) => !this.#sockets.has(conn));
    if (unknown !== undefined) throw new Error(`There is no connection ${unknown.conn}.`);
  }

  #socket(name: string): WireSocket {
    const socket = this.#sockets.get(name);
    if (socket === undefined) throw new Error(`There is no connection ${name}.`);
    return socket;
  }

  async #control(ops: readonly Operation[]): Promise<readonly unknown[]> {
    const answer = await this.#post('/control', { ops });
    if (typeof answer !== 'object' || answer === null || !('results' in answer) || !Array.isArray(answer.results)) {
      throw new Error(`/control answered ${JSON.stringify(answer)}.`);
    }
    const results: readonly unknown[] = answer.results;
    return results;
  }

  async #post(path: string, body: object): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${String(this.#port)}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (response.status !== 200) throw new Error(`${path} answered ${String(response.status)}: ${await response.text()}`);
    return response.json();
  }
}

function asOf({ as }: Scenario): Pick<Step, 'as'> {
  return as === undefined ? {} : { as };
}

function compare(
  expected: readonly ExpectedFrame[],
  actual: readonly Received[],
  order: 'listed' | 'any' | 'request_id',
): string | undefined {
  const unlike = (one: ExpectedFrame, other: Received): string | undefined => {
    if (one.binary !== undefined) return difference({ binary: one.binary }, other);
    return difference({ frame: one.frame ?? null }, other);
  };
  if (expected.length !== actual.length) {
    return `expected ${String(expected.length)} frames, got ${String(actual.length)}: ${JSON.stringify(actual)}`;
  }
  if (order === 'listed') {
    return expected.map((one, index) => unlike(one, actual[index] ?? { frame: undefined })).find((text) => text !== undefined);
  }
  if (order === 'request_id') {
    const lanes = new Set([...expected.map(({ frame }) => laneOf(frame)), ...actual.map(laneOfReceived)]);
    const ofLanes = [...lanes].map((lane) =>
      compare(
        expected.filter(({ frame }) => laneOf(frame) === lane),
        actual.filter((one) => laneOfReceived(one) === lane),
        'listed',
      ),
    );
    return ofLanes.find((text) => text !== undefined);
  }
  return pair(expected, actual, (one, other) => unlike(one, other) === undefined)
    ? undefined
    : `expected in any order ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`;
}

/** Whether each expected frame has a frame of its own. */
function pair(
  expected: readonly ExpectedFrame[],
  actual: readonly Received[],
  fits: (one: ExpectedFrame, other: Received) => boolean,
): boolean {
  const [one, ...more] = expected;
  if (one === undefined) return true;
  return actual.some(
    (other, index) =>
      fits(one, other) &&
      pair(
        more,
        actual.filter((_, at) => at !== index),
        fits,
      ),
  );
}

function laneOfReceived(received: Received): string {
  return 'frame' in received ? laneOf(received.frame) : laneOf(undefined);
}

/** What keeps its order: the frames of one request_id, on one stream. */
function laneOf(frame: unknown): string {
  const outer = keysOf(frame);
  const inner = outer.has('stream') ? keysOf(outer.get('payload')) : outer;
  return JSON.stringify([outer.get('stream') ?? null, inner.get('request_id') ?? null]);
}

/** The keys that a frame, or a matcher of one, has at least. */
function keysOf(frame: unknown): ReadonlyMap<string, unknown> {
  const keys = new Map<string, unknown>(Object.entries(Object(frame) as object));
  return keys.has('$partial') ? keysOf(keys.get('$partial')) : keys;
}
