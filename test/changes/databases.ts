import {
  type BelongsToManyAddAssociationsMixin,
  type BelongsToManyCreateAssociationMixin,
  type BelongsToManyRemoveAssociationsMixin,
  type BelongsToManySetAssociationsMixin,
  type CreationOptional,
  DataTypes,
  type ForeignKey,
  type HasManySetAssociationsMixin,
  type HasOneSetAssociationMixin,
  type InferAttributes,
  type InferCreationAttributes,
  Model,
  type ModelStatic,
  type NonAttribute,
  Sequelize,
} from 'sequelize';
import * as sqlite from '../../example-app/src/sqlite.js';
import { observeChanges } from '../../lib/changes/model-changes.js';
import type { ChangeListener, RowChange } from '../../lib/changes/row-change.js';
import { postgresMissing, startPostgres, type Postgres } from '../support/postgres.js';
import { describeRequiring } from '../support/requirement.js';

export class Thing extends Model<InferAttributes<Thing>, InferCreationAttributes<Thing>> {
  declare id: CreationOptional<number>;
  declare name: string;
  declare counter: CreationOptional<number>;
  declare ownerId: ForeignKey<User['id'] | null>;
}

/** Softly deleted, with a column of another name. */
export class Note extends Model<InferAttributes<Note>, InferCreationAttributes<Note>> {
  declare id: CreationOptional<number>;
  declare text: string;
  declare deletedAt: CreationOptional<Date | null>;
}

export class User extends Model<InferAttributes<User>, InferCreationAttributes<User>> {
  declare id: CreationOptional<number>;
  declare username: string;
  declare things?: NonAttribute<Thing[]>;
  declare setThings: HasManySetAssociationsMixin<Thing, number>;
  declare setFavourite: HasOneSetAssociationMixin<Thing, number>;
  declare setRooms: BelongsToManySetAssociationsMixin<Room, number>;
  declare addRooms: BelongsToManyAddAssociationsMixin<Room, number>;
}

export class Room extends Model<InferAttributes<Room>, InferCreationAttributes<Room>> {
  declare id: CreationOptional<number>;
  declare name: string;
  declare setUsers: BelongsToManySetAssociationsMixin<User, number>;
  declare addUsers: BelongsToManyAddAssociationsMixin<User, number>;
  declare removeUsers: BelongsToManyRemoveAssociationsMixin<User, number>;
  declare createUser: BelongsToManyCreateAssociationMixin<User>;
}

export class RoomUser extends Model<InferAttributes<RoomUser>, InferCreationAttributes<RoomUser>> {
  declare RoomId: number;
  declare UserId: number;
}

export function defineModels(sequelize: Sequelize): void {
  const id = { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true };
  User.init(
    { id, username: { type: DataTypes.STRING, allowNull: false, unique: true } },
    { sequelize, tableName: 'users', timestamps: false },
  );
  Thing.init(
    {
      id,
      name: { type: DataTypes.STRING, allowNull: false },
      counter: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0, field: 'count_of' },
    },
    { sequelize, tableName: 'things', timestamps: false, scopes: { many: { where: { counter: 5 } } } },
  );
  Note.init(
    {
      id,
      text: { type: DataTypes.STRING, allowNull: false, unique: true },
      deletedAt: { type: DataTypes.DATE, field: 'gone_at' },
    },
    { sequelize, tableName: 'notes', paranoid: true, createdAt: false, updatedAt: false },
  );
  Room.init({ id, name: { type: DataTypes.STRING, allowNull: false } }, { sequelize, tableName: 'rooms', timestamps: false });
  RoomUser.init(
    { RoomId: { type: DataTypes.INTEGER, primaryKey: true }, UserId: { type: DataTypes.INTEGER, primaryKey: true } },
    { sequelize, tableName: 'room_users', timestamps: false },
  );
  User.hasMany(Thing, { as: 'things', foreignKey: 'ownerId', onDelete: 'cascade', hooks: true });
  User.hasOne(Thing, { as: 'favourite', foreignKey: 'ownerId' });
  Thing.belongsTo(User, { as: 'owner', foreignKey: 'ownerId' });
  Room.belongsToMany(User, { as: 'users', through: RoomUser });
  User.belongsToMany(Room, { as: 'rooms', through: RoomUser });
}

