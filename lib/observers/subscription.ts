import type { Model } from 'sequelize';

import { formatEvent, success, toJson } from '../protocol/envelope.js';
import { ValidationError } from '../protocol/errors.js';
import type { Subscriber } from './subscriber.js';

/** What a client may have its events told apart by: any JSON value but a list and an object; null for none. */
export type RequestId = string | number | boolean | null;

/** Reads a row; undefined if there is none, or none that may be seen. */
export type ReadRow = () => Promise<Model | undefined>;

/** The frame that tells a client to read again, for the JSON text of a request_id. */
const resyncFrame = formatEvent('resync', success(null, 200));

/** That one connection gets the events of a group, under one request_id. */
export class Subscription {
  readonly subscriber: Subscriber;
  readonly requestId: RequestId;
  /** Reads the row of the subscription as its client may see it; only there if that differs between clients. */
  readonly readRow: ReadRow | undefined;
  readonly #idText: string;
  /** What was told up to this moment is none of its events. */
  since = now();
  /** The moment until which the newest state was read that the client has: what was read before may be older. */
  seenAt = -1;
  /** The moment from which on that was read; what is read again no earlier is no older. */
  seenFrom = -1;
  /** Whether the client has the row that it is subscribed to. */
  isVisible = true;
  isOver = false;
  #resyncs = false;

  constructor(subscriber: Subscriber, requestId: RequestId, readRow?: ReadRow) {
    this.subscriber = subscriber;
    this.requestId = requestId;
    this.readRow = readRow;
    this.#idText = toJson(requestId);
  }

  /** @param frameFor - makes the frame for the JSON text of the request_id */
  send(frameFor: (idText: string) => string): void {
    // It may have ended while the frame was made.
    if (!this.isOver) this.subscriber.send(frameFor(this.#idText));
  }

  /** Tells the client, in turn with its frames, that it may have missed events; once if that is said again before it is told. */
  resync(): void {
    if (this.#resyncs) return;
    this.#resyncs = true;
    this.subscriber.enqueue(() => {
      this.#resyncs = false;
      this.lost();
      return undefined;
    });
  }

  /** Tells the client now, in the place of an event that can't be shown. */
  lost(): void {
    this.send(resyncFrame);
  }
}

let clock = 0;

/** The moment; events and subscriptions of this process are put in order by it. */
export function now(): number {
  return clock;
}

/** A new moment, later than all before. */
export function tick(): number {
  clock += 1;
  return clock;
}

/** @throws {@link ValidationError} for a list or an object */
export function toRequestId(given: unknown): RequestId {
  if (given === undefined || given === null) return null;
  if (typeof given === 'string' || typeof given === 'number' || typeof given === 'boolean') return given;
  throw new ValidationError({ request_id: ['Expected a text, a number, true or false.'] });
}
