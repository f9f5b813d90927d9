import { type Consumer, crud, type ModelContext, modelConsumer, modelObserver, reply, ValidationError } from 'express-channels';

import { Message, Room } from './models.js';
import type { Serializers } from './serializers.js';

type Args = Readonly<Record<string, unknown>>;

const WITHOUT_ID = { requestId: null };

/** The consumers of the chat, by the last parts of their paths. */
export function chatConsumers(serializers: Serializers): ReadonlyMap<string, Consumer> {
  return new Map(
    Object.entries({
      chat: chat(serializers, { manyToMany: false }),
      'chat-m2m': chat(serializers, { manyToMany: true }),
      'chat-m2m-subclass': chat(serializers, { manyToMany: ['current_users'] }),
    }),
  );
}

function chat(
  { RoomSerializer, MessageSerializer }: Serializers,
  { manyToMany }: { readonly manyToMany: boolean | readonly string[] },
): Consumer {
  const messages = modelObserver(Message, {
    serialize: async (message, { action: name }) => ({
      data: await MessageSerializer.serialize(message),
      action: name,
      pk: message.id,
    }),
    groupsForSignal: ({ roomId }) => [`room__${String(roomId)}`],
    groupsForConsumer: ({ room }: Args) => (room === undefined ? [] : [`room__${textOf(room)}`]),
    deliver: (ctx, { body, action: name, requestIds }) => {
      for (const id of requestIds) ctx.send({ request_id: id, action: name, ...body });
    },
  });

  const join = async (ctx: ModelContext<Room>, pk: unknown): Promise<void> => {
    const room = await ctx.getObject({ pk });
    await ctx.subscribeInstance({ pk });
    await messages.subscribe(ctx, { room: room.id });
    await room.addCurrent_user(userOf(ctx));
  };

  return modelConsumer(Room, {
    serializer: RoomSerializer,
    manyToMany,
    actions: {
      ...crud('retrieve', 'subscribe_instance', 'unsubscribe_instance'),
      create: async (ctx, { data }) => {
        const room = await RoomSerializer.create(data);
        const shown = await RoomSerializer.serialize(room);
        await join(ctx, room.id);
        return reply(shown, 201);
      },
      join_room: async (ctx, { pk }) => {
        await join(ctx, pk);
      },
      leave_room: async (ctx, { pk }) => {
        const room = await ctx.getObject({ pk });
        await ctx.unsubscribeInstance({ pk }, WITHOUT_ID);
        await messages.unsubscribe(ctx, { room: room.id }, WITHOUT_ID);
        await room.removeCurrent_user(userOf(ctx));
      },
      create_message: async (ctx, { message, room: pk }) => {
        const room = await ctx.getObject({ pk });
        const text = typeof message === 'number' ? String(message) : message;
        if (typeof text !== 'string') throw new ValidationError({ message: ['Expected a text.'] });
        await Message.create({ text, userId: userOf(ctx), roomId: room.id });
      },
      subscribe_to_messages_in_room: async (ctx, { pk }) => {
        await messages.subscribe(ctx, { room: pk });
      },
      unsubscribe_from_messages_in_room: async (ctx, { pk }) => {
        await messages.unsubscribe(ctx, { room: pk });
      },
    },
  });
}

/** Any value makes a name; a number and its text make the same. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The primary key of the connection's user; without one, a key that the database refuses. */
function userOf({ scope: { user } }: ModelContext<Room>): number {
  const id: unknown = user === undefined ? undefined : Reflect.get(user, 'id');
  return typeof id === 'number' ? id : -1;
}
