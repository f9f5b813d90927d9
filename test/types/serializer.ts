import type { Model, ModelStatic } from 'sequelize';
import { modelSerializer } from '../../lib/serializers/serializer.js';
import type { Serialized } from '../../lib/serializers/serializer-options.js';
import { Message, Profile, Room, User } from '../serializers/serializer-models.js';

/** Whether each type can be assigned to the other one, without being `any`. */
type Same<A, B> = 0 extends 1 & A ? false : [A, B] extends [B, A] ? true : false;
type Flat<T> = { [K in keyof T]: T[K] };
const holds = <T extends true>(...types: T[]) => types;

const UserSerializer = modelSerializer(User, { fields: ['id', 'username', 'email', 'password'], writeOnly: ['password'] });
type ShownUser = Serialized<typeof UserSerializer>;
holds<Same<keyof ShownUser, 'id' | 'username' | 'email'>>();
holds<ShownUser['username'] extends string ? true : false>();

const MessageSerializer = modelSerializer(Message, {
  fields: ['pk', 'created_at', 'created_at_formatted', 'user', 'text'],
  nested: { user: UserSerializer },
  computed: {
    created_at_formatted: (message) => message.created_at.toISOString(),
  },
});
type ShownMessage = Serialized<typeof MessageSerializer>;
holds<Same<keyof ShownMessage, 'pk' | 'created_at' | 'created_at_formatted' | 'user' | 'text'>>();
holds<Same<ShownMessage['created_at'], string>>();
holds<Same<ShownMessage['created_at_formatted'], string>>();
holds<Same<Flat<ShownMessage['user']>, Flat<ShownUser> | null>>();

const RoomSerializer = modelSerializer(Room, {
  fields: ['pk', 'name', 'messages', 'last_message'],
  nested: { messages: MessageSerializer },
  computed: {
    // The row as it is shown is typed too, and a promise is awaited.
    last_message: async (_room, row) => Promise.resolve(row.messages.at(-1)?.text ?? null),
  },
});
type ShownRoom = Serialized<typeof RoomSerializer>;
holds<Same<ShownRoom['last_message'], string | null>>();
holds<Same<ShownRoom['messages'], ShownMessage[]>>();

// With `exclude` all other attributes are there.
export const ProfileSerializer = modelSerializer(Profile, { exclude: ['motto'] });
holds<Same<keyof Serialized<typeof ProfileSerializer>, 'id'>>();

modelSerializer(User, {
  fields: ['id', 'username', 'password'],
  readOnly: ['id'],
  writeOnly: ['password'],
  validate: (values, { instance, partial }) => {
    const name: string | undefined = values.username ?? instance?.username;
    if (partial && name === undefined) return undefined;
    return { ...values, username: name?.toLowerCase() ?? '' };
  },
  create: ({ password, ...values }, { transaction }) =>
    User.create({ ...values, password: password.toUpperCase() }, { transaction: transaction ?? null }),
  update: (user, { password, ...values }, { transaction }) =>
    user.update({ ...values, ...(password !== undefined && { password }) }, { transaction: transaction ?? null }),
});

modelSerializer(Message, {
  fields: ['text', 'user', 'room'],
  // A relation's name stands for its foreign key, also one with an underscore.
  create: ({ text, userId, room_id }) => Message.create({ text, userId, room_id }),
});

// A field that takes no input is not among the values.
export const NameSerializer = modelSerializer(User, { fields: ['pk', 'username', 'email'], readOnly: ['email'] });
holds<Same<keyof Awaited<ReturnType<typeof NameSerializer.validate>>, 'username'>>();

// @ts-expect-error: a message is no user
export const wrongInstance = (message: Message) => UserSerializer.serialize(message);

interface NoteAttributes {
  id: number;
  title: string;
}
/** A model by `sequelize.define`, with and without its attributes. */
export async function defined(Note: ModelStatic<Model<NoteAttributes, Omit<NoteAttributes, 'id'>>>, Plain: ModelStatic<Model>) {
  const NoteSerializer = modelSerializer(Note, {
    fields: ['id', 'title', 'author'],
    create: ({ title }) => Note.create({ title }),
  });
  const [note] = await NoteSerializer.serializeMany(await Note.findAll());
  const title: string | undefined = note?.title;

  const PlainSerializer = modelSerializer(Plain, {
    exclude: ['secret'],
    nested: { note: NoteSerializer },
    computed: { size: (row) => Object.keys(row.toJSON()).length },
    create: (values) => Plain.create(values),
  });
  const row = await PlainSerializer.serialize(await PlainSerializer.create({ a: 1 }));
  const size: number = row.size;
  return { title, size };
}

/** What is checked can be stored by hand. */
export async function byHand(data: unknown, host: User) {
  const values = await RoomSerializer.validate(data);
  const room = await Room.create({ ...values, host_id: host.id });
  const changes = await RoomSerializer.validate({}, { instance: room, partial: true });
  return room.update(changes);
}

// A check may return nothing.
modelSerializer(User, {
  fields: ['username', 'password'],
  validate: ({ username, password }) => {
    if (username === password) throw new Error('The password is the name.');
  },
});
modelSerializer(User, {
  exclude: ['password'],
  validate: async ({ username }) => {
    if (username === (await User.findByPk(1))?.username) throw new Error('That is the first one.');
  },
});
