import { randomBytes } from 'node:crypto';
import { Store, type SessionData } from 'express-session';
import {
  DataTypes,
  Model,
  Op,
  type CreationOptional,
  type InferAttributes,
  type InferCreationAttributes,
  type Sequelize,
} from 'sequelize';

class StoredSession extends Model<InferAttributes<StoredSession>, InferCreationAttributes<StoredSession>> {
  declare sid: string;
  declare data: SessionData;
  declare created_at: CreationOptional<Date>;
}

class Setting extends Model<InferAttributes<Setting>, InferCreationAttributes<Setting>> {
  declare name: string;
  declare value: string;
}

export function defineSessions(sequelize: Sequelize): void {
  StoredSession.init(
    { sid: { type: DataTypes.STRING, primaryKey: true }, data: DataTypes.JSON, created_at: DataTypes.DATE },
    { sequelize, tableName: 'sessions', createdAt: 'created_at', updatedAt: false },
  );
  Setting.init(
    { name: { type: DataTypes.STRING, primaryKey: true }, value: { type: DataTypes.STRING, allowNull: false } },
    { sequelize, tableName: 'settings', timestamps: false },
  );
}

const ignore = (): void => undefined;

/** Sessions in the database: who is logged in stays so when the server restarts. */
export class DatabaseStore extends Store {
  override get(sid: string, done: (error: unknown, session?: SessionData | null) => void): void {
    StoredSession.findByPk(sid).then((stored) => {
      done(null, stored?.data ?? null);
    }, done);
  }

  override set(sid: string, data: SessionData, done: (error?: unknown) => void = ignore): void {
    StoredSession.upsert({ sid, data }).then(() => {
      done();
    }, done);
  }

  override destroy(sid: string, done: (error?: unknown) => void = ignore): void {
    StoredSession.destroy({ where: { sid } }).then(() => {
      done();
    }, done);
  }
}

const monthMs = 30 * 24 * 60 * 60 * 1_000;

/** The secret that signs the session cookies, made with the database. Forgets sessions that are older than a month. */
export async function sessionSecret(): Promise<string> {
  await StoredSession.destroy({ where: { created_at: { [Op.lt]: new Date(Date.now() - monthMs) } } });
  const name = 'session_secret';
  const [{ value }] = await Setting.findCreateFind({
    where: { name },
    defaults: { name, value: randomBytes(32).toString('hex') },
  });
  return value;
}
