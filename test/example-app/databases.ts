import type { Sequelize } from 'sequelize';
import { openDatabase } from '../../example-app/src/database.js';
import { Patient, User } from '../../example-app/src/models.js';
import { seed } from '../../example-app/src/seed.js';
import { postgresMissing, startPostgres, type Postgres } from '../support/postgres.js';
import { describeRequiring, isThorough } from '../support/requirement.js';

/** Declares the tests once for each database that the example app runs on; `reset` brings back the seeded rows and their ids. */
export function onEachDatabase(tests: (reset: () => Promise<void>, name: 'SQLite' | 'PostgreSQL') => void): void {
  let database: Sequelize;
  let rows: { users: User[]; patients: Patient[] };

  const open = async (url: string) => {
    database = await openDatabase(url);
    await seed();
    rows = { users: await User.findAll({ order: ['id'] }), patients: await Patient.findAll({ order: ['id'] }) };
  };
  // Rows without their ids get the same ids again, and the next row gets the next.
  const reset = async () => {
    if (database.getDialect() === 'postgres') await database.query('TRUNCATE users, patients RESTART IDENTITY CASCADE');
    else await database.sync({ force: true });
    await User.bulkCreate(rows.users.map((user) => ({ ...user.get(), id: undefined })));
    await Patient.bulkCreate(rows.patients.map((patient) => ({ ...patient.get(), id: undefined })));
  };

  describe('on SQLite', () => {
    beforeAll(() => open('sqlite::memory:'));
    afterAll(() => database.close());
    tests(reset, 'SQLite');
  });

  if (!isThorough) return;
  describeRequiring(postgresMissing, 'on PostgreSQL', () => {
    let postgres: Postgres;
    beforeAll(async () => {
      postgres = await startPostgres();
      await open(postgres.url);
    }, 30_000);
    afterAll(async () => {
      await database.close();
      await postgres.stop();
    });
    tests(reset, 'PostgreSQL');
  });
}
