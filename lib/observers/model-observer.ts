import type { Association, Model, ModelStatic } from 'sequelize';

import { checkModel } from '../changes/model-changes.js';
import { success, toJson } from '../protocol/envelope.js';
import { checkKeys, unexpected } from '../protocol/options.js';
import type { Deliver } from './audience.js';
import type { ConsumerContext } from './consumer-context.js';
import { deliverer } from './deliverer.js';
import { toGroups } from './group-names.js';
import { listsOf } from './model-lists.js';
import { nameFor } from './observer-name.js';
import { checkObserver, type ObserverArguments } from './observer-options.js';
import { MAX_ROWS, type RowAction, type RowEvent, RowEvents, type RowPart } from './row-events.js';
import { type State, type SubscribeOptions, Subscriptions } from './subscriptions.js';

/** For whom a row is shown, and why. */
export interface ViewOf<View> {
  /** What has become of the row; `snapshot` where it is part of the present state. */
  readonly action: RowAction | 'snapshot';
  /** What the observer's `view` has returned; undefined without it. */
  readonly view: View;
}

/** An event as an observer's `deliver` is given it. */
export interface DeliveredEvent<Body> {
  /** `create`, `update` or `delete`, as it is for the group. */
  readonly action: RowAction;
  /** What `serialize` has made of the row; `{ pk }` of one that has left the group. */
  readonly body: Body | { readonly pk: string | number };
  /** The row's primary key. */
  readonly pk: string | number;
  /** The group that the event goes to. */
  readonly group: string;
  /** Under which request_ids the connection has subscribed to the group; one without any is not among them. */
  readonly requestIds: readonly (string | number | boolean)[];
}

/** Options of {@link modelObserver}. */
export interface ModelObserverOptions<M extends Model, Args, Body, View> {
  /** What it is called among processes that share a bus; the same in all of them. @default the model's name and a number */
  readonly name?: string;
  /**
   * What a row is shown as: once for each event and view, whatever the number of subscribers. Show its key as `pk`: a group that the row has
   * left is told `{ pk }` alone. @default { pk }
   */
  readonly serialize?: (row: M, details: ViewOf<View>) => Body | Promise<Body>;
  /** The groups that a row is in, from its own columns. @default one group of all rows */
  readonly groupsForSignal?: (row: M) => Iterable<string | number>;
  /** The groups that a subscription is for. Its arguments are those of `subscribe`. @default the group of all rows */
  readonly groupsForConsumer?: (args: Args, ctx: ConsumerContext) => Iterable<string | number>;
  /**
   * What rows are shown by to this connection, a role for instance; a deleted row is `{ pk }` then. Views are compared as the keys of a Map
   * are. Written above `serialize`, it says the type of the view there. @default all see the same
   */
  readonly view?: (ctx: ConsumerContext) => View;
  /** Whether changes of its many-to-many relations are updates of a row: true, or the names of those. @default false */
  readonly manyToMany?: boolean | readonly string[];
  /**
   * Rows of one transaction that are published one by one. If more have changed, subscribers get one `resync` in place of them, and read again.
   * @default 10,000
   */
  readonly maxRows?: number;
  /** The rows that a subscription which asks for the present state begins with. @default none */
  readonly snapshot?: (args: Args, ctx: ConsumerContext) => readonly M[] | Promise<readonly M[]>;
  /** Sends an event to a connection. @default an envelope for each request_id */
  readonly deliver?: (ctx: ConsumerContext, event: DeliveredEvent<Body>) => unknown;
}

