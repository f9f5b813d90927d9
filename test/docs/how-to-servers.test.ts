import { Sequelize } from 'sequelize';

import { type Mariadb, mariadbMissing, startMariadb } from '../support/mariadb.js';
import { type Postgres, postgresMissing, startPostgres } from '../support/postgres.js';
import { RedisServer, redisMissing } from '../support/redis.js';
import { describeRequiring } from '../support/requirement.js';
import { missingPrograms } from './how-to-program.js';
import { Reader } from './how-to-reader.js';
import { Walk } from './how-to-walk.js';
import { codeBlocks } from './markdown.js';

/** Follows a page from its first block to its last. */
async function followAll(page: string, ports: readonly number[], env: NodeJS.ProcessEnv): Promise<Walk> {
  const walk = new Walk(await Reader.start(ports, env));
  await walk.reader.package();
  for (const block of codeBlocks(`docs/how-to/${page}`)) await walk.follow(block);
  return walk;
}

describeRequiring(redisMissing ?? missingPrograms('curl'), 'several-nodes.md and production.md', () => {
  let redis: RedisServer;
  beforeAll(async () => (redis = await RedisServer.start()));
  afterAll(() => redis.stop());

  test('two processes share logins, logouts and messages', async () => {
    const walk = await followAll('several-nodes.md', [8001, 8002], { REDIS_URL: redis.url });
    await walk.reader.leave();
  });

  test('production.md: the server of the checklist starts, says how it is, and ends in good order', async () => {
    const walk = await followAll('production.md', [8000], { REDIS_URL: redis.url });
    expect(await walk.stop('node --env-file=.env server.js\n', 'SIGTERM')).toBe(0);
  });
});

describeRequiring(postgresMissing ?? missingPrograms('psql'), 'postgresql.md', () => {
  let postgres: Postgres;
  beforeAll(async () => (postgres = await startPostgres()));
  afterAll(() => postgres.stop());

  test('what others write to the database is told', async () => {
    const walk = await followAll('postgresql.md', [8000], { DATABASE_URL: postgres.url });
    // Its server holds connections to PostgreSQL.
    await walk.reader.leave();
  });
});

describeRequiring(mariadbMissing ?? missingPrograms('mariadb'), 'mariadb.md', () => {
  let mariadb: Mariadb;
  beforeAll(async () => (mariadb = await startMariadb()));
  afterAll(() => mariadb.stop());

  test.each(['mariadb', 'mysql'])('what others write to the database is published, with the dialect %s', async (dialect) => {
    const database = `tasks_${dialect}`;
    const { host, port, username } = mariadb;
    const env = {
      DB_DIALECT: dialect,
      DB_HOST: host,
      DB_PORT: String(port),
      DB_USER: username,
      DB_PASSWORD: '',
      DB_NAME: database,
    };
    const sequelize = new Sequelize({ dialect: 'mariadb', host, port, username, database: mariadb.database, logging: false });
    await sequelize.query(`CREATE DATABASE ${database}`);
    await sequelize.close();
    const walk = await followAll('mariadb.md', [8000], env);
    // Its server holds connections to MariaDB.
    await walk.reader.leave();
  });
});
