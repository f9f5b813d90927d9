import { EventEmitter } from 'node:events';

import {
  action,
  type Consumer,
  type ConsumerContext,
  crud,
  defineConsumer,
  modelConsumer,
  modelObserver,
  reply,
  signalObserver,
  ValidationError,
} from 'express-channels';

import { neitherUpdateNorDelete } from './model-consumers.js';
import { Comment, Room, Thing } from './models.js';
import type { Serializers } from './serializers.js';

/** The application's signals `ping` and `pong`. */
export const signals = new EventEmitter();

const WITHOUT_ID = { requestId: null };

/** The consumers whose actions subscribe to observers, by the last parts of their paths. */
export function observerConsumers(serializers: Serializers): ReadonlyMap<string, Consumer> {
  return new Map(
    Object.entries({
      ...commentConsumers(serializers),
      ...groupConsumers(serializers),
      ...others(serializers),
      ...signalConsumers(),
    }),
  );
}

function commentConsumers({ CommentSerializer }: Serializers): Readonly<Record<string, Consumer>> {
  const serialize = (comment: Comment) => CommentSerializer.serialize(comment);
  const activity = modelObserver(Comment, { serialize });
  const plain = modelObserver(Comment, {
    deliver: (ctx, { body, requestIds }) => {
      for (const id of requestIds) ctx.send({ message: body, request_id: id });
    },
  });
  const oneFrame = modelObserver(Comment, {
    serialize,
    deliver: (ctx, { body, action: name, requestIds }) => {
      ctx.send({ message: body, action: name, subscribing_request_ids: [...requestIds].sort() });
    },
  });
  const guarded = modelObserver(Comment);
  return {
    comments: modelConsumer(Comment, {
      serializer: CommentSerializer,
      actions: {
        ...crud('list', 'create', 'patch', 'delete'),
        subscribe_to_comment_activity: async (ctx) => {
          await activity.subscribe(ctx);
        },
        unsubscribe_from_comment_activity: async (ctx) => {
          await activity.unsubscribe(ctx);
        },
        unsubscribe_all: async (ctx) => {
          await activity.unsubscribe(ctx, undefined, WITHOUT_ID);
        },
        subscribe_with_reply: async (ctx) => {
          await activity.subscribe(ctx);
          return reply(null, 201);
        },
      },
    }),
    'comments-plain': defineConsumer({
      actions: {
        subscribe_to_comment_activity: async (ctx) => {
          await plain.subscribe(ctx);
        },
      },
    }),
    'comments-no-request-id': defineConsumer({
      actions: {
        subscribe: subscribed((ctx) => oneFrame.subscribe(ctx)),
        subscribe_without_id: subscribed((ctx) => oneFrame.subscribe(ctx, undefined, WITHOUT_ID)),
        unsubscribe: ended((ctx) => oneFrame.unsubscribe(ctx)),
        unsubscribe_without_id: ended((ctx) => oneFrame.unsubscribe(ctx, undefined, WITHOUT_ID)),
      },
    }),
    'comments-guarded': defineConsumer({
      permissions: [neitherUpdateNorDelete],
      actions: { subscribe: subscribed((ctx) => guarded.subscribe(ctx)) },
    }),
  };
}

type Args = Readonly<Record<string, unknown>>;

function groupConsumers({ CommentSerializer }: Serializers): Readonly<Record<string, Consumer>> {
  const byUser = modelObserver(Comment, {
    serialize: async (comment, { action: name }) => ({ ...(await CommentSerializer.serialize(comment)), serialized_for: name }),
    groupsForSignal: ({ userId }) => [userGroup(userId)],
    groupsForConsumer: (args: Args) => (Object.hasOwn(args, 'user_pk') ? [userGroup(args['user_pk'])] : []),
  });
  const manyGroups = modelObserver(Comment, {
    groupsForSignal: ({ userId }) => ['all', userGroup(userId)],
    groupsForConsumer: ({ users }: Args) => {
      if (users === undefined) return ['all'];
      if (!Array.isArray(users)) throw new ValidationError({ users: ['Expected a list.'] });
      return users.map(userGroup);
    },
  });
  return {
    'comments-by-user': modelConsumer(Comment, {
      serializer: CommentSerializer,
      actions: {
        ...crud('patch'),
        subscribe: async (ctx, args) => reply({ groups: (await byUser.subscribe(ctx, args)).length }, 201),
        unsubscribe: ended((ctx, args) => byUser.unsubscribe(ctx, args)),
        unsubscribe_all: ended((ctx, args) => byUser.unsubscribe(ctx, args, WITHOUT_ID)),
      },
    }),
    'comments-multi-group': defineConsumer({
      actions: {
        subscribe: subscribed((ctx, args) => manyGroups.subscribe(ctx, args)),
        unsubscribe: ended((ctx, args) => manyGroups.unsubscribe(ctx, args)),
      },
    }),
  };
}

function others({ ThingSerializer, PlainRoomSerializer }: Serializers): Readonly<Record<string, Consumer>> {
  const [collideA, collideB] = [modelObserver(Thing), modelObserver(Thing)];
  const visible = modelObserver(Thing, {
    serialize: (thing) => ThingSerializer.serialize(thing),
    groupsForSignal: ({ counter }) => (counter >= 0 ? ['visible'] : []),
    groupsForConsumer: () => ['visible'],
  });
  const serialize = (room: Room) => PlainRoomSerializer.serialize(room);
  const rooms = modelObserver(Room, { serialize, manyToMany: true });
  const roomsAlone = modelObserver(Room, { serialize });
  const only = (subscribe: (ctx: ConsumerContext) => Promise<unknown>): Consumer =>
    defineConsumer({ actions: { subscribe: subscribed(subscribe) } });
  return {
    'collide-a': only((ctx) => collideA.subscribe(ctx)),
    'collide-b': only((ctx) => collideB.subscribe(ctx)),
    'visible-things': only((ctx) => visible.subscribe(ctx)),
    'rooms-m2m': only((ctx) => rooms.subscribe(ctx)),
    'rooms-no-m2m': only((ctx) => roomsAlone.subscribe(ctx)),
  };
}

interface Pong {
  readonly text: string;
  readonly room: unknown;
}

function signalConsumers(): Readonly<Record<string, Consumer>> {
  const pings = signalObserver(signals, 'ping', {
    deliver: (ctx, { body, requestIds }) => {
      ctx.send({ message: body, subscribing_request_ids: requestIds });
    },
  });
  const pongs = signalObserver(signals, 'pong', {
    serialize: ({ text, room }: Pong) => ({ text, room }),
    groupsForSignal: ({ room }: Pong) => [`room-${String(room)}`],
    groupsForConsumer: ({ room }: Args) => [`room-${String(room)}`],
  });
  return {
    signals: defineConsumer({ connect: (ctx) => pings.subscribe(ctx) }),
    'signals-serialized': defineConsumer({
      actions: {
        subscribe: subscribed((ctx, args) => pongs.subscribe(ctx, args)),
        unsubscribe: ended((ctx, args) => pongs.unsubscribe(ctx, args)),
      },
    }),
  };
}

type Run = (ctx: ConsumerContext, args: Args) => Promise<unknown>;

function subscribed(run: Run) {
  return action(async (ctx, args) => {
    await run(ctx, args);
    return reply(null, 201);
  });
}

function ended(run: Run) {
  return action(async (ctx, args) => {
    await run(ctx, args);
    return reply(null, 204);
  });
}

/** Any value makes a name; a number and its text make the same. */
function userGroup(pk: unknown): string {
  return `user__${typeof pk === 'string' ? pk : JSON.stringify(pk)}`;
}
