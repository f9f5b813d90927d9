import { fileURLToPath } from 'node:url';
import { Sequelize } from 'sequelize';
import { defineChatModels } from './live/chat.models.js';
import { defineModels } from './models.js';
import { defineSessions } from './session-store.js';
import * as sqlite from './sqlite.js';

const embeddedFile = fileURLToPath(new URL('../data/ward.sqlite', import.meta.url));

/** Why the database can't be opened, in one line. */
export class DatabaseError extends Error {}

/**
 * Opens the database and creates the tables that are missing.
 *
 * @param url - `postgres://…`, or `sqlite:` and a file
 */
export async function openDatabase(url = `sqlite:${embeddedFile}`): Promise<Sequelize> {
  const sequelize = connect(url);
  try {
    await sequelize.authenticate();
    defineModels(sequelize);
    defineSessions(sequelize);
    defineChatModels(sequelize);
    await sequelize.sync();
    return sequelize;
  } catch (error) {
    const reason = reasonOf(error);
    // What a program leaves behind that was killed in the middle of a write.
    const locked = `it is locked. Stop the other program that uses it; if there is none, delete the folder ${nameOf(url)}.lock.`;
    throw new DatabaseError(`Cannot open the database ${nameOf(url)}: ${reason === 'database is locked' ? locked : reason}`);
  }
}

function connect(url: string): Sequelize {
  if (url.startsWith('sqlite:')) {
    return new Sequelize({ logging: false, dialect: 'sqlite', dialectModule: sqlite, storage: url.slice('sqlite:'.length) });
  }
  if (/^postgres(ql)?:/.test(url) && URL.canParse(url)) return new Sequelize(url, { logging: false, dialect: 'postgres' });
  throw new DatabaseError('DATABASE_URL must look like postgres://user:password@host:5432/name or like sqlite:/a/file.');
}

/** The URL without its password. */
function nameOf(url: string): string {
  if (url.startsWith('sqlite:')) return url.slice('sqlite:'.length);
  const { host, pathname } = new URL(url);
  return `${pathname.slice(1)} at ${host}`;
}

/** The driver's own words; of a host with several addresses there is one error for each. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ');
  if (!(error instanceof Error)) return String(error);
  if ('parent' in error) return reasonOf(error.parent);
  return error.message;
}
