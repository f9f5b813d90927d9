import type { Transaction } from 'sequelize';
import { Copy } from './copy.js';
import { Note, onEachDatabase, Thing } from './databases.js';
import { ending } from './harness.js';

type Write = (transaction: Transaction) => Promise<unknown>;

const row = { name: 'a', ownerId: null };

/** Writes that meet rows which were committed after their transaction had read. */
const late: readonly [name: string, write: Write][] = [
  ['a static destroy', (transaction) => Thing.destroy({ where: { name: 'a' }, transaction })],
  ['a static update', (transaction) => Thing.update({ counter: 5 }, { where: { name: 'a' }, transaction })],
  [
    'a static update that ends its condition',
    (transaction) => Thing.update({ name: 'c' }, { where: { name: 'a' }, transaction }),
  ],
  ['a static update by the primary key', (transaction) => Thing.update({ counter: 5 }, { where: { id: 3 }, transaction })],
  ['an increment', (transaction) => Thing.increment('counter', { where: { name: 'a' }, transaction })],
  ['an upsert', (transaction) => Thing.upsert({ id: 3, name: 'c', ownerId: null }, { transaction })],
  [
    'a bulkCreate with updateOnDuplicate',
    (transaction) =>
      Thing.bulkCreate(
        [3, 9].map((id) => ({ id, name: 'c', ownerId: null })),
        { updateOnDuplicate: ['name'], transaction },
      ),
  ],
  [
    'a bulkCreate with ignoreDuplicates',
    (transaction) =>
      Thing.bulkCreate(
        [3, 9].map((id) => ({ id, name: 'c', ownerId: null })),
        { ignoreDuplicates: true, transaction },
      ),
  ],
  [
    'a static destroy of rows that an earlier write made meet its condition',
    async (transaction) => {
      await Thing.update({ name: 'd' }, { where: { name: ['a', 'b'] }, transaction });
      await Thing.destroy({ where: { name: 'd' }, transaction });
    },
  ],
];

onEachDatabase(
  ({ sequelize, dialect }) => {
    beforeEach(() => Thing.bulkCreate([row, { ...row, name: 'b' }]));

    // Both drivers send the same statements.
    describe.each(dialect === 'mysql' ? [true] : [true, false])('with rows as they were before: %s', (needsBefore) => {
      test.each(late)('%s that meets rows of later transactions is published as it is stored', async (_name, write) => {
        const copy = await Copy.of(Thing, { needsBefore });
        await ending('commit', sequelize(), async (transaction) => {
          // The first SELECT of a transaction decides what the others see.
          expect(await Thing.count({ transaction })).toBe(2);
          await Thing.create({ id: 3, ...row });
          await Thing.update({ name: 'a' }, { where: { id: 2 } });
          await copy.expectExact();
          await write(transaction);
        });
        await copy.expectExact();
      });
    });

    /** Statements that end the transaction that they are sent in, by a commit. */
    const committing: readonly [name: string, statement: Write][] = [
      ['TRUNCATE', (transaction) => Note.truncate({ force: true, transaction })],
      ['TRUNCATE of the same table', (transaction) => Thing.truncate({ transaction })],
      ['CREATE TABLE', (transaction) => sequelize().query('CREATE TABLE implicit (id INT)', { transaction })],
      ['ALTER TABLE', (transaction) => sequelize().query("ALTER TABLE notes COMMENT 'implicit'", { transaction })],
      [
        'CREATE INDEX',
        (transaction) => sequelize().getQueryInterface().addIndex('things', ['name'], { name: 'implicit', transaction }),
      ],
    ];

    describe.each(['rollback', 'commit'] as const)('before a %s', (end) => {
      afterEach(async () => {
        await sequelize().query('DROP TABLE IF EXISTS implicit');
        await sequelize().query('DROP INDEX IF EXISTS implicit ON things');
      });

      test.each(committing)('what %s commits is published, or said to be missed', async (_name, statement) => {
        const copy = await Copy.of(Thing);
        await ending(end, sequelize(), async (transaction) => {
          await Thing.create(row, { transaction });
          await Thing.update({ counter: 5 }, { where: { name: 'a' }, transaction });
          await statement(transaction);
          await Thing.update({ counter: 6 }, { where: { name: 'b' }, transaction });
        });
        await copy.expectExactOrMissed();
      });
    });
  },
  { only: ['MariaDB', 'MariaDB by mysql2'] },
);
