import {
  DataTypes,
  Model,
  type CreationOptional,
  type InferAttributes,
  type InferCreationAttributes,
  type Sequelize,
} from 'sequelize';

export class User extends Model<InferAttributes<User>, InferCreationAttributes<User>> {
  declare id: CreationOptional<number>;
  declare username: string;
  declare email: CreationOptional<string>;
  /** Null for somebody who cannot log in. */
  declare password_hash: CreationOptional<string | null>;
  declare is_staff: CreationOptional<boolean>;

  /** What the API tells about a user. */
  serialize() {
    return { id: this.id, username: this.username, email: this.email };
  }
}

export class Patient extends Model<InferAttributes<Patient>, InferCreationAttributes<Patient>> {
  declare id: CreationOptional<number>;
  declare first_name: string;
  declare last_name: string;
  declare admission_date: Date;
  declare dismissal_date: CreationOptional<Date | null>;
  declare created_at: CreationOptional<Date>;
  declare updated_at: CreationOptional<Date>;

  serialize() {
    const { id, first_name, last_name, admission_date, dismissal_date, updated_at, created_at } = this;
    return { id, first_name, last_name, admission_date, dismissal_date, updated_at, created_at };
  }
}

export function defineModels(sequelize: Sequelize): void {
  User.init(
    {
      id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
      username: { type: DataTypes.STRING(150), allowNull: false, unique: true },
      email: { type: DataTypes.STRING(254), allowNull: false, defaultValue: '' },
      password_hash: { type: DataTypes.STRING, allowNull: true, defaultValue: null },
      is_staff: { type: DataTypes.BOOLEAN, allowNull: false, defaultValue: false },
    },
    { sequelize, tableName: 'users', timestamps: false },
  );
  Patient.init(
    {
      id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
      first_name: { type: DataTypes.STRING(240), allowNull: false },
      last_name: { type: DataTypes.STRING(240), allowNull: false },
      admission_date: { type: DataTypes.DATE, allowNull: false },
      dismissal_date: { type: DataTypes.DATE, allowNull: true, defaultValue: null },
      created_at: DataTypes.DATE,
      updated_at: DataTypes.DATE,
    },
    { sequelize, tableName: 'patients', createdAt: 'created_at', updatedAt: 'updated_at' },
  );
}
