import {
  type BelongsToManyAddAssociationsMixin,
  type BelongsToManyRemoveAssociationsMixin,
  type BelongsToManySetAssociationsMixin,
  type CreationOptional,
  DataTypes,
  type InferAttributes,
  type InferCreationAttributes,
  Model,
  type Sequelize,
} from 'sequelize';

/** A row that many workers write at the same time. */
export class Item extends Model<InferAttributes<Item>, InferCreationAttributes<Item>> {
  declare id: CreationOptional<number>;
  declare code: string;
  /** Which worker has created it. */
  declare worker: number;
  /** The group of its subscribers. */
  declare room: number;
  declare n: number;
  declare late: CreationOptional<boolean>;
  /** Counted up by the database itself, by each statement that changes the row. */
  declare version: CreationOptional<number>;
  declare addTags: BelongsToManyAddAssociationsMixin<Tag, number>;
  declare setTags: BelongsToManySetAssociationsMixin<Tag, number>;
  declare removeTags: BelongsToManyRemoveAssociationsMixin<Tag, number>;
}

export class Tag extends Model<InferAttributes<Tag>, InferCreationAttributes<Tag>> {
  declare id: CreationOptional<number>;
  declare name: string;
}

export class ItemTag extends Model<InferAttributes<ItemTag>, InferCreationAttributes<ItemTag>> {
  declare itemId: number;
  declare tagId: number;
}

export const TAGS = [1, 2, 3, 4] as const;
export const ROOMS = 3;

let inserted = 0;

/** The version of a row that is inserted: larger than that of any row that had its key before. */
export function firstVersion(): number {
  inserted += 1;
  return inserted * 1_000;
}

export function defineItems(sequelize: Sequelize): void {
  // Sequelize keeps what it is given, and writes into it.
  const id = () => ({ type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true });
  const number = () => ({ type: DataTypes.INTEGER, allowNull: false });
  Item.init(
    {
      id: id(),
      code: { type: DataTypes.STRING(40), allowNull: false, unique: true },
      worker: number(),
      room: number(),
      n: number(),
      late: { type: DataTypes.BOOLEAN, allowNull: false, defaultValue: false },
      version: { ...number(), defaultValue: firstVersion },
    },
    { sequelize, tableName: 'items', timestamps: false, indexes: [{ fields: ['worker'] }] },
  );
  Tag.init(
    { id: id(), name: { type: DataTypes.STRING(40), allowNull: false } },
    { sequelize, tableName: 'tags', timestamps: false },
  );
  ItemTag.init(
    { itemId: { type: DataTypes.INTEGER, primaryKey: true }, tagId: { type: DataTypes.INTEGER, primaryKey: true } },
    { sequelize, tableName: 'item_tags', timestamps: false },
  );
  Item.belongsToMany(Tag, { as: 'tags', through: ItemTag, foreignKey: 'itemId', otherKey: 'tagId' });
  Tag.belongsToMany(Item, { as: 'items', through: ItemTag, foreignKey: 'tagId', otherKey: 'itemId' });
}

/** Makes the tables as they are at the beginning. */
export async function createItems(sequelize: Sequelize): Promise<void> {
  inserted = 0;
  for (const model of [ItemTag, Item, Tag]) await model.drop();
  for (const model of [Tag, Item, ItemTag]) await model.sync();
  for (const sql of countingUp(sequelize.getDialect())) await sequelize.query(sql);
  await Tag.bulkCreate(TAGS.map((id) => ({ id, name: `tag ${id}` })));
}

/** Triggers by which the database counts up the version of a row that has changed. */
function countingUp(dialect: string): readonly string[] {
  const changed = ['code', 'worker', 'room', 'n', 'late'].map((column) => `NEW.${column} <> OLD.${column}`).join(' OR ');
  const version = `OLD.version + CASE WHEN ${changed} THEN 1 ELSE 0 END`;
  if (dialect === 'sqlite')
    return [
      `CREATE TRIGGER items_version AFTER UPDATE ON items BEGIN UPDATE items SET version = ${version} WHERE id = NEW.id; END`,
    ];
  if (dialect === 'postgres')
    return [
      `CREATE OR REPLACE FUNCTION items_version() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.version := ${version}; RETURN NEW; END $$`,
      'CREATE TRIGGER items_version BEFORE UPDATE ON items FOR EACH ROW EXECUTE FUNCTION items_version()',
    ];
  return [`CREATE TRIGGER items_version BEFORE UPDATE ON items FOR EACH ROW SET NEW.version = ${version}`];
}
