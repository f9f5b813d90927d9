import { DatabaseError, openDatabase } from './database.js';
import { seed } from './seed.js';

/** Fills the database without starting the app: `npm run seed`, with the same `DATABASE_URL`. */
try {
  const database = await openDatabase(process.env['DATABASE_URL']);
  console.log(
    (await seed()) ? 'The database has its first users and patients.' : 'The database has users already: it is left as it is.',
  );
  await database.close();
} catch (error) {
  console.error(error instanceof DatabaseError ? error.message : error);
  process.exitCode = 1;
}
