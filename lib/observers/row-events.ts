import { randomUUID } from 'node:crypto';

import type { Association, Model, ModelStatic } from 'sequelize';

import type { ChannelLayer } from '../layers/channel-layer.js';
import type { Deliver, Renewed } from './audience.js';
import { Audiences, type Message } from './audiences.js';
import { checkModel, observeChanges } from '../changes/model-changes.js';
import { isShared, reportError, watch, type Watcher } from './open-layers.js';
import { once } from './once.js';
import { fromMessage, Heard } from './other-processes.js';
import { now, tick } from './subscription.js';
import { type ChangeListener, keyOf, type PrimaryKey, type RowChange } from '../changes/row-change.js';
import { RowReader } from '../changes/row-reader.js';

/** What has become of a row, as one group is told. */
export type RowAction = 'create' | 'update' | 'delete';

/** What one group is told of a change. */
export interface RowPart {
  readonly group: string;
  readonly action: RowAction;
  /** Whether the row has left the group: its new state is not the group's to see. */
  readonly isLeft: boolean;
}

/** A committed change of a row, here or in another process. */
export interface RowEvent {
  /** The primary key as JSON has it. */
  readonly pk: string | number;
  /** The row as it is, or the last state of one that was deleted; undefined if nobody here knows it. */
  readonly row: () => Promise<Model | undefined>;
  /** What a deleted row was shown as where it was deleted. */
  readonly lastBody?: unknown;
}

/** How an observer tells changes. */
export interface RowTelling {
  /** The groups that a row is in. */
  readonly groupsOf: (row: Model) => readonly string[];
  /** Whether groups depend on more than the primary key, so that the row as it was matters. */
  readonly movesRows: boolean;
  readonly manyToMany: () => readonly Association[];
  /** Rows of one transaction that are published one by one; above it, subscribers get a `resync`. @default 10,000 */
  readonly maxRows?: number | undefined;
  /** Prepares once what the subscriptions of a group get; undefined if they get nothing. */
  readonly prepare: (event: RowEvent, part: RowPart) => Promise<Deliver | undefined>;
  /** What a row that is about to be told as deleted is shown as to other processes, which can't read it any more. */
  readonly lastBody: (event: RowEvent) => Promise<unknown>;
}

/** Rows of one transaction that are published one by one. */
export const MAX_ROWS = 10_000;

/** Events of other processes that are kept until all of their messages have come. */
const MAX_OTHERS = 100;

/** Tells the subscriptions of one observer of the rows of a model. */
export class RowEvents implements Watcher, ChangeListener {
  readonly audiences: Audiences;
  readonly #model: ModelStatic<Model>;
  readonly #telling: RowTelling;
  /** The last events of other processes: each comes in a message for each of its groups. */
  readonly #others = new Map<string, RowEvent>();
  readonly #heard = new Heard();
  /** What was read again last. */
  readonly #readings = new Map<string, Reading>();
  /** The rows of the next changes are read after this moment, at which the last ones were told. */
  #readFrom = 0;
  #stop: (() => void) | undefined;

  /** @throws TypeError if the model has no primary key of one column */
  constructor(model: ModelStatic<Model>, name: string, telling: RowTelling) {
    checkModel(model);
    this.#model = model;
    this.#telling = telling;
    this.audiences = new Audiences(name, (group, message) => {
      this.#receive(group, message);
    });
    watch(this);
  }

