import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
  type Options,
  QueryTypes,
  Sequelize,
} from 'sequelize';
import * as sqlite from '../../example-app/src/sqlite.js';
import { observeChanges } from '../../lib/changes/model-changes.js';
import type { ChangeListener, RowChange } from '../../lib/changes/row-change.js';
import { mariadbMissing, startMariadb, type Mariadb } from '../support/mariadb.js';
import { postgresMissing, startPostgres } from '../support/postgres.js';
import { describeRequiring, isThorough } from '../support/requirement.js';

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
  readonly maxRows: number;
  readonly end: () => void;
}

export interface RecordingOptions<M extends Model> {
  readonly needsBefore?: boolean;
  /** How many rows of one transaction are still published one by one; 1,000 if it is not given. */
  readonly maxRows?: number;
  readonly manyToMany?: ChangeListener['manyToMany'];
  readonly committed?: (changes: readonly RowChange<M>[]) => void;
  readonly missed?: () => void;
}

const endings: (() => void)[] = [];

export function record<M extends Model>(model: ModelStatic<M>, options: RecordingOptions<M> = {}): Recording<M> {
  const changes: RowChange<M>[] = [];
  const recording: Recording<M> = {
    changes,
    errors: [],
    missedTimes: 0,
    isWanted: true,
    maxRows: options.maxRows ?? 1_000,
    manyToMany: options.manyToMany ?? [],
    wanted: () => recording.isWanted,
    needsBefore: () => options.needsBefore === true,
    committed(told) {
      options.committed?.(told);
      changes.push(...told);
    },
    missed() {
      recording.missedTimes += 1;
      options.missed?.();
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

export type DatabaseName =
  'SQLite in memory' | 'SQLite in a file' | 'SQLite in a file by sqlite3' | 'PostgreSQL' | 'MariaDB' | 'MariaDB by mysql2';

export interface TestDatabase {
  readonly name: DatabaseName;
  readonly dialect: 'sqlite' | 'postgres' | 'mariadb' | 'mysql';
  /** Whether all transactions share one connection. */
  readonly isInMemory: boolean;
  readonly sequelize: () => Sequelize;
  /** What was sent to the database since the test began. */
  readonly statements: string[];
}

interface Kind extends Omit<TestDatabase, 'sequelize' | 'statements'> {
  readonly missing?: string | undefined;
  readonly connect: (options: ConnectOptions) => Promise<Connected>;
  readonly empty: (sequelize: Sequelize) => Promise<unknown>;
}

type ConnectOptions = Pick<Options, 'logging' | 'pool'>;

interface Connected {
  readonly sequelize: Sequelize;
  readonly stop?: () => Promise<void>;
}

/** How long the connections are waited for at the end. */
const CLOSE_MS = 2_000;

/** Another driver of a database takes as long again. */
const SECOND_DRIVERS: readonly DatabaseName[] = ['MariaDB by mysql2', 'SQLite in a file by sqlite3'];

/** Those that refer to others come first. */
const tables = ['room_users', 'things', 'notes', 'rooms', 'users'] as const;

/** One server for both drivers, from the first that needs it to the end of the file. */
let mariadb: Promise<Mariadb> | undefined;

/** The native driver, which is compiled for some minutes where no binary of it is to be had; so it is no dependency of the tests. */
const sqlite3 = nativeSqlite();

function nativeSqlite(): object | undefined {
  try {
    const driver: unknown = createRequire(import.meta.url)('sqlite3');
    return typeof driver === 'object' && driver !== null ? driver : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Errors of `require` are of another realm in jest. */
function isMissing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'MODULE_NOT_FOUND';
}

function sqliteFile(name: DatabaseName, dialectModule: object, retry?: Options['retry']): Kind {
  return {
    name,
    dialect: 'sqlite',
    isInMemory: false,
    async connect(options) {
      const folder = await mkdtemp(join(tmpdir(), 'sqlite-'));
      const storage = join(folder, 'test.db');
      const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule, storage, ...options, ...(retry && { retry }) });
      return { sequelize, stop: () => rm(folder, { recursive: true }) };
    },
    empty: (sequelize) =>
      sequelize.transaction(async (transaction) => {
        for (const table of [...tables, 'sqlite_sequence']) await sequelize.query(`DELETE FROM ${table}`, { transaction });
      }),
  };
}

const kinds: readonly Kind[] = [
  {
    name: 'SQLite in memory',
    dialect: 'sqlite',
    isInMemory: true,
    connect: (options) =>
      Promise.resolve({
        sequelize: new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', ...options }),
      }),
    empty: (sequelize) => sequelize.sync({ force: true }),
  },
  // This build of SQLite lets a transaction that has read exclude all others. Sequelize would try five times, every 100 ms.
  sqliteFile('SQLite in a file', sqlite, { match: [/database is locked/], max: 3_000, backoffBase: 1, backoffExponent: 1 }),
  ...(sqlite3 === undefined ? [] : [sqliteFile('SQLite in a file by sqlite3', sqlite3)]),
  {
    name: 'PostgreSQL',
    dialect: 'postgres',
    isInMemory: false,
    missing: postgresMissing,
    async connect(options) {
      const postgres = await startPostgres();
      return { sequelize: new Sequelize(postgres.url, { dialect: 'postgres', ...options }), stop: postgres.stop };
    },
    empty: (sequelize) => sequelize.query(`TRUNCATE ${tables.join(', ')} RESTART IDENTITY`),
  },
  ...(['mariadb', 'mysql'] as const).map((dialect): Kind => ({
    name: dialect === 'mariadb' ? 'MariaDB' : 'MariaDB by mysql2',
    dialect,
    isInMemory: false,
    missing: mariadbMissing,
    async connect(options) {
      const { host, port, username } = await (mariadb ??= startMariadb());
      const address = { host, port, username };
      const first = new Sequelize({ ...address, dialect, logging: false });
      const database = `by_${dialect}`;
      await first.query(`DROP DATABASE IF EXISTS ${database}`);
      await first.query(`CREATE DATABASE ${database}`);
      await first.close();
      return { sequelize: new Sequelize({ ...address, database, dialect, ...options }) };
    },
    empty: (sequelize) =>
      // The setting is of the connection, which a transaction keeps.
      sequelize.transaction(async (transaction) => {
        await sequelize.query('SET FOREIGN_KEY_CHECKS = 0', { transaction });
        await sequelize.query('DELETE FROM room_users', { transaction });
        // Some milliseconds each: not of tables into which nothing was inserted.
        const used = await sequelize.query<{ name: string }>(
          `SELECT table_name AS name FROM information_schema.tables
             WHERE table_schema = DATABASE() AND auto_increment > 1 AND table_name IN (:tables)`,
          { replacements: { tables }, type: QueryTypes.SELECT, transaction },
        );
        for (const { name } of used) await sequelize.query(`TRUNCATE ${name}`, { transaction });
        await sequelize.query('SET FOREIGN_KEY_CHECKS = 1', { transaction });
      }),
  })),
];

/**
 * Declares the tests once for each database; the tables are empty, and ids begin at 1, before each test.
 *
 * @param options.only - the databases that the tests are about, if not all
 * @param options.connections - how many of them Sequelize may open; 5 if it is not given
 */
export function onEachDatabase(
  tests: (database: TestDatabase) => void,
  { only, connections = 5 }: { readonly only?: readonly DatabaseName[]; readonly connections?: number } = {},
): void {
  const wanted = (name: DatabaseName): boolean =>
    (isThorough || !SECOND_DRIVERS.includes(name)) && only?.includes(name) !== false;
  for (const kind of kinds.filter(({ name }) => wanted(name))) {
    describeRequiring(kind.missing, `on ${kind.name}`, () => {
      declare(kind, tests, connections);
    });
  }
  afterAll(async () => {
    const server = await mariadb;
    mariadb = undefined;
    await server?.stop();
  });
}

function declare(
  { name, dialect, isInMemory, connect, empty }: Kind,
  tests: (database: TestDatabase) => void,
  connections: number,
): void {
  const statements: string[] = [];
  let connected: Connected | undefined;
  const sequelize = (): Sequelize => {
    if (connected === undefined) throw new Error('The database is not there before the tests begin.');
    return connected.sequelize;
  };

  beforeAll(async () => {
    const logging = (sql: string): void => void statements.push(sql.replace(/^Executing \(.*?\): /, ''));
    connected = await connect({ logging, pool: { max: connections } });
    defineModels(sequelize());
    await sequelize().sync();
  }, 30_000);
  beforeEach(async () => {
    await empty(sequelize());
    statements.length = 0;
  });
  afterEach(endRecordings);
  afterAll(async () => {
    // A failed test may have left a transaction open, for which Sequelize waits.
    await Promise.race([connected?.sequelize.close(), new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref())]);
    await connected?.stop?.();
  });
  tests({ name, dialect, isInMemory, sequelize, statements });
}
