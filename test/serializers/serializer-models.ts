import {
  type CreationOptional,
  DataTypes,
  type ForeignKey,
  type InferAttributes,
  type InferCreationAttributes,
  Model,
  type NonAttribute,
  Sequelize,
} from 'sequelize';
import * as sqlite from '../../example-app/src/sqlite.js';
import { postgresMissing, startPostgres, type Postgres } from '../support/postgres.js';
import { describeRequiring } from '../support/requirement.js';

export class User extends Model<InferAttributes<User>, InferCreationAttributes<User>> {
  declare id: CreationOptional<number>;
  declare username: string;
  declare email: CreationOptional<string>;
  declare password: string;
  declare rooms?: NonAttribute<Room[]>;
  declare profile?: NonAttribute<Profile | null>;
}

export class Profile extends Model<InferAttributes<Profile>, InferCreationAttributes<Profile>> {
  declare id: CreationOptional<number>;
  declare motto: CreationOptional<string | null>;
  declare userId: ForeignKey<User['id']>;
}

export class Room extends Model<InferAttributes<Room>, InferCreationAttributes<Room>> {
  declare id: CreationOptional<number>;
  declare name: string;
  declare host_id: CreationOptional<ForeignKey<User['id'] | null>>;
  declare host?: NonAttribute<User | null>;
  declare messages?: NonAttribute<Message[]>;
  declare current_users?: NonAttribute<User[]>;
}

export class Message extends Model<InferAttributes<Message>, InferCreationAttributes<Message>> {
  declare id: CreationOptional<number>;
  declare text: string;
  declare created_at: CreationOptional<Date>;
  declare userId: ForeignKey<User['id']>;
  declare room_id: ForeignKey<Room['id']>;
  declare user?: NonAttribute<User>;
  declare room?: NonAttribute<Room>;
}

export class RoomUser extends Model<InferAttributes<RoomUser>, InferCreationAttributes<RoomUser>> {
  declare room_id: number;
  declare user_id: number;
}

/** A column of every type that takes input, all of which may be left out. */
export class Sample extends Model<InferAttributes<Sample>, InferCreationAttributes<Sample>> {
  declare id: CreationOptional<number>;
  declare short: string | null;
  declare text: string | null;
  declare small: number | null;
  declare whole: number | null;
  declare positive: number | null;
  declare big: number | string | null;
  declare real: number | null;
  declare double: number | null;
  declare price: string | null;
  declare exact: string | null;
  declare flag: boolean | null;
  declare moment: Date | null;
  declare day: string | null;
  declare clock: string | null;
  declare color: 'red' | 'green' | null;
  declare key: string | null;
  declare data: unknown;
}

export function defineModels(sequelize: Sequelize): void {
  const id = { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true };
  User.init(
    {
      id,
      username: { type: DataTypes.STRING(150), allowNull: false, unique: true },
      email: {
        type: DataTypes.STRING,
        allowNull: false,
        defaultValue: '',
        validate: {
          isEmailOrEmpty(value: string) {
            if (value !== '' && !value.includes('@')) throw new Error('Enter a valid email address.');
          },
        },
      },
      password: { type: DataTypes.STRING, allowNull: false },
    },
    { sequelize, tableName: 'users', timestamps: false },
  );
  Profile.init({ id, motto: DataTypes.STRING(20) }, { sequelize, tableName: 'profiles', timestamps: false });
  Room.init(
    { id, name: { type: DataTypes.STRING(255), allowNull: false, unique: true } },
    { sequelize, tableName: 'rooms', timestamps: false },
  );
  Message.init(
    { id, text: { type: DataTypes.STRING(500), allowNull: false }, created_at: DataTypes.DATE },
    { sequelize, tableName: 'messages', createdAt: 'created_at', updatedAt: false },
  );
  RoomUser.init(
    { room_id: DataTypes.INTEGER, user_id: DataTypes.INTEGER },
    { sequelize, tableName: 'room_users', timestamps: false },
  );
  Sample.init(
    {
      id,
      short: DataTypes.STRING(5),
      text: DataTypes.TEXT,
      small: DataTypes.SMALLINT,
      whole: DataTypes.INTEGER,
      positive: { type: DataTypes.INTEGER, validate: { min: 1 } },
      big: DataTypes.BIGINT,
      real: DataTypes.REAL,
      double: DataTypes.DOUBLE,
      price: DataTypes.DECIMAL(6, 2),
      exact: DataTypes.DECIMAL,
      flag: DataTypes.BOOLEAN,
      moment: DataTypes.DATE,
      day: DataTypes.DATEONLY,
      clock: DataTypes.TIME,
      color: DataTypes.ENUM('red', 'green'),
      key: DataTypes.UUID,
      data: DataTypes.JSON,
    },
    { sequelize, tableName: 'samples', timestamps: false },
  );
  User.hasOne(Profile, { as: 'profile', foreignKey: { name: 'userId', allowNull: false }, onDelete: 'CASCADE' });
  Profile.belongsTo(User, { as: 'user', foreignKey: { name: 'userId', allowNull: false } });
  Room.belongsTo(User, { as: 'host', foreignKey: 'host_id' });
  Room.hasMany(Message, { as: 'messages', foreignKey: { name: 'room_id', allowNull: false }, onDelete: 'CASCADE' });
  Room.belongsToMany(User, {
    as: 'current_users',
    through: RoomUser,
    foreignKey: 'room_id',
    otherKey: 'user_id',
  });
  User.belongsToMany(Room, { as: 'rooms', through: RoomUser, foreignKey: 'user_id', otherKey: 'room_id' });
  Message.belongsTo(User, { as: 'user', foreignKey: { name: 'userId', allowNull: false } });
  Message.belongsTo(Room, { as: 'room', foreignKey: { name: 'room_id', allowNull: false } });
}

/** What a database has been asked, since the list was last emptied. */
export type Statements = string[];

/** One of the databases that the tests run on. */
export interface TestDatabase {
  readonly statements: Statements;
  readonly dialect: 'sqlite' | 'postgres';
  readonly sequelize: () => Sequelize;
}

/** Declares the tests once for each database; the tables are empty, and ids begin at 1, before each test. */
export function onEachDatabase(tests: (database: TestDatabase) => void): void {
  const statements: Statements = [];
  let isWritten = false;
  const logging = (sql: string) => {
    statements.push(sql);
    isWritten ||= sql.includes('INSERT');
  };
  let sequelize: Sequelize;
  const open = async (opened: Sequelize) => {
    sequelize = opened;
    defineModels(sequelize);
    await sequelize.sync();
  };
  const empty = async () => {
    statements.length = 0;
    if (!isWritten) return;
    if (sequelize.getDialect() === 'postgres') await sequelize.truncate({ cascade: true, restartIdentity: true });
    else await sequelize.sync({ force: true });
    statements.length = 0;
    isWritten = false;
  };

  describe('on SQLite', () => {
    beforeAll(() => open(new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging })));
    beforeEach(empty);
    afterAll(() => sequelize.close());
    tests({ statements, dialect: 'sqlite', sequelize: () => sequelize });
  });

  describeRequiring(postgresMissing, 'on PostgreSQL', () => {
    let postgres: Postgres;
    beforeAll(async () => {
      postgres = await startPostgres();
      await open(new Sequelize(postgres.url, { dialect: 'postgres', logging }));
    }, 30_000);
    beforeEach(empty);
    afterAll(async () => {
      await sequelize.close();
      await postgres.stop();
    });
    tests({ statements, dialect: 'postgres', sequelize: () => sequelize });
  });
}
