import {
  DataTypes,
  Model,
  type CreationOptional,
  type ForeignKey,
  type InferAttributes,
  type InferCreationAttributes,
  type NonAttribute,
  type Sequelize,
} from 'sequelize';
import { User } from '../models.js';

export class Room extends Model<InferAttributes<Room>, InferCreationAttributes<Room>> {
  declare id: CreationOptional<number>;
  declare name: string;
  declare messages?: NonAttribute<Message[]>;
}

export class Message extends Model<InferAttributes<Message>, InferCreationAttributes<Message>> {
  declare id: CreationOptional<number>;
  /** Chosen by the window that sends it, so that it can be sent again when no answer came, and is stored once. */
  declare key: string;
  declare text: string;
  declare created_at: CreationOptional<Date>;
  declare room_id: ForeignKey<number>;
  declare user_id: ForeignKey<number>;
  declare user?: NonAttribute<User>;
}

/** A window in which a user has a room open: who has two is there until the last one closes. */
export class Presence extends Model<InferAttributes<Presence>, InferCreationAttributes<Presence>> {
  declare id: CreationOptional<number>;
  declare room_id: ForeignKey<number>;
  declare user_id: ForeignKey<number>;
  declare user?: NonAttribute<User>;
}

export function defineChatModels(sequelize: Sequelize): void {
  const id = { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true };
  Room.init(
    { id, name: { type: DataTypes.STRING(60), allowNull: false, unique: true } },
    { sequelize, tableName: 'rooms', timestamps: false },
  );
  Message.init(
    {
      id,
      key: { type: DataTypes.STRING(40), allowNull: false },
      text: { type: DataTypes.STRING(500), allowNull: false },
      created_at: DataTypes.DATE,
    },
    {
      sequelize,
      tableName: 'messages',
      createdAt: 'created_at',
      updatedAt: false,
      indexes: [{ unique: true, fields: ['user_id', 'key'] }, { fields: ['room_id'] }],
    },
  );
  Presence.init({ id }, { sequelize, tableName: 'presences', timestamps: false });

  const key = (name: string) => ({ foreignKey: { name, allowNull: false }, onDelete: 'CASCADE' });
  Room.hasMany(Message, { as: 'messages', ...key('room_id') });
  Message.belongsTo(Room, { as: 'room', ...key('room_id') });
  Message.belongsTo(User, { as: 'user', ...key('user_id') });
  Presence.belongsTo(Room, { as: 'room', ...key('room_id') });
  Presence.belongsTo(User, { as: 'user', ...key('user_id') });
}

/** Who was there when the last server was killed is not there now. */
export async function forgetPresences(): Promise<void> {
  await Presence.destroy({ where: {} });
}