/** Committed changes of a model, as clients subscribe to them. */
export interface ModelObserver<Args> {
  /**
   * From now on the connection gets the events of the groups, under the request_id of its frame.
   *
   * @param ctx - the context of the action that subscribes
   * @param rest - first the arguments for `groupsForConsumer` (`{}` or nothing without it), then {@link SubscribeOptions}
   * @returns the groups
   * @throws ValidationError for a request_id that is a list or an object
   * @throws Throttled if the connection has 1,000 subscriptions with the observer
   *
   * @example
   * await comments.subscribe(ctx, { post: 5 }, { snapshot: true });
   */
  subscribe(ctx: ConsumerContext, ...rest: ObserverArguments<Args>): Promise<readonly string[]>;
  /**
   * Ends the subscription of that request_id in the groups; without a request_id all of the connection.
   *
   * @param ctx - the context of the action that unsubscribes
   * @param rest - as in `subscribe`
   * @returns the groups
   */
  unsubscribe(ctx: ConsumerContext, ...rest: ObserverArguments<Args>): Promise<readonly string[]>;
}

const KEYS = [
  'name',
  'serialize',
  'groupsForSignal',
  'groupsForConsumer',
  'view',
  'manyToMany',
  'maxRows',
  'snapshot',
  'deliver',
];

/**
 * Observes the committed changes of a Sequelize model. Make it when the models are there, once for all connections.
 *
 * @throws TypeError for options that can't be meant, or a model without a primary key of one column
 *
 * @example
 * const comments = modelObserver(Comment, {
 *   serialize: (comment) => CommentSerializer.serialize(comment),
 *   groupsForSignal: (comment) => [`post-${comment.postId}`],
 *   groupsForConsumer: ({ post }: { post: number }) => [`post-${post}`],
 * });
 * const Posts = modelConsumer(Post, {
 *   serializer: PostSerializer,
 *   actions: { follow: action((ctx, args) => comments.subscribe(ctx, args), { schema: z.object({ post: z.number() }) }) },
 * });
 */
export function modelObserver<M extends Model, Args = undefined, Body = { pk: string | number }, View = undefined>(
  model: ModelStatic<M>,
  options?: ModelObserverOptions<M, Args, Body, View>,
): ModelObserver<Args>;
/** @internal For any model: the types above are for those who write the options. */
export function modelObserver(
  model: ModelStatic<Model>,
  options: ModelObserverOptions<Model, unknown, unknown, unknown> = {},
): ModelObserver<unknown> {
  checkOptions(model, options);
  return new ObserverOfRows(model, options);
}

class ObserverOfRows implements ModelObserver<unknown> {
  readonly #model: ModelStatic<Model>;
  readonly #options: ModelObserverOptions<Model, unknown, unknown, unknown>;
  readonly #subscriptions: Subscriptions;
  readonly #shown = new WeakMap<RowEvent, Map<string, Map<unknown, Promise<string>>>>();

  constructor(model: ModelStatic<Model>, options: ModelObserverOptions<Model, unknown, unknown, unknown>) {
    this.#model = model;
    this.#options = options;
    const { groupsForSignal, manyToMany = false, maxRows } = options;
    const events = new RowEvents(model, nameFor(model.name, options.name), {
      groupsOf: (row) => this.#groupsOf(row),
      movesRows: groupsForSignal !== undefined,
      maxRows,
      manyToMany: (): readonly Association[] => listsOf(model, manyToMany),
      prepare: (event, part) => this.#prepare(event, part),
      lastBody: async (event): Promise<unknown> =>
        options.view === undefined ? JSON.parse(await this.#text(event, 'delete', undefined)) : undefined,
    });
    this.#subscriptions = new Subscriptions(events.audiences);
  }

  async subscribe(ctx: ConsumerContext, args?: unknown, options: SubscribeOptions = {}): Promise<readonly string[]> {
    const groups = this.#groups(args, ctx);
    const state = options.snapshot === true ? this.#stateFor(args, ctx) : undefined;
    await this.#subscriptions.subscribe(ctx, groups, options, { state });
    return groups;
  }

  async unsubscribe(ctx: ConsumerContext, args?: unknown, options: SubscribeOptions = {}): Promise<readonly string[]> {
    const groups = this.#groups(args, ctx);
    await this.#subscriptions.unsubscribe(ctx, groups, options);
    return groups;
  }

  #groups(args: unknown, ctx: ConsumerContext): readonly string[] {
    const { groupsForConsumer } = this.#options;
    if (groupsForConsumer === undefined) return [''];
    return toGroups(`\`groupsForConsumer\` of the observer of ${this.#model.name}`, groupsForConsumer(args ?? {}, ctx));
  }

