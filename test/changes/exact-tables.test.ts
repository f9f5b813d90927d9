import { DataTypes, type Model, type ModelStatic, type Sequelize, type Transaction } from 'sequelize';
import { Copy } from './copy.js';
import { endRecordings, onEachDatabase } from './databases.js';
import { another, closeOthers, ending } from './harness.js';

const attributes = () => ({
  id: { type: DataTypes.INTEGER, primaryKey: true },
  text: DataTypes.STRING,
  n: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0 },
});

function define(sequelize: Sequelize, name: string, schema?: string): ModelStatic<Model> {
  return sequelize.define(name, attributes(), {
    tableName: 'entries',
    timestamps: false,
    ...(schema !== undefined && { schema }),
  });
}

/** Writes of each kind, each of another row. */
async function writeAll(Row: ModelStatic<Model>): Promise<void> {
  const find = (id: number) => Row.findByPk(id, { rejectOnEmpty: true });
  await Row.create({ id: 11, text: 'new' });
  await Row.bulkCreate([12, 13].map((id) => ({ id, text: 'new' })));
  await (await find(1)).update({ text: 'saved' });
  await (await find(2)).destroy();
  await Row.update({ text: 'updated' }, { where: { id: 3 } });
  await Row.update({ text: 'updated' }, { where: { text: 'entry 4' } });
  await Row.increment('n', { where: { text: 'entry 5' } });
  await Row.upsert({ id: 6, text: 'upserted' });
  await Row.destroy({ where: { text: 'entry 7' } });
}

/** The same with the tables of another tenant, whose rows have the same keys. */
const tenant = { searchPath: 'tenant' };
const tenantWrites: readonly [name: string, write: (Row: ModelStatic<Model>, transaction: Transaction) => Promise<unknown>][] = [
  ['create', (Row, transaction) => Row.create({ id: 1, text: 'theirs' }, { ...tenant, transaction })],
  ['bulkCreate', (Row, transaction) => Row.bulkCreate([{ id: 1, text: 'theirs' }], { ...tenant, transaction })],
  ['static update', (Row, transaction) => Row.update({ text: 'theirs' }, { where: { id: 2 }, ...tenant, transaction })],
  [
    'static update by a condition',
    (Row, transaction) => Row.update({ text: 'theirs' }, { where: { text: 'entry 3' }, ...tenant, transaction }),
  ],
  ['increment', (Row, transaction) => Row.increment('n', { where: { id: 2 }, ...tenant, transaction })],
  ['upsert', (Row, transaction) => Row.upsert({ id: 2, text: 'theirs' }, { ...tenant, transaction })],
  ['static destroy', (Row, transaction) => Row.destroy({ where: { id: 2 }, ...tenant, transaction })],
  [
    'save',
    async (Row, transaction) =>
      (await Row.findByPk(3, { rejectOnEmpty: true, ...tenant, transaction })).update(
        { text: 'theirs' },
        { ...tenant, transaction },
      ),
  ],
  [
    'destroy',
    async (Row, transaction) =>
      (await Row.findByPk(3, { rejectOnEmpty: true, ...tenant, transaction })).destroy({ ...tenant, transaction }),
  ],
];

onEachDatabase(
  ({ sequelize, dialect }) => {
    /** What the database calls the schema of tables for which none is named; undefined if it has none. */
    const schema = (): string | undefined => {
      if (dialect === 'postgres') return 'public';
      return dialect === 'mariadb' ? sequelize().getDatabaseName() : undefined;
    };
    let Row: ModelStatic<Model>;
    beforeEach(async () => {
      Row = define(sequelize(), 'Entry');
      await Row.sync({ force: true });
      await Row.bulkCreate([1, 2, 3, 4, 5, 6, 7, 8].map((id) => ({ id, text: `entry ${id}` })));
    });

    const named: readonly [name: string, other: () => ModelStatic<Model>][] = [
      ['a model with the name of the schema', () => define(sequelize(), 'Late', schema())],
      ['Model.schema', () => Row.schema(schema() ?? '')],
    ];
    const others: typeof named = [
      ['another model of the table', () => define(sequelize(), 'Late')],
      ['a model that was defined again', () => define(sequelize(), 'Entry')],
      ...(dialect === 'postgres' || dialect === 'mariadb' ? named : []),
    ];

    test.each(others)('writes through %s that comes after the observer are published once', async (_name, other) => {
      const copy = await Copy.of(Row);
      await writeAll(other());
      await copy.expectExact();
      expect(copy.recording.changes).toHaveLength(10);
    });

    test.each(others)('an observer of %s gets what is written through the first one', async (_name, other) => {
      const copy = await Copy.of(other());
      await writeAll(Row);
      await copy.expectExact();
      expect(copy.recording.changes).toHaveLength(10);
    });

    if (dialect === 'postgres')
      describe('of a table that other tenants have in their own schemas', () => {
        let Tenants: ModelStatic<Model>;
        const open = (more: Readonly<Record<string, unknown>> = {}): ModelStatic<Model> =>
          define(another(sequelize(), { ...more, dialectOptions: { prependSearchPath: true } }), 'Entry');
        beforeEach(async () => {
          await sequelize().query('DROP SCHEMA IF EXISTS tenant CASCADE');
          await sequelize().query('CREATE SCHEMA tenant');
          await sequelize().query('CREATE TABLE tenant.entries (LIKE public.entries INCLUDING ALL)');
          await sequelize().query("INSERT INTO tenant.entries (id, text) VALUES (2, 'entry 2'), (3, 'entry 3')");
          Tenants = open();
        });
        afterEach(async () => {
          endRecordings();
          await closeOthers();
        });

        test.each(tenantWrites)('a %s there publishes nothing', async (_name, write) => {
          const copy = await Copy.of(Tenants);
          for (const end of ['rollback', 'commit'] as const)
            await ending(end, databaseOf(Tenants), (transaction) => write(Tenants, transaction));
          await copy.expectExact();
          expect(copy.recording.changes).toEqual([]);
          await Tenants.update({ text: 'ours' }, { where: { id: 3 } });
          await copy.expectExact();
          expect(copy.recording.changes).toHaveLength(1);
        });

        test('an observer of a Sequelize with a search path of its own gets the rows there', async () => {
          const Own = open(tenant);
          const copy = await Copy.of(Own);
          await Own.update({ text: 'theirs' }, { where: { text: 'entry 3' } });
          await Own.create({ id: 1, text: 'theirs' });
          await Own.destroy({ where: { id: 2 } });
          await copy.expectExact();
        });
      });
  },
  { only: ['SQLite in memory', 'PostgreSQL', 'MariaDB', 'MariaDB by mysql2'] },
);

function databaseOf({ sequelize }: ModelStatic<Model>): Sequelize {
  if (sequelize === undefined) throw new Error('Expected a model with a database.');
  return sequelize;
}
