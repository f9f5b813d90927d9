import type { Model } from 'sequelize';

import { toJson } from '../protocol/envelope.js';
import { ValidationError } from '../protocol/errors.js';
import type { Subscriber } from './subscriber.js';

/** What a client may have its events told apart by: any JSON value but a list and an object; null for none. */
export type RequestId = string | number | boolean | null;

/** That one connection gets the events of a group, under one request_id. */
export interface Subscription {
  readonly subscriber: Subscriber;
  readonly requestId: RequestId;
  /** The request_id as a frame has it. */
  readonly idText: string;
  /** The last moment of which the client knows the state: what was told up to then is none of its events. */
  since: number;
  /** Reads the row of the subscription as its client may see it; only there if that differs between clients. */
  readonly readRow: ReadRow | undefined;
  /** Whether the client has the row that it is subscribed to. */
  isVisible: boolean;
}

/** Reads a row; undefined if there is none, or none that may be seen. */
export type ReadRow = () => Promise<Model | undefined>;

/** A subscription that begins now. */
export function subscription(subscriber: Subscriber, requestId: RequestId, readRow?: ReadRow): Subscription {
  return { subscriber, requestId, idText: toJson(requestId), since: now(), readRow, isVisible: true };
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