  start(): void {
    this.#stop = observeChanges(this.#model, this);
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  gap(layer: ChannelLayer): void {
    this.audiences.resync(layer);
  }

  closed(layer: ChannelLayer): void {
    this.audiences.forget(layer);
  }

  wanted(): boolean {
    return isShared() || !this.audiences.isEmpty;
  }

  needsBefore(): boolean {
    return this.#telling.movesRows && this.wanted();
  }

  get maxRows(): number {
    return this.#telling.maxRows ?? MAX_ROWS;
  }

  get manyToMany(): readonly Association[] {
    return this.#telling.manyToMany();
  }

  committed(changes: readonly RowChange[]): void {
    let hasFailed = false;
    for (const change of changes) {
      if (this.#telling.movesRows && change.kind === 'delete' && change.before === undefined) {
        // It is gone, and nothing says which groups it was in.
        hasFailed = true;
        continue;
      }
      try {
        this.#tell(change);
      } catch (error) {
        // Nobody knows which groups it concerns.
        hasFailed = true;
        reportError(error);
      }
    }
    if (hasFailed) this.missed();
    // Behind all changes that were read together.
    queueMicrotask(() => {
      this.#readFrom = now();
    });
  }

  missed(): void {
    this.audiences.missed();
  }

  failed(error: unknown): void {
    reportError(error);
  }

  #tell(change: RowChange): void {
    const shared = isShared();
    const { after, pk } = change;
    const isGone = change.kind === 'delete';
    const readAt = shared ? tick() : this.#readFrom;
    const event: RowEvent = {
      pk: toJsonKey(pk),
      // Where other processes write as well, what was read here may be older than what they have told of since.
      row: shared && !isGone ? once(() => this.#read(pk)) : () => Promise.resolve(after),
    };
    const parts = this.#partsOf(change);
    if (shared) this.audiences.tellOthers(() => this.#messages(event, parts));
    this.#deliver(event, parts, { pk, readAt, shared });
  }

  /** What it left, what it stays in, what it enters: in this order. */
  #partsOf({ kind, before, after }: RowChange): RowPart[] {
    const { groupsOf } = this.#telling;
    const present = new Set(groupsOf(after));
    const former = new Set(before === undefined || kind === 'create' ? present : groupsOf(before));
    const parts = (groups: ReadonlySet<string>, action: RowAction, isLeft: boolean): RowPart[] =>
      [...groups].map((group) => ({ group, action, isLeft }));
    if (kind === 'create') return parts(present, 'create', false);
    const left = parts(difference(former, present), 'delete', true);
    const stayed = difference(former, difference(former, present));
    // A row that moved and was deleted in one transaction was never seen where it went.
    if (kind === 'delete') return [...left, ...parts(stayed, 'delete', false)];
    return [...left, ...parts(stayed, 'update', false), ...parts(difference(present, former), 'create', false)];
  }

  #deliver(event: RowEvent, parts: readonly RowPart[], { pk, readAt, shared }: Origin): void {
    const { prepare } = this.#telling;
    const toldAt = tick();
    const again = async (part: RowPart, from: number): Promise<Renewed> => {
      const read = this.#readAgain(pk, Math.max(from, toldAt));
      const deliver = await prepare(read.event, part);
      return { deliver, from: read.from, until: await read.until() };
    };
    this.audiences.tell(
      parts.map((part) => ({
        group: part.group,
        prepare: async () => (shared && (await this.#isBack(event, part, pk)) ? undefined : prepare(event, part)),
        ...(part.action !== 'delete' && { renew: { readAt, prepare: (from) => again(part, from) } }),
      })),
    );
  }

  /** Reads a row no earlier than from a moment on; once for all that ask for it together. */
  #readAgain(pk: PrimaryKey, from: number): Reading {
    const key = keyOf(pk);
    const last = this.#readings.get(key);
    if (last !== undefined && last.from >= from) return last;
    const row = once(() => this.#read(pk));
    const reading = { from: tick(), event: { pk: toJsonKey(pk), row }, until: once(() => row().then(tick)) };
    void reading.until().catch(() => undefined);
    this.#readings.delete(key);
    this.#readings.set(key, reading);
    const [oldest] = this.#readings.keys();
    if (this.#readings.size > MAX_OTHERS && oldest !== undefined) this.#readings.delete(oldest);
    return reading;
  }

  /** Whether a row that was deleted, or has left a group, is in it again: another process may have told of that before. */
  async #isBack(event: RowEvent, { action, isLeft, group }: RowPart, pk: PrimaryKey): Promise<boolean> {
    if (action !== 'delete') return false;
    const row = await (isLeft ? event.row() : this.#read(pk));
    return row !== undefined && this.#telling.groupsOf(row).includes(group);
  }

  async #messages(event: RowEvent, parts: readonly RowPart[]): Promise<readonly Message[]> {
    const id = randomUUID();
    const isGone = parts.some(isRealDelete);
    const body = isGone ? await this.#telling.lastBody(event) : undefined;
    return parts.map((part) => {
      const { group, action, isLeft } = part;
      return [group, { id, pk: event.pk, action, isLeft, ...(isRealDelete(part) && { body }) }];
    });
  }

  #receive(group: string, text: string): void {
    const message = parseMessage(text);
    if (message === undefined || !this.#heard.isNew(message.id, group)) return;
    const { id, pk, action, isLeft, body } = message;
    const event = this.#others.get(id) ?? { pk, row: once(() => this.#read(pk)) };
    this.#others.set(id, event);
    const [oldest] = this.#others.keys();
    if (this.#others.size > MAX_OTHERS && oldest !== undefined) this.#others.delete(oldest);
    const part = { group, action, isLeft };
    const told = isRealDelete(part) ? { pk, row: () => Promise.resolve(undefined), lastBody: body } : event;
    this.#deliver(told, [part], { pk, readAt: tick(), shared: true });
  }

  #read(pk: PrimaryKey): Promise<Model | undefined> {
    return RowReader.of(this.#model).read(pk);
  }
}

/** A row that is read again. */
interface Reading {
  readonly event: RowEvent;
  readonly from: number;
  readonly until: () => Promise<number>;
}

/** Where an event comes from. */
interface Origin {
  readonly pk: PrimaryKey;
  /** The moment after which its row was read. */
  readonly readAt: number;
  /** Whether other processes write as well. */
  readonly shared: boolean;
}

/** What other processes are told of an event in one group. */
interface Told {
  /** Of the event. */
  readonly id: string;
  readonly pk: string | number;
  readonly action: RowAction;
  readonly isLeft: boolean;
  readonly body?: unknown;
}

/** A message of another process; what is none is ignored. */
function parseMessage(text: string): Told | undefined {
  const { id, pk, action, isLeft, body } = fromMessage(text) ?? {};
  if (typeof id !== 'string' || (typeof pk !== 'string' && typeof pk !== 'number') || typeof isLeft !== 'boolean')
    return undefined;
  if (action !== 'create' && action !== 'update' && action !== 'delete') return undefined;
  return { id, pk, action, isLeft, body };
}

/** Whether the row has gone, and not only from the group. */
function isRealDelete({ action, isLeft }: RowPart): boolean {
  return action === 'delete' && !isLeft;
}

function difference(one: ReadonlySet<string>, other: ReadonlySet<string>): Set<string> {
  return new Set([...one].filter((group) => !other.has(group)));
}

/** A primary key as JSON has it. */
export function toJsonKey(pk: PrimaryKey): string | number {
  return typeof pk === 'number' ? pk : keyOf(pk);
}
