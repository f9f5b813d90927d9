import type { Sequelize, Transaction } from 'sequelize';
import { notifyChanged } from '../../lib/changes/model-changes.js';
import { seeded, type Random } from '../support/random.js';
import { isThorough } from '../support/requirement.js';
import { until } from '../support/socket-client.js';
import { Note, onEachDatabase, record, Room, Thing, User, type Recording } from './databases.js';
import { noteTouchedRow, noteTouchedRows, takeTouchedRows } from './touched-rows.js';

/** How many transactions and writes outside of any; `npm run bench:changes` asks for more. */
const STEPS = Number(process.env['CHANGES_STEPS'] ?? (isThorough ? 60 : 30));

type Row = Thing | Note | Room;
const models = [Thing, Note, Room] as const;

/** One random write. */
async function write(random: Random, transaction: Transaction | null): Promise<unknown> {
  const one = random.integer(1, 12);
  const some = [random.integer(1, 12), random.integer(1, 12), random.integer(1, 12)];
  const text = `t${random.integer(1, 12)}`;
  const things = await Thing.findAll({ order: ['id'], transaction });
  const thing = things[random.integer(0, things.length)];
  // Given keys must not meet those that PostgreSQL generates.
  const id = thing?.id ?? 10_000 + one;
  const note = await Note.findByPk(one, { transaction, paranoid: false });
  const room = await Room.findByPk(one % 4, { transaction });
  const user = await User.findByPk(one % 5, { transaction });
  const users = (await User.findAll({ where: { id: some }, transaction })).map(({ id }) => id);
  const options = { transaction };
  const writes: (() => Promise<unknown> | undefined)[] = [
    () => Thing.create({ name: text, ownerId: null }, options),
    () =>
      Thing.bulkCreate(
        [
          { name: text, ownerId: null },
          { name: 'b', ownerId: null },
        ],
        options,
      ),
    () => thing && saved(thing, () => thing.update({ name: text, counter: random.integer(0, 9) }, options), transaction),
    () => thing && saved(thing, () => thing.save(options), transaction),
    () => thing?.destroy(options),
    () => thing?.increment('counter', { by: 2, ...options }),
    () => Thing.decrement('counter', { where: { name: text }, ...options }),
    () => Thing.update({ name: text }, { where: { counter: random.integer(0, 4) }, ...options }),
    () => Thing.destroy({ where: { id: [id, ...some] }, ...options }),
    () => Thing.upsert({ id, name: text, ownerId: null }, options),
    () =>
      Thing.bulkCreate(
        // A row may not be met twice by one statement.
        [...new Set([id, 20_000 + one])].map((key) => ({ id: key, name: text, ownerId: null })),
        { updateOnDuplicate: ['name'], ...options },
      ),
    () => Note.findOrCreate({ where: { text }, paranoid: false, ...options }),
    () => Note.upsert({ text, deletedAt: null }, options),
    () => Note.bulkCreate([{ text }, { text: `${text}!` }], { ignoreDuplicates: true, ...options }),
    () => note?.destroy({ force: random.integer(0, 1) === 1, ...options }),
    () => (note === null ? undefined : saved(note, () => note.restore(options), transaction)),
    () => Note.destroy({ where: { id: some }, ...options }),
    () => Note.restore({ where: { id: some }, ...options }),
    () => room?.setUsers(users, options),
    () => room?.addUsers(users, options),
    () => room?.removeUsers(users, options),
    () => (room === null ? undefined : saved(room, () => room.update({ name: text }, options), transaction)),
    () => user?.setRooms([1, 2], options),
    () => user?.destroy(options),
    () => User.upsert({ id: one % 5 || 1, username: `user ${one % 5 || 1}` }, options),
  ];
  const chosen = writes[random.integer(0, writes.length - 1)];
  return chosen?.();
}

/** As in Django, a row that is saved is told even if it is as it was. */
async function saved(row: Row, save: () => Promise<unknown>, transaction: Transaction | null): Promise<void> {
  await save();
  await noteTouchedRow(row.sequelize, keyOf(row), transaction);
}

