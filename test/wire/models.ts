import {
  type BelongsToManyAddAssociationMixin,
  type BelongsToManyRemoveAssociationMixin,
  type CreationOptional,
  DataTypes,
  type ForeignKey,
  type HasManyGetAssociationsMixin,
  type InferAttributes,
  type InferCreationAttributes,
  Model,
  Sequelize,
} from 'sequelize';

import * as sqlite from '../../example-app/src/sqlite.js';

/** The moment at which everything happens. */
export const NOW = new Date('2024-01-02T03:04:05.678Z');

export class Thing extends Model<InferAttributes<Thing>, InferCreationAttributes<Thing>> {
  declare id: CreationOptional<number>;
  declare name: string;
  declare counter: CreationOptional<number>;
}

export class User extends Model<InferAttributes<User>, InferCreationAttributes<User>> {
  declare id: CreationOptional<number>;
  declare username: string;
  declare email: CreationOptional<string>;
}

export class Comment extends Model<InferAttributes<Comment>, InferCreationAttributes<Comment>> {
  declare id: CreationOptional<number>;
  declare text: string;
  declare userId: ForeignKey<number>;
  declare date: CreationOptional<Date>;
}

export class Room extends Model<InferAttributes<Room>, InferCreationAttributes<Room>> {
  declare id: CreationOptional<number>;
  declare name: string;
  declare getMessages: HasManyGetAssociationsMixin<Message>;
  declare addCurrent_user: BelongsToManyAddAssociationMixin<User, number>;
  declare removeCurrent_user: BelongsToManyRemoveAssociationMixin<User, number>;
}

export class Message extends Model<InferAttributes<Message>, InferCreationAttributes<Message>> {
  declare id: CreationOptional<number>;
  declare roomId: ForeignKey<number>;
  declare text: string;
  declare userId: ForeignKey<number>;
  declare created_at: CreationOptional<Date>;
}

/** Connects the models of the test server to a database that lives in memory. A process has one. */
export function openModels() {
  const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
  const options = { sequelize, timestamps: false };
  // Of each column one of its own: Sequelize writes into them.
  const id = () => ({ type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true });
  const now = () => ({ type: DataTypes.DATE, allowNull: false, defaultValue: () => NOW });
  const key = () => ({ type: DataTypes.INTEGER, allowNull: false });
  Thing.init(
    {
      id: id(),
      name: { type: DataTypes.STRING(64), allowNull: false },
      counter: { type: DataTypes.BIGINT, allowNull: false, defaultValue: 0 },
    },
    options,
  );
  User.init(
    {
      id: id(),
      username: { type: DataTypes.STRING(150), allowNull: false, unique: true },
      email: { type: DataTypes.STRING, allowNull: false, defaultValue: '', validate: { isEmailOrEmpty } },
    },
    options,
  );
  Comment.init({ id: id(), text: { type: DataTypes.TEXT, allowNull: false }, userId: key(), date: now() }, options);
  Room.init({ id: id(), name: { type: DataTypes.STRING(255), allowNull: false, unique: true } }, options);
  Message.init(
    { id: id(), roomId: key(), text: { type: DataTypes.STRING(500), allowNull: false }, userId: key(), created_at: now() },
    options,
  );
  relate();
  return { sequelize, Thing, User, Comment, Room, Message };
}

/** Rows go with those that they belong to by the ORM, which tells of each of them. */
function relate(): void {
  const goesWith = { onDelete: 'CASCADE', hooks: true };
  Comment.belongsTo(User, { as: 'user', foreignKey: 'userId', onDelete: 'CASCADE' });
  User.hasMany(Comment, { as: 'comments', foreignKey: 'userId', ...goesWith });
  Message.belongsTo(Room, { as: 'room', foreignKey: 'roomId', onDelete: 'CASCADE' });
  Room.hasMany(Message, { as: 'messages', foreignKey: 'roomId', ...goesWith });
  Message.belongsTo(User, { as: 'user', foreignKey: 'userId', onDelete: 'CASCADE' });
  User.hasMany(Message, { as: 'messages', foreignKey: 'userId', ...goesWith });
  const membership = { through: 'Membership', timestamps: false };
  Room.belongsToMany(User, { as: 'current_users', foreignKey: 'roomId', otherKey: 'userId', ...membership });
  User.belongsToMany(Room, { as: 'current_rooms', foreignKey: 'userId', otherKey: 'roomId', ...membership });
}

/** Sequelize's own `isEmail` would refuse the default. */
function isEmailOrEmpty(value: unknown): void {
  if (value !== '' && !/^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/.test(String(value))) throw new Error('Enter a valid email address.');
}

export type Models = ReturnType<typeof openModels>;
