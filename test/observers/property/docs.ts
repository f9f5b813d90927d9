import { type ActionContext, crud, modelConsumer, modelObserver, modelSerializer, permission } from 'express-channels';
import {
  type CreationOptional,
  DataTypes,
  type InferAttributes,
  type InferCreationAttributes,
  type Model,
  type ModelStatic,
  Op,
  type Sequelize,
} from 'sequelize';

import { serve, type Served } from '../../support/serve.js';
import type { Role } from './oracle.js';

export interface Doc extends Model<InferAttributes<Doc>, InferCreationAttributes<Doc>> {
  id: CreationOptional<number>;
  room: number;
  owner: number;
  stamp: number;
  secret: string;
}

/** The room of the row by which all clients learn that there is nothing else to come. */
export const LAST_ROOM = 0;

export function defineDocs(sequelize: Sequelize): ModelStatic<Doc> {
  // Sequelize writes into what it is given.
  const integer = () => ({ type: DataTypes.INTEGER, allowNull: false });
  const id = { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true };
  const columns = {
    id,
    room: integer(),
    owner: integer(),
    stamp: integer(),
    secret: { type: DataTypes.STRING, allowNull: false },
  };
  return sequelize.define<Doc>('Doc', columns, { timestamps: false });
}

/** Serves all kinds of subscriptions to documents; who may see which of them is asked of the roles of the moment. */
export function serveDocs(Docs: ModelStatic<Doc>, roleOf: (user: number) => Role): Served {
  const shown = ({ id, room, owner, stamp }: Doc) => ({ id, room, owner, stamp });
  const userOf = ({ scope }: Pick<ActionContext, 'scope'>): number => Number(scope.headers['x-user']);
  const ofRoom = modelObserver(Docs, {
    groupsForSignal: ({ room }) => [room],
    groupsForConsumer: ({ room }: { room: number }) => [room],
    view: (ctx) => roleOf(userOf(ctx)).isStaff,
    serialize: (row, { view }) => (view ? { ...shown(row), secret: row.secret } : shown(row)),
    snapshot: ({ room }) => Docs.findAll({ where: { room } }),
  });
  const own = modelObserver(Docs, {
    groupsForSignal: ({ owner }) => [owner],
    groupsForConsumer: (_args: object, ctx) => [userOf(ctx)],
    serialize: shown,
    snapshot: (_args, ctx) => Docs.findAll({ where: { owner: userOf(ctx) } }),
  });
  const roomOf = (args: Readonly<Record<string, unknown>>) => ({ room: Number(args['room']) });
  return serve(
    modelConsumer(Docs, {
      serializer: modelSerializer(Docs, { fields: ['id', 'room', 'owner', 'stamp'] }),
      queryset: (ctx) => ({
        where: { [Op.or]: [{ room: [...roleOf(userOf(ctx)).rooms] }, { owner: userOf(ctx) }] },
      }),
      permissions: [
        permission(
          ({ scope, action, args }) => action !== 'follow_room' || roleOf(userOf({ scope })).rooms.has(roomOf(args).room),
        ),
      ],
      actions: {
        ...crud('subscribe_instance', 'unsubscribe_instance'),
        follow_room: (ctx, args) => ofRoom.subscribe(ctx, roomOf(args), { snapshot: true }),
        unfollow_room: (ctx, args) => ofRoom.unsubscribe(ctx, roomOf(args)),
        follow_own: (ctx) => own.subscribe(ctx, {}, { snapshot: true }),
        unfollow_own: (ctx) => own.unsubscribe(ctx, {}),
        follow_last: (ctx) => ofRoom.subscribe(ctx, { room: LAST_ROOM }),
      },
    }),
  );
}