/** Random writes and savepoints, each with a random end. */
async function writeAll(random: Random, sequelize: Sequelize, transaction: Transaction, depth = 0): Promise<void> {
  for (let left = random.integer(1, 4); left > 0; left -= 1) {
    if (depth < 3 && random.integer(0, 3) === 0) {
      const savepoint = await sequelize.transaction({ transaction });
      await writeAll(random, sequelize, savepoint, depth + 1);
      const end = random.integer(0, 2);
      if (end === 0) await savepoint.rollback();
      if (end === 1) await savepoint.commit();
    } else {
      await write(random, transaction);
    }
  }
}

/** The rows as they are, with their lists. */
async function committed(): Promise<Map<string, string>> {
  const rows: Row[] = [
    ...(await Thing.findAll()),
    ...(await Note.findAll()),
    ...(await Room.findAll({ include: 'users', order: [['users', 'id', 'ASC']] })),
  ];
  return new Map(rows.map((row) => [keyOf(row), JSON.stringify(row)]));
}

const keyOf = (row: Row): string => `${row.constructor.name} ${row.id}`;

async function withList(row: Row): Promise<string> {
  if (!(row instanceof Room)) return JSON.stringify(row);
  return JSON.stringify(await Room.findByPk(row.id, { include: 'users', order: [['users', 'id', 'ASC']] }));
}

onEachDatabase(({ sequelize, dialect }) => {
  test(
    `what is told is the difference of what is stored, after each of ${STEPS} random transactions and writes`,
    async () => {
      const random = seeded(`random changes on ${dialect}`);
      await Room.bulkCreate([{ name: 'one' }, { name: 'two' }, { name: 'three' }]);
      await User.bulkCreate([1, 2, 3, 4].map((id) => ({ id, username: `user ${id}` })));
      const recordings: Recording<Row>[] = models.map((model) =>
        record<Row>(model, { needsBefore: true, manyToMany: Object.values(model === Room ? Room.associations : {}) }),
      );
      const replica = await committed();
      await noteTouchedRows(sequelize());
      let [told, rolledBack] = [0, 0];
      for (let step = 0; step < STEPS; step += 1) {
        const kind = random.integer(0, 3);
        if (kind === 0) {
          await write(random, null);
        } else {
          const transaction = await sequelize().transaction();
          await writeAll(random, sequelize(), transaction);
          await (kind === 1 ? transaction.rollback() : transaction.commit());
        }
        // A row that there never was: told last.
        for (const model of models) notifyChanged(model, [0]);
        await until(() => recordings.every(({ changes }) => changes.at(-1)?.pk === 0));
        const changes = recordings.flatMap((recording) => recording.changes.splice(0).filter(({ pk }) => pk !== 0));
        if (kind === 1) {
          expect(changes).toEqual([]);
          rolledBack += 1;
        }
        // One event for a row and transaction.
        const keys = changes.map(({ after }) => keyOf(after));
        if (kind !== 0) expect(new Set(keys).size).toBe(keys.length);
        // No more than that: a row is told only if something that was not rolled back has written it.
        const touched = await takeTouchedRows(sequelize());
        expect(keys.filter((key) => !touched.has(key))).toEqual([]);
        for (const { kind: what, before, after } of changes) {
          const key = keyOf(after);
          expect([key, what, replica.has(key)]).toEqual([key, what, what !== 'create']);
          if (before !== undefined && !(before instanceof Room)) expect(JSON.stringify(before)).toBe(replica.get(key));
          if (what === 'delete') replica.delete(key);
          else replica.set(key, await withList(after));
        }
        told += changes.length;
        expect(Object.fromEntries(replica)).toEqual(Object.fromEntries(await committed()));
      }
      process.stderr.write(`${dialect}: ${STEPS} steps, ${rolledBack} of them rolled back, ${told} changes told\n`);
      expect(recordings.map(({ missedTimes, errors }) => [missedTimes, errors])).toEqual(models.map(() => [0, []]));
    },
    30_000 + STEPS * 100,
  );
});
