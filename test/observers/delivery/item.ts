import {
  type CreationOptional,
  DataTypes,
  type InferAttributes,
  type InferCreationAttributes,
  Model,
  type Sequelize,
} from 'sequelize';

/** A row of a room, with a column that not everybody may see. */
export class Item extends Model<InferAttributes<Item>, InferCreationAttributes<Item>> {
  declare id: CreationOptional<number>;
  declare room: string;
  declare text: CreationOptional<string>;
  declare secret: CreationOptional<string>;
}

export const CANARY = 'canary-7d1f';

export function defineItem(sequelize: Sequelize): void {
  Item.init(
    {
      id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
      room: { type: DataTypes.STRING, allowNull: false },
      text: { type: DataTypes.STRING, allowNull: false, defaultValue: '' },
      secret: { type: DataTypes.STRING, allowNull: false, defaultValue: CANARY },
    },
    { sequelize, tableName: 'items', timestamps: false },
  );
}

/** Who a user of the header `x-user` is. */
export function nameOf(user: unknown): string {
  return typeof user === 'object' && user !== null && 'username' in user ? String(user.username) : 'nobody';
}
