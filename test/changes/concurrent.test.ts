import { connect, createServer } from 'node:net';

import { DataTypes, Sequelize, Transaction } from 'sequelize';
import { postgresMissing, startPostgres, type Postgres } from '../support/postgres.js';
import { describeRequiring } from '../support/requirement.js';
import { portOf, until } from '../support/socket-client.js';
import { defineModels, endRecordings, Note, record, Thing, User } from './databases.js';

/** A way to the database that is cut by the answer to a COMMIT. */
async function cuttingProxy(to: number): Promise<{ readonly port: number; readonly close: () => void }> {
  const server = createServer((client) => {
    const database = connect(to, '127.0.0.1');
    let isCutting = false;
    client.on('data', (chunk) => {
      isCutting ||= chunk.includes('COMMIT');
      database.write(chunk);
    });
    database.on('data', (chunk) => {
      if (isCutting) client.destroy();
      else client.write(chunk);
    });
    client.on('close', () => database.destroy());
    for (const socket of [client, database]) socket.on('error', () => socket.destroy());
  });
  return { port: await portOf(server.listen(0, '127.0.0.1')), close: () => server.close() };
}

describeRequiring(postgresMissing, 'two connections of PostgreSQL', () => {
  let postgres: Postgres;
  let sequelize: Sequelize;
  beforeAll(async () => {
    postgres = await startPostgres();
    sequelize = new Sequelize(postgres.url, { dialect: 'postgres', logging: false });
    defineModels(sequelize);
    await sequelize.sync();
    await sequelize.query(
      'ALTER TABLE notes ADD CONSTRAINT late UNIQUE (text) DEFERRABLE INITIALLY DEFERRED; ALTER TABLE notes DROP CONSTRAINT IF EXISTS notes_text_key',
    );
  }, 30_000);
  beforeEach(async () => {
    await sequelize.query('TRUNCATE users, things, notes, rooms, room_users RESTART IDENTITY');
    await Thing.create({ name: 'a', ownerId: null });
  });
  afterEach(endRecordings);
  afterAll(async () => {
    await sequelize.close();
    await postgres.stop();
  });

  const blocked = async (): Promise<boolean> => {
    const [rows] = await sequelize.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
    return rows.length > 0;
  };
  const rename = async (name: string, transaction: Transaction | null): Promise<unknown> => {
    const row = await Thing.findByPk(1, { rejectOnEmpty: true, transaction });
    return row.update({ name }, { transaction });
  };

  test.each(['commit', 'rollback'] as const)('a change that waited for another is told after its %s', async (end) => {
    const recording = record(Thing, { needsBefore: true });
    const [first, second] = [await sequelize.transaction(), await sequelize.transaction()];
    await rename('first', first);
    const later = rename('second', second);
    await until(blocked);
    await first[end]();
    await later;
    await second.commit();
    const names = end === 'commit' ? ['first', 'second'] : ['second'];
    await until(() => recording.changes.length === names.length);
    // The path of the row is whole: each begins where the one before ended.
    expect(recording.changes[0]?.before?.name).toBe('a');
    expect(recording.changes[1]?.before?.name).toBe(end === 'commit' ? recording.changes[0]?.after.name : undefined);
    expect(recording.changes.at(-1)?.after.name).toBe('second');
  });

  test('a write that waited outside of a transaction is told after the one it waited for', async () => {
    const recording = record(Thing, { needsBefore: true });
    const first = await sequelize.transaction();
    await rename('first', first);
    const later = rename('second', null);
    await until(blocked);
    await first.commit();
    await later;
    await until(() => recording.changes.length === 2);
    expect(recording.changes.map(({ before }) => before?.name)).toEqual(['a', recording.changes[0]?.after.name]);
    expect(recording.changes[1]?.after.name).toBe('second');
  });

  describe('between the look-up and the statement of a write, which waits for a lock', () => {
    /** Holds the row while the write waits for it and others do something else. */
    const during = async (write: Promise<unknown>, holder: Transaction, others: () => Promise<unknown>): Promise<void> => {
      await until(blocked);
      await others();
      await holder.commit();
      await write;
    };

    test('it changes what was published since, not what was looked up', async () => {
      const recording = record(Thing, { needsBefore: true });
      const row = await Thing.findByPk(1, { rejectOnEmpty: true });
      const holder = await sequelize.transaction();
      await Thing.update({ name: 'first' }, { where: { id: 1 }, transaction: holder });
      await during(row.update({ name: 'second' }), holder, () => Promise.resolve());
      await until(() => recording.changes.length === 2);
      expect(recording.changes.map(({ before }) => before?.name)).toEqual(['a', recording.changes[0]?.after.name]);
      expect(recording.changes[1]?.after.name).toBe('second');
    });

    test.each([
      ['a row', () => Thing.update({ name: 'b' }, { where: { id: 1 } })],
      ['a condition', () => Thing.update({ name: 'b' }, { where: { counter: 0 } })],
    ])('if more was published than is remembered, a write of %s is published as a gap', async (_name, write) => {
      const recording = record(Thing, { needsBefore: true });
      const holder = await sequelize.transaction();
      await Thing.findByPk(1, { transaction: holder, lock: Transaction.LOCK.UPDATE });
      await during(write(), holder, async () => {
        for (const count of [500, 1_000, 1_500]) {
          await Thing.bulkCreate(Array.from({ length: 500 }, () => ({ name: 'x', counter: 1, ownerId: null })));
          await until(() => recording.changes.length === count);
        }
      });
      await until(() => recording.missedTimes === 1);
    });
  });

  test('a COMMIT that the database refuses tells nothing', async () => {
    const recording = record(Note);
    await Note.create({ text: 'n' });
    await until(() => recording.changes.length === 1);
    const transaction = await sequelize.transaction();
    await Note.create({ text: 'n' }, { transaction });
    await Note.update({ text: 'm' }, { where: { id: 1 }, transaction });
    await Note.create({ text: 'm' }, { transaction });
    await expect(transaction.commit()).rejects.toThrow();
    await Note.create({ text: 'last' });
    await until(() => recording.changes.length === 2);
    expect(recording.changes.map(({ kind, after }) => `${kind} ${after.text}`)).toEqual(['create n', 'create last']);
  });

  test('of a COMMIT whose answer is lost with the connection, listeners are told that they may have missed something', async () => {
    const proxy = await cuttingProxy(Number(new URL(postgres.url).port));
    const far = new Sequelize(postgres.url.replace(/:\d+\//, `:${proxy.port}/`), { dialect: 'postgres', logging: false });
    const Far = far.define('Thing', { name: DataTypes.STRING }, { tableName: 'things', timestamps: false });
    const recording = record(Far);
    const transaction = await far.transaction();
    await Far.create({ name: 'stored' }, { transaction });
    await expect(transaction.commit()).rejects.toThrow();
    await until(() => recording.missedTimes === 1);
    expect(await Thing.count({ where: { name: 'stored' } })).toBe(1);
    recording.end();
    await far.close();
    proxy.close();
  });

  test('a COMMIT that becomes a rollback, because a statement has failed, tells no change that is not stored', async () => {
    const recording = record(Thing);
    const transaction = await sequelize.transaction();
    await Thing.create({ name: 'lost', ownerId: null }, { transaction });
    await expect(sequelize.query('SELECT 1 / 0', { transaction })).rejects.toThrow();
    await transaction.commit();
    await Thing.create({ name: 'kept', ownerId: null });
    await until(() => recording.changes.length === 1);
    expect(recording.changes.map(({ after }) => after.name)).toEqual(['kept']);
  });

  test('observing needs no second connection of a pool that has one', async () => {
    const narrow = new Sequelize(postgres.url, { dialect: 'postgres', logging: false, pool: { max: 1, acquire: 2_000 } });
    const Row = narrow.define('Row', { counter: DataTypes.INTEGER }, { timestamps: false });
    await Row.sync();
    const recording = record(Row, { needsBefore: true });
    await Row.create({ counter: 1 });
    await Promise.all([
      Row.increment('counter', { where: { counter: [1, 2, 3] } }),
      Row.increment('counter', { where: { id: 1 } }),
    ]);
    await narrow.transaction((transaction) => Row.update({ counter: 9 }, { where: {}, transaction }));
    await until(() => recording.changes.length === 4);
    expect(recording.changes.at(-1)?.after.get('counter')).toBe(9);
    expect(recording.errors).toEqual([]);
    recording.end();
    await narrow.close();
  });

  test('rows of the same model in another schema are not told', async () => {
    const recording = record(User);
    await sequelize.createSchema('other', {});
    const Other = User.schema('other');
    await Other.sync();
    await Other.create({ username: 'theirs' });
    await User.create({ username: 'ours' });
    await until(() => recording.changes.length > 0);
    expect(recording.changes.map(({ after }) => after.username)).toEqual(['ours']);
  });

  test('fifty writers of one row are told in an order that never goes back', async () => {
    const recording = record(Thing, { needsBefore: true });
    const add = async (turn: number): Promise<unknown> => {
      if (turn % 3 === 0) return Thing.increment('counter', { where: { id: 1 } });
      if (turn % 3 === 1) return Thing.update({ counter: Sequelize.literal('count_of + 1') }, { where: { name: 'a' } });
      return sequelize.transaction(async (transaction) => {
        const row = await Thing.findByPk(1, { rejectOnEmpty: true, transaction, lock: Transaction.LOCK.UPDATE });
        return row.update({ counter: row.counter + 1 }, { transaction });
      });
    };
    await Promise.all(Array.from({ length: 50 }, (_, turn) => add(turn)));
    await until(() => recording.changes.length >= 50 && recording.changes.at(-1)?.after.counter === 50);
    const told = recording.changes.map(({ after }) => after.counter);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(recording.changes.slice(1).map(({ before }) => before?.counter)).toEqual(told.slice(0, -1));
  });
});
