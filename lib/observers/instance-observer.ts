import type { Association, Model, ModelStatic } from 'sequelize';

import { formatEvent, success } from '../protocol/envelope.js';
import { ValidationError } from '../protocol/errors.js';
import { isPrimaryKey, keyOf } from '../changes/row-change.js';
import type { Deliver } from './audience.js';
import type { ConsumerContext } from './consumer-context.js';
import { nameFor } from './observer-name.js';
import { type RowEvent, RowEvents, type RowPart, toJsonKey } from './row-events.js';
import type { ReadRow, Subscription } from './subscription.js';
import { requestIdOf, type State, type SubscribeOptions, Subscriptions } from './subscriptions.js';

/** What an {@link InstanceObserver} is made of. */
export interface InstanceObserverParts {
  readonly model: ModelStatic<Model>;
  readonly serialize: (row: Model) => Promise<unknown>;
  /** Whether not all rows exist for every client. */
  readonly isNarrow: boolean;
  /** Many-to-many relations whose changes are updates of a row. */
  readonly manyToMany: () => readonly Association[];
}

/** Committed changes of single rows, as clients subscribe to them by `subscribe_instance`. */
export class InstanceObserver {
  readonly #parts: InstanceObserverParts;
  readonly #subscriptions: Subscriptions;

  /** @throws TypeError if the model has no primary key of one column */
  constructor(parts: InstanceObserverParts) {
    const { model, manyToMany } = parts;
    this.#parts = parts;
    const events = new RowEvents(model, nameFor(`${model.name} instances`), {
      groupsOf: (row) => [groupOf(row.get(model.primaryKeyAttribute))],
      movesRows: false,
      manyToMany,
      prepare: (event, part) => this.#prepare(event, part),
      lastBody: () => Promise.resolve(undefined),
    });
    this.#subscriptions = new Subscriptions(events.audiences);
  }

  /**
   * @param readRow - reads the row as this client may see it
   * @throws {@link ValidationError} without a request_id that events can be told apart by
   */
  async subscribe(ctx: ConsumerContext, pk: unknown, options: SubscribeOptions, readRow: ReadRow): Promise<void> {
    if (requestIdOf(ctx, options) === null) throw new ValidationError({ request_id: ['This field is required.'] });
    const state = options.snapshot === true ? () => this.#stateOf(pk, readRow) : undefined;
    await this.#subscriptions.subscribe(ctx, [groupOf(pk)], options, { state, ...(this.#parts.isNarrow && { readRow }) });
  }

  /** Ends the subscription of that request_id to the row; all of the connection to it without one. */
  async unsubscribe(ctx: ConsumerContext, pk: unknown, options: SubscribeOptions): Promise<void> {
    await this.#subscriptions.unsubscribe(ctx, [groupOf(pk)], options);
  }

  async #prepare(event: RowEvent, { action }: RowPart): Promise<Deliver | undefined> {
    const gone = formatEvent('delete', success({ pk: event.pk }, 204));
    if (action === 'delete') return (subscriptions) => hideFrom(subscriptions, gone);
    if (this.#parts.isNarrow) return (subscriptions) => this.#deliverOwn(subscriptions, gone);
    const row = await event.row();
    if (row === undefined) return undefined;
    const outcome = success(await this.#parts.serialize(row), 200);
    const [update, create] = [formatEvent('update', outcome), formatEvent('create', outcome)];
    return (subscriptions) => {
      for (const one of subscriptions) showTo(one, one.isVisible ? update : create);
      return undefined;
    };
  }

  /** Each subscription sees the row as its own queryset has it, which may be not at all. */
  async #deliverOwn(subscriptions: readonly Subscription[], gone: FrameFor): Promise<void> {
    for (const one of subscriptions) {
      try {
        const row = await one.readRow?.();
        if (row === undefined) hideFrom([one], gone);
        else showTo(one, formatEvent(one.isVisible ? 'update' : 'create', success(await this.#parts.serialize(row), 200)));
      } catch (error) {
        one.subscriber.onError(error);
        one.lost();
      }
    }
  }

  async #stateOf(pk: unknown, readRow: ReadRow): Promise<State> {
    const row = await readRow();
    if (row !== undefined) {
      return { action: 'snapshot', outcome: success(await this.#parts.serialize(row), 200), isVisible: true };
    }
    return { action: 'delete', outcome: success({ pk: isPrimaryKey(pk) ? toJsonKey(pk) : pk }, 204), isVisible: false };
  }
}

/** The group of a row, by its primary key. */
function groupOf(pk: unknown): string {
  return isPrimaryKey(pk) ? keyOf(pk) : String(pk);
}

type FrameFor = (idText: string) => string;

function showTo(one: Subscription, frameFor: FrameFor): void {
  one.isVisible = true;
  one.send(frameFor);
}

/** That a row has gone is told once. */
function hideFrom(subscriptions: readonly Subscription[], frameFor: FrameFor): undefined {
  for (const one of subscriptions) {
    if (!one.isVisible) continue;
    one.isVisible = false;
    one.send(frameFor);
  }
}
