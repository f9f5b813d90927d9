import { until } from '../support/socket-client.js';
import { useCls } from './cls.js';
import { Note, onEachDatabase, record, Room, Thing } from './databases.js';
import { withKeys, writes } from './writes.js';

const models = { Thing, Note, Room };
const sorted = (told: readonly string[]) => [...told].sort();

useCls();

onEachDatabase(({ sequelize, dialect }) => {
  // TRUNCATE cannot be rolled back there.
  const undoable = writes.filter(({ name }) => name !== 'truncate' || dialect === 'sqlite' || dialect === 'postgres');

  test.each(writes)('$row: $name is told', async ({ of, setup, write, told }) => {
    await setup?.();
    const recording = listen(of);
    await write();
    await until(() => recording.changes.length >= told.length);
    await nextRead(of);
    expect(sorted(recording.take())).toEqual(sorted(await withKeys(told)));
    expect(recording).toMatchObject({ missedTimes: 0, errors: [] });
  });

  test.each(writes)(
    '$row: $name in a transaction is told when it is committed, and not before',
    async ({ of, setup, write, told }) => {
      await setup?.();
      // Rows as they were are looked up above.
      const recording = listen(of, false);
      await sequelize().transaction(async () => {
        await write();
        expect(recording.take()).toEqual([]);
      });
      await until(() => recording.changes.length >= rows(told).size);
      await nextRead(of);
      expect(new Set(recording.take().map(rowOf))).toEqual(rows(await withKeys(told)));
      expect(recording).toMatchObject({ missedTimes: 0, errors: [] });
    },
  );

  test.each(undoable)('$row: $name is not told when it is rolled back', async ({ of, setup, write }) => {
    await setup?.();
    const recording = listen(of);
    const rolledBack = sequelize().transaction(async () => {
      await write();
      throw new Error('roll back');
    });
    await expect(rolledBack).rejects.toThrow('roll back');
    await nextRead(of);
    expect(recording).toMatchObject({ changes: [], missedTimes: 0, errors: [] });
  });
});

const listen = (of: keyof typeof models, needsBefore = true) =>
  record<Thing | Note | Room>(models[of], {
    needsBefore,
    manyToMany: Object.values(of === 'Room' ? Room.associations : {}),
  });

/** What had been written before is told by the end of it. */
async function nextRead(of: keyof typeof models): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await models[of].sequelize?.query('SELECT 1', { transaction: null });
}

const rowOf = (told: string) => told.split(' ')[1];
const rows = (told: readonly string[]) => new Set(told.map(rowOf));
