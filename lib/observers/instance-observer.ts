import type { Association, Model, ModelStatic } from 'sequelize';

import { formatEvent, success } from '../protocol/envelope.js';
import { ValidationError } from '../protocol/errors.js';
import type { Deliver } from './audience.js';
import type { ConsumerContext } from './consumer-context.js';
import { nameFor } from './observer-name.js';
import { type RowEvent, RowEvents, type RowPart } from './row-events.js';
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
    const keyOf = (row: Model): string => String(row.get(model.primaryKeyAttribute));
    this.#parts = parts;
    const events = new RowEvents(model, nameFor(`${model.name} instances`), {
      groupsOf: (row) => [keyOf(row)],
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
  async subscribe(ctx: ConsumerContext, key: string, options: SubscribeOptions, readRow: ReadRow): Promise<void> {
    if (requestIdOf(ctx, options) === null) throw new ValidationError({ request_id: ['This field is required.'] });
    const state = options.snapshot === true ? () => this.#stateOf(key, readRow) : undefined;
    await this.#subscriptions.subscribe(ctx, [key], options, { state, ...(this.#parts.isNarrow && { readRow }) });
  }

  /** Ends the subscription of that request_id to the row; all of the connection to it without one. */
  async unsubscribe(ctx: ConsumerContext, key: string, options: SubscribeOptions): Promise<void> {
    await this.#subscriptions.unsubscribe(ctx, [key], options);
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
        one.subscriber.send(formatEvent('resync', success(null, 200))(one.idText));
      }
    }
  }

  async #stateOf(pk: string | number, readRow: ReadRow): Promise<State> {
    const row = await readRow();
    if (row === undefined) return { action: 'delete', outcome: success({ pk }, 204) };
    return { action: 'snapshot', outcome: success(await this.#parts.serialize(row), 200) };
  }
}

type FrameFor = (idText: string) => string;

function showTo(one: Subscription, frameFor: FrameFor): void {
  one.isVisible = true;
  one.subscriber.send(frameFor(one.idText));
}

/** That a row has gone is told once. */
function hideFrom(subscriptions: readonly Subscription[], frameFor: FrameFor): undefined {
  for (const one of subscriptions) {
    if (!one.isVisible) continue;
    one.isVisible = false;
    one.subscriber.send(frameFor(one.idText));
  }
}