  #groupsOf(row: Model): readonly string[] {
    const { groupsForSignal } = this.#options;
    if (groupsForSignal === undefined) return [''];
    return toGroups(`\`groupsForSignal\` of the observer of ${this.#model.name}`, groupsForSignal(row));
  }

  async #prepare(event: RowEvent, { group, action, isLeft }: RowPart): Promise<Deliver | undefined> {
    const { view } = this.#options;
    if (isLeft) return this.#deliverer(event, group, action, toJson({ pk: event.pk }));
    if (action === 'delete') return this.#deliverer(event, group, action, await this.#lastText(event));
    const row = await event.row();
    // What other processes wrote meanwhile may have taken the row away, or out of the group.
    if (row === undefined || !this.#groupsOf(row).includes(group)) return undefined;
    if (view === undefined) return this.#deliverer(event, group, action, await this.#text(event, action, undefined));
    return async (subscriptions) => {
      const [one] = subscriptions;
      if (one === undefined) return;
      const text = await this.#text(event, action, view(one.subscriber.context));
      await this.#deliverer(event, group, action, text)(subscriptions);
    };
  }

  async #lastText(event: RowEvent): Promise<string> {
    if (this.#options.view !== undefined) return toJson({ pk: event.pk });
    if ((await event.row()) !== undefined) return this.#text(event, 'delete', undefined);
    return toJson(event.lastBody ?? { pk: event.pk });
  }

  #deliverer({ pk }: RowEvent, group: string, action: RowAction, text: string): Deliver {
    const { deliver } = this.#options;
    return deliverer(action, text, deliver && ((ctx, event) => deliver(ctx, { action, pk, group, ...event })));
  }

  /** The row as JSON, made once for each action and view. */
  #text(event: RowEvent, action: RowAction, view: unknown): Promise<string> {
    const byAction = this.#shown.get(event) ?? new Map<string, Map<unknown, Promise<string>>>();
    this.#shown.set(event, byAction);
    const byView = byAction.get(action) ?? new Map<unknown, Promise<string>>();
    byAction.set(action, byView);
    const known = byView.get(view) ?? this.#show(event, { action, view });
    byView.set(view, known);
    return known;
  }

  async #show(event: RowEvent, details: ViewOf<unknown>): Promise<string> {
    const { serialize } = this.#options;
    const row = await event.row();
    return toJson(row === undefined || serialize === undefined ? { pk: event.pk } : await serialize(row, details));
  }

  #stateFor(args: unknown, ctx: ConsumerContext): () => Promise<State> {
    const { snapshot, serialize = (row: Model) => ({ pk: row.get(this.#model.primaryKeyAttribute) }), view } = this.#options;
    if (snapshot === undefined)
      throw new TypeError('Expected the observer to have a `snapshot`, which the subscription asks for.');
    return async () => {
      const details = { action: 'snapshot', view: view?.(ctx) } as const;
      const rows = await snapshot(args ?? {}, ctx);
      const shown: unknown[] = [];
      for (const row of rows) shown.push(await serialize(row, details));
      return { action: 'snapshot', outcome: success(shown, 200), isVisible: true };
    };
  }
}

function checkOptions(model: ModelStatic<Model>, options: ModelObserverOptions<Model, unknown, unknown, unknown>): void {
  checkModel(model);
  checkKeys('modelObserver()', options, KEYS);
  const { manyToMany = false, maxRows = MAX_ROWS, ...others } = options;
  if (!Number.isSafeInteger(maxRows) || maxRows < 1)
    throw unexpected('`maxRows` of modelObserver()', 'an integer from 1 on', maxRows);
  checkObserver(others);
  listsOf(model, manyToMany);
}
