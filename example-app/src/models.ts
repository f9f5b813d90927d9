import {
  DataTypes,
  Model,
  type CreationOptional,
  type InferAttributes,
  type InferCreationAttributes,
  type Sequelize,
} from 'sequelize';
import type { Role, Ward } from './roles.js';

export class User extends Model<InferAttributes<User>, InferCreationAttributes<User>> {
  declare id: CreationOptional<number>;
  declare username: string;
  declare email: CreationOptional<string>;
  /** Null for somebody who cannot log in. */
  declare password_hash: CreationOptional<string | null>;
  declare role: CreationOptional<Role>;
  declare ward: CreationOptional<Ward | null>;

  /** What the API tells everybody about a user. */
  serialize() {
    return { id: this.id, username: this.username, email: this.email };
  }
}

export class Patient extends Model<InferAttributes<Patient>, InferCreationAttributes<Patient>> {
  declare id: CreationOptional<number>;
  declare first_name: string;
  declare last_name: string;
  declare ward: Ward;
  declare note: CreationOptional<string>;
  declare admission_date: Date;
  declare dismissal_date: CreationOptional<Date | null>;
  declare created_at: CreationOptional<Date>;
  declare updated_at: CreationOptional<Date>;

  serialize() {
    const { id, first_name, last_name, ward, note, admission_date, dismissal_date, updated_at, created_at } = this;
    return { id, first_name, last_name, ward, note, admission_date, dismissal_date, updated_at, created_at };
  }
}

export function defineModels(sequelize: Sequelize): void {
  User.init(
    {
      id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
      username: { type: DataTypes.STRING(150), allowNull: false, unique: true },
      email: { type: DataTypes.STRING(254), allowNull: false, defaultValue: '' },
      password_hash: { type: DataTypes.STRING, allowNull: true, defaultValue: null },
      role: { type: DataTypes.STRING(10), allowNull: false, defaultValue: 'guest' },
      ward: { type: DataTypes.STRING(10), allowNull: true, defaultValue: null },
    },
    { sequelize, tableName: 'users', timestamps: false },
  );
  Patient.init(
    {
      id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
      first_name: { type: DataTypes.STRING(240), allowNull: false },
      last_name: { type: DataTypes.STRING(240), allowNull: false },
      ward: { type: DataTypes.STRING(10), allowNull: false },
      note: { type: DataTypes.STRING(500), allowNull: false, defaultValue: '' },
      admission_date: { type: DataTypes.DATE, allowNull: false },
      dismissal_date: { type: DataTypes.DATE, allowNull: true, defaultValue: null },
      created_at: DataTypes.DATE,
      updated_at: DataTypes.DATE,
    },
    { sequelize, tableName: 'patients', createdAt: 'created_at', updatedAt: 'updated_at' },
  );
}