/** Everything that a listener has heard. */
export interface Recording<M extends Model> extends ChangeListener<M> {
  readonly changes: RowChange<M>[];
  /** Rows in short, as `create 1 {…}`; emptied by reading. */
  take(): string[];
  readonly errors: unknown[];
  missedTimes: number;
  isWanted: boolean;
  readonly end: () => void;
}

export interface RecordingOptions<M extends Model> {
  readonly needsBefore?: boolean;
  readonly manyToMany?: ChangeListener['manyToMany'];
  readonly committed?: (changes: readonly RowChange<M>[]) => void;
}

const endings: (() => void)[] = [];

export function record<M extends Model>(model: ModelStatic<M>, options: RecordingOptions<M> = {}): Recording<M> {
  const changes: RowChange<M>[] = [];
  const recording: Recording<M> = {
    changes,
    errors: [],
    missedTimes: 0,
    isWanted: true,
    manyToMany: options.manyToMany ?? [],
    wanted: () => recording.isWanted,
    needsBefore: () => options.needsBefore === true,
    committed(told) {
      options.committed?.(told);
      changes.push(...told);
    },
    missed() {
      recording.missedTimes += 1;
    },
    failed: (error) => recording.errors.push(error),
    take: () => changes.splice(0).map(inShort),
    end: () => {
      end();
    },
  };
  const end = observeChanges(model, recording);
  endings.push(end);
  return recording;
}

/** Ends what tests have left. */
export function endRecordings(): void {
  for (const end of endings.splice(0)) end();
}

export function inShort({ kind, pk, before, after }: RowChange): string {
  return `${kind} ${String(pk)}${before === undefined ? '' : ` ${values(before)} ->`} ${values(after)}`;
}

function values(row: Model): string {
  const columns: unknown = row.get();
  return Object.entries<unknown>({ ...(columns ?? {}) })
    .filter(([name]) => name !== 'id' && name !== 'deletedAt')
    .map(([, value]) => String(value))
    .join(',');
}

export interface TestDatabase {
  readonly dialect: 'sqlite' | 'postgres';
  readonly sequelize: () => Sequelize;
  readonly statements: string[];
}

/** Declares the tests once for each database; the tables are empty, and ids begin at 1, before each test. */
export function onEachDatabase(tests: (database: TestDatabase) => void): void {
  const statements: string[] = [];
  const logging = (sql: string): void => void statements.push(sql.replace(/^Executing \(.*?\): /, ''));
  let sequelize: Sequelize;
  const empty = async (): Promise<void> => {
    if (sequelize.getDialect() === 'postgres')
      await sequelize.query('TRUNCATE users, things, notes, rooms, room_users RESTART IDENTITY');
    else await sequelize.sync({ force: true });
    statements.length = 0;
  };

  describe('on SQLite', () => {
    beforeAll(() => {
      sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging });
      defineModels(sequelize);
    });
    beforeEach(empty);
    afterEach(endRecordings);
    afterAll(() => sequelize.close());
    tests({ dialect: 'sqlite', sequelize: () => sequelize, statements });
  });

  describeRequiring(postgresMissing, 'on PostgreSQL', () => {
    let postgres: Postgres;
    beforeAll(async () => {
      postgres = await startPostgres();
      sequelize = new Sequelize(postgres.url, { dialect: 'postgres', logging });
      defineModels(sequelize);
      await sequelize.sync();
    }, 30_000);
    beforeEach(empty);
    afterEach(endRecordings);
    afterAll(async () => {
      await sequelize.close();
      await postgres.stop();
    });
    tests({ dialect: 'postgres', sequelize: () => sequelize, statements });
  });
}
