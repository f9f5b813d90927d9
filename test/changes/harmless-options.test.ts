import { DataTypes, type Model, type ModelStatic, Sequelize } from 'sequelize';
import { observeChanges } from '../../lib/changes/model-changes.js';
import { until } from '../support/socket-client.js';
import { Copy } from './copy.js';
import { endRecordings, onEachDatabase, record, type Recording, Thing } from './databases.js';
import { optionsOf } from './harness.js';

async function fill(Row: ModelStatic<Model>): Promise<void> {
  await Row.destroy({ where: {}, hooks: false });
  await Row.bulkCreate(
    [1, 2, 3, 4, 5, 6].map((id) => ({ id, name: `row ${id}` })),
    { hooks: false },
  );
}

/** Writes of each kind, each of another row. */
async function writeAll(Row: ModelStatic<Model>): Promise<void> {
  const find = (id: number) => Row.findByPk(id, { rejectOnEmpty: true });
  await Row.create({ id: 11, name: 'new' });
  await Row.update({ name: 'updated' }, { where: { id: 1 } });
  await (await find(2)).update({ name: 'saved' });
  await Row.increment('counter', { where: { name: 'row 3' } });
  await Row.upsert({ id: 4, name: 'upserted' });
  await (await find(5)).destroy();
  await Row.destroy({ where: { name: 'row 6' } });
}
const kinds = ['create', 'delete', 'delete', 'update', 'update', 'update', 'update'];

const kindsOf = ({ changes }: Recording<Model>) => changes.map(({ kind }) => kind).sort();

const attributes = () => ({
  id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
  name: { type: DataTypes.STRING, allowNull: false },
  counter: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0, field: 'count_of' },
  ownerId: DataTypes.INTEGER,
});

onEachDatabase(
  ({ sequelize }) => {
    afterEach(() => sequelize().query('DROP TABLE IF EXISTS elsewhere'));

    test('a Sequelize with the options of one that is observed works, and is not observed itself', async () => {
      const copy = await Copy.of(Thing);
      const other = new Sequelize({ ...optionsOf(sequelize()), storage: ':memory:' });
      const Other = other.define('Thing', attributes(), { tableName: 'things', timestamps: false });
      await Other.sync();
      await fill(Other);
      await writeAll(Other);
      await other.transaction(async (transaction) => {
        await Other.create({ name: 'within' }, { transaction });
        await Other.update({ counter: 7 }, { where: {}, transaction });
      });
      await Thing.create({ name: 'a', ownerId: null });
      await copy.expectExact();
      endRecordings();
      await fill(Other);
      await writeAll(Other);
      expect(kindsOf(copy.recording)).toEqual(['create']);
      await other.close();
    });

    test('a model of the same table with the options of one that is observed works, and is published once', async () => {
      await fill(Thing);
      const recording = record<Model>(Thing);
      const Same = sequelize().define('Same', attributes(), { ...Thing.options });
      await writeAll(Same);
      await until(() => recording.changes.length === kinds.length, 2_000);
      endRecordings();
      for (const Row of [Same, sequelize().define('Again', attributes(), { ...Thing.options })]) {
        await fill(Row);
        await writeAll(Row);
      }
      expect(kindsOf(recording)).toEqual(kinds);
    });

    test('a model of another table with the options of one that is observed works, and is not observed itself', async () => {
      const copy = await Copy.of(Thing);
      const Elsewhere = sequelize().define('Elsewhere', attributes(), { ...Thing.options, tableName: 'elsewhere' });
      await Elsewhere.sync();
      await fill(Elsewhere);
      await writeAll(Elsewhere);
      await fill(Elsewhere);
      const recording = record(Elsewhere);
      await writeAll(Elsewhere);
      await until(() => recording.changes.length === kinds.length, 2_000);
      expect(kindsOf(recording)).toEqual(kinds);
      await copy.expectExact();
      expect(copy.recording.changes).toEqual([]);
    });

    test('options that were copied before, or are copied back, carry no observer', async () => {
      const before = { ...Thing.options.hooks };
      const recording = record(Thing);
      const hooks = { ...Thing.options.hooks };
      recording.end();
      expect(Thing.options.hooks).toEqual(before);
      const Late = sequelize().define('Late', attributes(), { tableName: 'things', timestamps: false, hooks });
      await fill(Late);
      await writeAll(Late);
      const later = record(Thing);
      await Thing.create({ name: 'a', ownerId: null });
      await until(() => later.changes.length === 1);
      expect(recording.changes).toEqual([]);
    });
  },
  { only: ['SQLite in memory', 'SQLite in a file', 'SQLite in a file by sqlite3'] },
);

describe('at start-up', () => {
  const define = (sequelize: Sequelize): ModelStatic<Model> => sequelize.define('Row', attributes());
  const listener = {
    wanted: () => true,
    needsBefore: () => true,
    manyToMany: [],
    maxRows: 1_000,
    committed: () => undefined,
    missed: () => undefined,
    failed: () => undefined,
  };

  /** Enough of a driver to build a Sequelize with. */
  const driver = { CLOB: 1, BLOB: 2 };

  test.each(['mssql', 'oracle', 'db2', 'snowflake'] as const)('a database of %s is refused by its name', (dialect) => {
    const Row = define(new Sequelize({ dialect, dialectModule: driver, logging: false }));
    expect(() => observeChanges(Row, listener)).toThrow(TypeError);
    expect(() => observeChanges(Row, listener)).toThrow(new RegExp(`^Expected .*, got .*${dialect}`, 's'));
  });

  test('a model of Sequelize 7 is refused by its version', () => {
    class Sequelize7 extends Sequelize {
      static readonly version = '7.0.0-alpha.47';
    }
    const Row = define(new Sequelize7({ dialect: 'postgres', logging: false }));
    expect(() => observeChanges(Row, listener)).toThrow(TypeError);
    expect(() => observeChanges(Row, listener)).toThrow(/^Expected .*, got .*7\.0\.0-alpha\.47/s);
  });
});
