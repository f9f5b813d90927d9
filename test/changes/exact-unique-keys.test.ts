import { DataTypes, type IndexesOptions, type Model, type ModelStatic, type Sequelize } from 'sequelize';
import { Copy } from './copy.js';
import { onEachDatabase, type TestDatabase } from './databases.js';

type Dialect = TestDatabase['dialect'];
type Write = (Item: ModelStatic<Model>) => Promise<unknown>;

const all: readonly Dialect[] = ['sqlite', 'postgres', 'mariadb', 'mysql'];
/** Where an INSERT updates the row of whatever unique key it meets, not only of those that it names. */
const mariadb: readonly Dialect[] = ['mariadb', 'mysql'];

/** An index as JavaScript may write it: by the types of Sequelize it is either unique or not. */
function uniqueByName(): IndexesOptions {
  const index: IndexesOptions = { fields: ['code'] };
  Reflect.set(index, 'unique', 'codes');
  return index;
}

/** Ways to make the codes unique, of which some are not in the model. */
const ways: readonly [name: string, on: readonly Dialect[], index: IndexesOptions | undefined, sql?: string][] = [
  ['an index that is unique by a name', all, uniqueByName()],
  ['an index of a type', all, { fields: ['code'], type: 'UNIQUE' }],
  ['an index with an order', all, { unique: true, fields: [{ name: 'code', order: 'DESC' }] }],
  ['an index that only the database has', all, undefined, 'CREATE UNIQUE INDEX codes ON items (code)'],
  ['an index of an expression', ['sqlite', 'postgres'], undefined, 'CREATE UNIQUE INDEX codes ON items (lower(code))'],
  ['an index of some rows', ['sqlite', 'postgres'], undefined, 'CREATE UNIQUE INDEX codes ON items (code) WHERE n > 0'],
];

/** INSERTs that meet rows that are there: `a`, `b` and `c`, with the keys from 1 to 3. */
const inserts: readonly [name: string, on: readonly Dialect[], write: Write][] = [
  ['an upsert of a row that is there', mariadb, (Item) => Item.upsert({ code: 'a', n: 5 })],
  ['an upsert of a new row', mariadb, (Item) => Item.upsert({ code: 'd', n: 5 })],
  ['an upsert that changes the primary key', mariadb, (Item) => Item.upsert({ id: 9, code: 'a', n: 5 })],
  [
    'a bulkCreate with updateOnDuplicate',
    mariadb,
    (Item) =>
      Item.bulkCreate(
        ['d', 'b', 'e'].map((code) => ({ code, n: 5 })),
        { updateOnDuplicate: ['n'] },
      ),
  ],
  [
    'a bulkCreate with updateOnDuplicate and given keys',
    mariadb,
    (Item) => Item.bulkCreate([{ id: 7, code: 'b', n: 5 }], { updateOnDuplicate: ['n'] }),
  ],
  [
    'a bulkCreate with ignoreDuplicates, of rows that are all there',
    all,
    (Item) => Item.bulkCreate([{ code: 'a', n: 5 }], { ignoreDuplicates: true }),
  ],
  [
    'a bulkCreate with ignoreDuplicates, of which the first row is there',
    all,
    (Item) =>
      Item.bulkCreate(
        ['b', 'd'].map((code) => ({ code, n: 5 })),
        { ignoreDuplicates: true },
      ),
  ],
  [
    'a bulkCreate with ignoreDuplicates and given keys',
    all,
    (Item) =>
      Item.bulkCreate(
        [
          { id: 7, code: 'a', n: 5 },
          { id: 8, code: 'd', n: 5 },
        ],
        { ignoreDuplicates: true },
      ),
  ],
  [
    'a create with ignoreDuplicates',
    ['sqlite', ...mariadb],
    (Item) => Item.create({ code: 'a', n: 5 }, { ignoreDuplicates: true }),
  ],
];

/** INSERT IGNORE stores what fits, not what is given. */
const shortened: readonly [name: string, rows: readonly object[]][] = [
  ['a code that is too long', [{ code: 'too long', n: 5 }]],
  [
    'a code that is too long, and then is there',
    [
      { code: 'abcdefgh', n: 5 },
      { code: 'd', n: 5 },
    ],
  ],
  ['a key that is too large', [{ id: 3_000_000_000, code: 'd', n: 5 }]],
];

function define(sequelize: Sequelize, isUnique: boolean, index: IndexesOptions | undefined): ModelStatic<Model> {
  return sequelize.define(
    'Item',
    {
      id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
      code: { type: DataTypes.STRING(5), allowNull: false, unique: isUnique },
      n: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0 },
    },
    { tableName: 'items', timestamps: false, indexes: index === undefined ? [] : [{ name: 'codes', ...index }] },
  );
}

async function fill(Item: ModelStatic<Model>, codes: readonly string[]): Promise<void> {
  await Item.destroy({ where: {}, hooks: false });
  await Item.bulkCreate(codes.map((code, index) => ({ id: index + 1, code, n: 1 })));
}

onEachDatabase(
  ({ sequelize, dialect }) => {
    let Item: ModelStatic<Model>;

    describe.each(ways.filter(([, on]) => on.includes(dialect)))('with %s', (_name, _on, index, sql) => {
      beforeAll(async () => {
        Item = define(sequelize(), false, index);
        await Item.sync({ force: true });
        if (sql !== undefined) await sequelize().query(sql);
      });

      test.each(inserts.filter(([, on]) => on.includes(dialect)))(
        '%s is published as it is stored, or said to be missed',
        async (_insert, _where, write) => {
          await fill(Item, ['a', 'b', 'c']);
          const copy = await Copy.of(Item);
          await write(Item);
          await copy.expectExactOrMissed();
        },
      );
    });

    if (mariadb.includes(dialect))
      describe('with a unique attribute', () => {
        beforeAll(async () => {
          Item = define(sequelize(), true, undefined);
          await Item.sync({ force: true });
          await fill(Item, ['a', 'abcde']);
        });

        test.each(shortened)(
          'of an INSERT IGNORE, %s is published as it is stored, or said to be missed',
          async (_what, rows) => {
            const copy = await Copy.of(Item);
            await Item.bulkCreate(
              rows.map((row) => ({ ...row })),
              { ignoreDuplicates: true },
            );
            await copy.expectExactOrMissed();
          },
        );

        test('an upsert that meets a row by another value than its key is published as it is stored, or said to be missed', async () => {
          const copy = await Copy.of(Item);
          await Item.upsert({ id: 9, code: 'A', n: 5 });
          await copy.expectExactOrMissed();
        });
      });
  },
  { only: ['SQLite in memory', 'PostgreSQL', 'MariaDB', 'MariaDB by mysql2'] },
);
