import { modelSerializer } from 'express-channels';

import { Comment, Message, Room, Thing, User } from './models.js';

/** The serializers of the test server; the models must be open. */
export function openSerializers() {
  const ThingSerializer = modelSerializer(Thing, { fields: ['pk', 'name', 'counter'] });
  const UserSerializer = modelSerializer(User, { fields: ['id', 'username', 'email'] });
  const CommentSerializer = modelSerializer(Comment, { fields: ['id', 'text', 'user', 'date'], readOnly: ['date'] });
  const PlainRoomSerializer = modelSerializer(Room, { fields: ['id', 'name', 'current_users'] });
  const MessageSerializer = modelSerializer(Message, {
    fields: ['id', 'created_at_formatted', 'user', 'text', 'created_at', 'room'],
    nested: { user: UserSerializer, room: PlainRoomSerializer },
    computed: { created_at_formatted: ({ created_at: date }) => formatted(date) },
  });
  const RoomSerializer = modelSerializer(Room, {
    fields: ['pk', 'name', 'messages', 'current_users', 'last_message'],
    nested: { messages: MessageSerializer, current_users: UserSerializer },
    computed: { last_message: (_room, { messages }) => (Array.isArray(messages) ? (messages.at(-1) ?? null) : null) },
  });
  return { ThingSerializer, UserSerializer, CommentSerializer, PlainRoomSerializer, MessageSerializer, RoomSerializer };
}

export type Serializers = ReturnType<typeof openSerializers>;

/** `DD-MM-YYYY HH:MM:SS`, in UTC. */
function formatted(date: Date): string {
  const [day = '', time = ''] = date.toISOString().split('T');
  return `${day.split('-').reverse().join('-')} ${time.slice(0, 8)}`;
}
