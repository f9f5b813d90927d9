import { type Consumer, crud, limitOffset, modelConsumer, permission, reply, streamedList } from 'express-channels';
import { Op } from 'sequelize';

import { Comment, Room, Thing, User } from './models.js';
import type { Serializers } from './serializers.js';

const SIX = crud('list', 'create', 'retrieve', 'update', 'patch', 'delete');
const INSTANCE = crud('subscribe_instance', 'unsubscribe_instance');

/** Refuses what an event is called, and nothing that a client does. */
export const neitherUpdateNorDelete = permission(({ action }) => action !== 'update' && action !== 'delete');

/** The consumers of models, by the last parts of their paths. */
export function modelConsumers(serializers: Serializers): ReadonlyMap<string, Consumer> {
  const { UserSerializer, CommentSerializer, PlainRoomSerializer } = serializers;
  const things = { serializer: serializers.ThingSerializer };
  const users = { serializer: UserSerializer };
  const pages = limitOffset({ limit: 3, max: 5 });
  const echo = () => reply('echo');
  return new Map(
    Object.entries({
      things: modelConsumer(Thing, { ...things, actions: SIX }),
      users: modelConsumer(User, { ...users, actions: SIX }),
      'users-by-name': modelConsumer(User, {
        ...users,
        lookupField: 'username',
        actions: crud('retrieve', 'patch', 'delete'),
      }),
      'users-by-kwarg': modelConsumer(User, {
        ...users,
        lookupField: 'username',
        lookupKey: 'name',
        actions: crud('retrieve'),
      }),
      'own-comments': modelConsumer(Comment, {
        serializer: CommentSerializer,
        queryset: (_ctx, args) => (Object.hasOwn(args, 'user') ? { where: { userId: keyOf(args['user']) } } : {}),
        actions: crud('list', 'retrieve', 'create'),
      }),
      'read-only-things': modelConsumer(Thing, { ...things, actions: crud('list', 'retrieve') }),
      'thing-observer': modelConsumer(Thing, { ...things, actions: { ...SIX, ...INSTANCE } }),
      'thing-observer-denied': modelConsumer(Thing, {
        ...things,
        permissions: [neitherUpdateNorDelete],
        actions: { ...crud('retrieve'), ...INSTANCE },
      }),
      'user-observer-by-name': modelConsumer(User, {
        ...users,
        lookupField: 'username',
        actions: { ...crud('retrieve', 'patch'), ...INSTANCE },
      }),
      'narrow-thing-observer': modelConsumer(Thing, {
        ...things,
        queryset: () => ({ where: { counter: { [Op.lt]: 100 } } }),
        actions: { ...crud('retrieve'), ...INSTANCE },
      }),
      paged: modelConsumer(Thing, { ...things, pagination: pages, actions: crud('list') }),
      'paged-no-default': modelConsumer(Thing, { ...things, pagination: limitOffset(), actions: crud('list') }),
      'paged-no-class': modelConsumer(Thing, { ...things, actions: crud('list') }),
      streamed: modelConsumer(Thing, { ...things, pagination: pages, actions: { ...streamedList(), echo } }),
      'streamed-slow': modelConsumer(Thing, {
        ...things,
        pagination: pages,
        actions: { ...streamedList({ pauseMs: 250 }), echo },
      }),
      'streamed-no-class': modelConsumer(Thing, { ...things, actions: streamedList() }),
      'room-observer-m2m': modelConsumer(Room, {
        serializer: PlainRoomSerializer,
        manyToMany: true,
        actions: { ...crud('retrieve'), ...INSTANCE },
      }),
    }),
  );
}

/** A value of a client as the primary key of a user; what can be none is that of nobody. */
function keyOf(value: unknown): number {
  const isKey = typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value));
  return isKey && Number.isSafeInteger(Number(value)) ? Number(value) : -1;
}
