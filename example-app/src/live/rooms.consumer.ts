import { action, type ModelContext, modelConsumer, modelObserver, modelSerializer, reply } from 'express-channels';
import { z } from 'zod';
import { User } from '../models.js';
import { Message, Presence, Room } from './chat.models.js';
import { signedIn, userOf } from './signed-in.js';

/** Of one window: which room it shows. */
interface State {
  presence?: Presence;
}

const name = z.string().trim().min(1).max(60);
const pk = z.number();
const message = z.string().trim().min(1).max(500);
const key = z.string().min(1).max(40);

/** The newest messages of a room. */
const history = {
  include: [{ association: 'messages', separate: true, limit: 100, order: [['id', 'DESC'] as [string, string]] }],
};

/** The chat of DCRF's tutorial: rooms, their messages, and who is there. */
export function roomsConsumer() {
  const users = modelSerializer(User, { fields: ['id', 'username'] });
  const messages = modelSerializer(Message, { fields: ['id', 'key', 'text', 'created_at', 'user'], nested: { user: users } });
  const rooms = modelSerializer(Room, { fields: ['id', 'name', 'messages'], nested: { messages } });
  const presences = modelSerializer(Presence, { fields: ['id', 'room', 'user'], nested: { user: users } });

  const messageActivity = modelObserver(Message, {
    serialize: (row) => messages.serialize(row),
    groupsForSignal: ({ room_id }) => [room_id],
    groupsForConsumer: ({ room }: { room: number }) => [room],
  });
  const presenceActivity = modelObserver(Presence, {
    serialize: (row) => presences.serialize(row),
    groupsForSignal: ({ room_id }) => ['everywhere', room_id],
    groupsForConsumer: ({ room = 'everywhere' }: { room?: number | 'everywhere' }) => [room],
    snapshot: ({ room }) => Presence.findAll({ where: room === undefined ? {} : { room_id: room }, include: ['user'] }),
  });
  const roomActivity = modelObserver(Room, {
    serialize: ({ id, name }) => ({ id, name }),
    snapshot: () => Room.findAll({ order: ['name'] }),
  });

  async function leave(ctx: { state: State }): Promise<void> {
    const { presence } = ctx.state;
    delete ctx.state.presence;
    await presence?.destroy();
  }

  return modelConsumer<Room, State>(Room, {
    serializer: rooms,
    permissions: [signedIn],
    state: () => ({}),
    actions: {
      // The index page.
      subscribe_to_rooms: async (ctx) => {
        await roomActivity.subscribe(ctx, undefined, { snapshot: true });
      },
      subscribe_to_presences: async (ctx) => {
        await presenceActivity.subscribe(ctx, {}, { snapshot: true });
      },

      // The page of a room, in this order.
      open_room: action(
        async (_ctx, { name }) => {
          const [room, isNew] = await Room.findCreateFind({ where: { name } });
          return reply({ id: room.id, name: room.name }, isNew ? 201 : 200);
        },
        { schema: z.object({ name }) },
      ),
      subscribe_to_messages_in_room: async (ctx, args) => {
        const room = await ctx.getObject(args);
        await messageActivity.subscribe(ctx, { room: room.id });
      },
      retrieve: async (ctx, args) => ctx.serializer.serialize(await ctx.getObject(args, history)),
      join_room: async (ctx, args) => {
        const room = await ctx.getObject(args);
        await presenceActivity.subscribe(ctx, { room: room.id }, { snapshot: true });
        if (ctx.state.presence?.room_id === room.id) return;
        await leave(ctx);
        ctx.state.presence = await Presence.create({ room_id: room.id, user_id: userOf(ctx.scope).id });
        // The window may have been closed meanwhile.
        if (ctx.signal.aborted) await leave(ctx);
      },
      create_message: action(
        async (ctx: ModelContext<Room>, { pk, key, message: text }) => {
          const room = await ctx.getObject({ pk });
          const user_id = userOf(ctx.scope).id;
          const defaults = { key, text, room_id: room.id, user_id };
          const [row, isNew] = await Message.findCreateFind({ where: { key, user_id }, defaults });
          return reply(await messages.serialize(row), isNew ? 201 : 200);
        },
        { schema: z.object({ pk, key, message }) },
      ),
      leave_room: leave,
    },
    disconnect: leave,
  });
}
