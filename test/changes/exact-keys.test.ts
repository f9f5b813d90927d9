import { type AbstractDataType, DataTypes, literal, type Model, type ModelStatic, type Transaction } from 'sequelize';
import { notifyChanged } from '../../lib/changes/model-changes.js';
import type { PrimaryKey } from '../../lib/changes/row-change.js';
import { Copy } from './copy.js';
import { onEachDatabase, type TestDatabase, Thing } from './databases.js';
import { ending } from './harness.js';

type Dialect = TestDatabase['dialect'];

const find = (id: number, transaction: Transaction) => Thing.findByPk(id, { rejectOnEmpty: true, transaction });

/** Writes after which a row has another key. */
const moves: readonly [name: string, write: (transaction: Transaction) => Promise<unknown>][] = [
  ['a static update', (transaction) => Thing.update({ id: 9 }, { where: { id: 1 }, transaction })],
  ['a static update by SQL', (transaction) => Thing.update({ id: literal('id + 10') }, { where: { name: 'a' }, transaction })],
  [
    'a static update by SQL, by the key',
    (transaction) => Thing.update({ id: literal('id + 10') }, { where: { id: 1 }, transaction }),
  ],
  ['an increment of the key', (transaction) => Thing.increment('id', { by: 10, where: { id: 1 }, transaction })],
  ['an increment of all keys', (transaction) => Thing.increment({ id: 10, counter: 1 }, { where: {}, transaction })],
  [
    'an increment of the key of a row',
    async (transaction) => (await find(1, transaction)).increment('id', { by: 10, transaction }),
  ],
  [
    'an increment, and an update under the new key',
    async (transaction) => {
      await Thing.increment('id', { by: 10, where: { id: 1 }, transaction });
      await Thing.update({ name: 'z' }, { where: { id: 11 }, transaction });
    },
  ],
  [
    'an update under the old key, an increment, and a destroy under the new one',
    async (transaction) => {
      await Thing.update({ name: 'z' }, { where: { id: 1 }, transaction });
      await Thing.increment('id', { by: 10, where: { id: 1 }, transaction });
      await Thing.destroy({ where: { id: 11 }, transaction });
    },
  ],
  [
    'an increment, and a create under the old key',
    async (transaction) => {
      await Thing.increment('id', { by: 10, where: { id: 1 }, transaction });
      await Thing.create({ id: 1, name: 'z', ownerId: null }, { transaction });
    },
  ],
];

/** Keys that the database or its driver gives back in another form, and others beside them. */
const keys: readonly [kind: string, on: readonly Dialect[], type: () => string | AbstractDataType, all: readonly PrimaryKey[]][] =
  [
    [
      'dates without fractions of a second',
      ['sqlite', 'postgres', 'mariadb', 'mysql'],
      () => DataTypes.DATE(),
      [1_700_000_000_789, 1_700_000_001_000, 1_700_000_002_123, 1_700_000_003_999].map((time) => new Date(time)),
    ],
    ['bytes', ['sqlite', 'postgres'], () => DataTypes.BLOB(), [1, 2, 3, 4].map((byte) => Buffer.from([byte, 0, 255]))],
    ['bytes', ['mariadb', 'mysql'], () => 'VARBINARY(16)', [1, 2, 3, 4].map((byte) => Buffer.from([byte, 0, 255]))],
    [
      'numbers that JavaScript does not tell apart',
      ['sqlite', 'postgres'],
      () => DataTypes.BIGINT(),
      ['9007199254740991', '9007199254740992', '9007199254740993', '9007199254740994'],
    ],
  ];

onEachDatabase(
  ({ sequelize, dialect }) => {
    // Both drivers send the same statements.
    if (dialect !== 'mysql')
      describe.each([true, false])('with rows as they were before: %s', (needsBefore) => {
        test.each(moves)(
          'a key that is changed by %s is published as it is stored, or said to be missed',
          async (_name, write) => {
            await Thing.bulkCreate(['a', 'b'].map((name) => ({ name, ownerId: null })));
            const copy = await Copy.of(Thing, { needsBefore });
            await ending('commit', sequelize(), write);
            await copy.expectExactOrMissed();
          },
        );
      });

    describe.each(keys.filter(([, on]) => on.includes(dialect)))(
      'where keys are %s',
      (_kind, _on, type, [one, two, three, four]) => {
        let Row: ModelStatic<Model>;
        const writes: readonly [name: string, write: () => Promise<unknown>][] = [
          ['a create', () => Row.create({ id: four, text: 'new' })],
          ['a bulkCreate', () => Row.bulkCreate([{ id: four, text: 'new' }])],
          ['an upsert of a new row', () => Row.upsert({ id: four, text: 'new' })],
          ['an upsert', () => Row.upsert({ id: two, text: 'new' })],
          [
            'a static update of a row that was created',
            async () => {
              await Row.create({ id: four, text: 'new' });
              await Row.update({ text: 'newer' }, { where: { id: four } });
            },
          ],
          ['a static update', () => Row.update({ text: 'new' }, { where: { id: two } })],
          ['a static update by a condition', () => Row.update({ text: 'new' }, { where: { text: 'two' } })],
          ['a static destroy', () => Row.destroy({ where: { id: two } })],
          [
            'SQL of which notify is called',
            async () => {
              await Row.update({ text: 'new' }, { where: { id: two }, hooks: false });
              notifyChanged(Row, [two instanceof Uint8Array ? new Uint8Array(two) : (two ?? '')]);
            },
          ],
        ];
        beforeAll(async () => {
          Row = sequelize().define(
            'Keyed',
            { id: { type: type(), primaryKey: true }, text: DataTypes.STRING },
            { tableName: 'keyed', timestamps: false },
          );
          await Row.sync({ force: true });
        });

        test.each(writes)('%s is published as it is stored, or said to be missed', async (_name, write) => {
          await Row.destroy({ where: {}, hooks: false });
          await Row.bulkCreate(['one', 'two', 'three'].map((text, index) => ({ id: [one, two, three][index], text })));
          const copy = await Copy.of(Row);
          await write();
          await copy.expectExactOrMissed();
        });
      },
    );
  },
  { only: ['SQLite in memory', 'SQLite in a file by sqlite3', 'PostgreSQL', 'MariaDB', 'MariaDB by mysql2'] },
);
