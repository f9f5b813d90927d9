import { QueryTypes, type Sequelize, type Transaction } from 'sequelize';

/**
 * Which rows a statement on a table touches, in SQL: `row` stands for the one that is written. A list changes with its links, and with
 * the rows that it shows.
 */
const touches: readonly (readonly [table: string, names: string])[] = [
  ['things', `VALUES (CONCAT('Thing ', row.id))`],
  ['notes', `VALUES (CONCAT('Note ', row.id))`],
  ['rooms', `VALUES (CONCAT('Room ', row.id))`],
  ['room_users', `VALUES (CONCAT('Room ', row."RoomId"))`],
  ['users', `SELECT CONCAT('Room ', "RoomId") FROM room_users WHERE "UserId" = row.id`],
];
const writes: readonly (readonly [verb: string, row: string])[] = [
  ['INSERT', 'NEW'],
  ['UPDATE', 'NEW'],
  ['UPDATE', 'OLD'],
  ['DELETE', 'OLD'],
];

/** Has the database itself note which rows are written. What is rolled back takes its notes along. */
export async function noteTouchedRows(sequelize: Sequelize): Promise<void> {
  await sequelize.query('DROP TABLE IF EXISTS touched');
  await sequelize.query('CREATE TABLE touched (name VARCHAR(100))');
  for (const [table, names] of touches)
    for (const [verb, row] of writes) {
      const insert = `INSERT INTO touched ${names.replaceAll(/\brow\./g, `${row}.`)};`;
      for (const sql of triggers(sequelize.getDialect(), `${table}_${verb}_${row}`, `${verb} ON ${table}`, insert))
        await sequelize.query(sql);
    }
}

function triggers(dialect: string, name: string, when: string, insert: string): readonly string[] {
  if (dialect === 'postgres')
    return [
      `CREATE OR REPLACE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${insert} RETURN NULL; END $$`,
      `CREATE OR REPLACE TRIGGER ${name} AFTER ${when} FOR EACH ROW EXECUTE FUNCTION ${name}()`,
    ];
  if (dialect === 'sqlite') return [`DROP TRIGGER IF EXISTS ${name}`, `CREATE TRIGGER ${name} AFTER ${when} BEGIN ${insert} END`];
  // Cascades call no triggers, and come before those that are called after a row.
  const moment = when.startsWith('DELETE') ? 'BEFORE' : 'AFTER';
  return [`CREATE OR REPLACE TRIGGER ${name} ${moment} ${when} FOR EACH ROW ${insert.replaceAll('"', '`')}`];
}

/** Notes a row by hand: one that is told although no statement writes it. */
export async function noteTouchedRow(sequelize: Sequelize, name: string, transaction: Transaction | null): Promise<void> {
  await sequelize.query('INSERT INTO touched VALUES (:name)', { replacements: { name }, transaction });
}

/** The rows that were written by what is committed, such as `Thing 5`, since this was asked last. */
export async function takeTouchedRows(sequelize: Sequelize): Promise<ReadonlySet<string>> {
  const rows = await sequelize.query<{ name: string }>('SELECT name FROM touched', { type: QueryTypes.SELECT });
  await sequelize.query('DELETE FROM touched');
  return new Set(rows.map(({ name }) => name));
}
