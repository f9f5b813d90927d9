import { DataTypes, type Model, type ModelStatic, Sequelize } from 'sequelize';

import * as sqlite from '../../example-app/src/sqlite.js';

/** A column that no serializer shows holds it; so do the environment and the errors that are thrown on purpose. */
export const CANARY = 'canary-3f9c';

/** Rows of the table whose lists are streamed. */
export const ITEMS = 7;

/** The tables under fuzz, in memory. */
export async function openTables() {
  const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
  const hidden = { type: DataTypes.STRING, allowNull: false, defaultValue: CANARY };
  const options = { timestamps: false };
  const Author: ModelStatic<Model> = sequelize.define(
    'Author',
    { name: { type: DataTypes.STRING(40), unique: true }, secret: hidden },
    options,
  );
  const Thing: ModelStatic<Model> = sequelize.define(
    'Thing',
    {
      id: { type: DataTypes.INTEGER, primaryKey: true },
      lane: { type: DataTypes.INTEGER, allowNull: false },
      name: { type: DataTypes.STRING(40), allowNull: false },
      slug: { type: DataTypes.STRING(20), unique: true },
      email: { type: DataTypes.STRING, validate: { isEmail: true } },
      rating: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0, validate: { min: 0, max: 5 } },
      price: DataTypes.DECIMAL(8, 2),
      open: { type: DataTypes.BOOLEAN, allowNull: false, defaultValue: true },
      due: DataTypes.DATE,
      meta: DataTypes.JSON,
      secret: hidden,
    },
    options,
  );
  const Sample: ModelStatic<Model> = sequelize.define(
    'Sample',
    {
      short: DataTypes.STRING(5),
      text: DataTypes.TEXT,
      small: DataTypes.SMALLINT,
      whole: DataTypes.INTEGER,
      big: DataTypes.BIGINT,
      real: DataTypes.REAL,
      double: DataTypes.DOUBLE,
      exact: DataTypes.DECIMAL,
      flag: DataTypes.BOOLEAN,
      moment: DataTypes.DATE,
      day: DataTypes.DATEONLY,
      clock: DataTypes.TIME,
      color: DataTypes.ENUM('red', 'green'),
      key: DataTypes.UUID,
      data: DataTypes.JSON,
      secret: hidden,
    },
    options,
  );
  const Item: ModelStatic<Model> = sequelize.define(
    'Item',
    { slug: { type: DataTypes.STRING(20), allowNull: false, unique: true }, secret: hidden },
    options,
  );
  const Tag: ModelStatic<Model> = sequelize.define('Tag', { word: DataTypes.STRING(20), secret: hidden }, options);
  Thing.belongsTo(Author, { as: 'author', foreignKey: 'authorId' });
  Item.hasMany(Tag, { as: 'tags', foreignKey: 'itemId' });
  await sequelize.sync();
  await Author.bulkCreate([{ name: 'Ada' }, { name: 'Bo' }, { name: 'Cy' }]);
  await Item.bulkCreate(Array.from({ length: ITEMS }, (_, index) => ({ slug: `item-${index + 1}` })));
  await Tag.bulkCreate([1, 1, 2, 3].map((itemId, index) => ({ itemId, word: `tag-${index}` })));
  return { sequelize, Author, Thing, Sample, Item, Tag };
}

export type Tables = Awaited<ReturnType<typeof openTables>>;

/** A table whose rows are all rolled back. A database of its own: one in memory has a single connection for all transactions. */
export async function openDrafts() {
  const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
  const Draft: ModelStatic<Model> = sequelize.define('Draft', { name: DataTypes.STRING }, { timestamps: false });
  await sequelize.sync();
  return { sequelize, Draft };
}

export type Drafts = Awaited<ReturnType<typeof openDrafts>>;
