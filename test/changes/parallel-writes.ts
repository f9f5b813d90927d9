import { type Sequelize, Transaction } from 'sequelize';
import type { Random } from '../support/random.js';
import { firstVersion, Item, ROOMS, TAGS } from './parallel-models.js';

/** One write, or a few, of a worker. */
export interface Writing {
  readonly random: Random;
  readonly transaction: Transaction | null;
  readonly worker: number;
  /** Whether a worker touches only rows that it has created itself. */
  readonly isOwn: boolean;
  /** What new codes begin with. */
  readonly step: string;
  /** Codes that were used in this step. */
  codes: number;
}

/** So many rows at most, so that the workers meet. */
const MAX_ROWS = 40;

/** A random write. */
export async function write(writing: Writing): Promise<unknown> {
  const { random, transaction, worker, isOwn } = writing;
  const options = { transaction };
  const own = isOwn ? { worker } : {};
  const rows = await Item.findAll({ where: own, order: ['code'], transaction });
  const row = rows[random.integer(0, rows.length)];
  const isFull = rows.length >= (isOwn ? MAX_ROWS / 4 : MAX_ROWS);
  const [n, room] = [random.integer(0, 5), random.integer(0, ROOMS - 1)];
  const tags = TAGS.filter(() => random.integer(0, 1) === 1);
  const fresh = () => {
    writing.codes += 1;
    return { code: `new ${writing.step} ${writing.codes}`, worker, room, n, version: firstVersion() };
  };
  // Rows of these codes are met again and again: by all of the workers, or by one of them.
  const met = (kind: string) => {
    const code = `${kind} ${isOwn ? `${worker} ` : ''}${random.integer(1, isOwn ? 3 : 10)}`;
    return { code, worker, room, n, version: firstVersion() };
  };
  const writes: (() => Promise<unknown> | undefined)[] = [
    () => row?.update({ n, room }, options),
    () => row?.update({ n: n + 1 }, options),
    () => row?.save(options),
    () => row && Item.increment('n', { where: { id: row.id }, ...options }),
    () => row?.increment({ n: 2 }, options),
    () => row?.destroy(options),
    () => (isFull ? row?.destroy(options) : Item.create(fresh(), options)),
    () => (isFull ? Item.destroy({ where: { n, ...own }, ...options }) : Item.create(fresh(), options)),
    () => Item.update({ late: true }, { where: { n: -1, ...own }, ...options }),
    () => Item.update({ room }, { where: { n, ...own }, ...options }),
    () => Item.update({ late: true, n: n + 1 }, { where: { n, room, ...own }, ...options }),
    () => Item.increment('n', { where: { room, n, ...own }, ...options }),
    () => Item.destroy({ where: { late: true, n, ...own }, ...options }),
    // Keys that the database does not give, so that no row gets one of another again.
    () => Item.upsert({ ...met('key'), id: -(worker * 100 + 1 + n), code: `key ${worker} ${n}` }, options),
    () => Item.upsert(met('upsert'), options),
    () => {
      const defaults = met('found');
      return Item.findOrCreate({ where: { code: defaults.code }, defaults, ...options });
    },
    () => (isFull ? undefined : Item.bulkCreate([fresh(), fresh()], options)),
    () => Item.bulkCreate(distinct(met('bulk'), met('bulk'), fresh()), { ignoreDuplicates: true, ...options }),
    () =>
      Item.bulkCreate(distinct(met('bulk'), met('bulk')), {
        updateOnDuplicate: ['n', 'room'],
        conflictAttributes: ['code'],
        ...options,
      }),
    () => Item.count({ where: { room }, ...options }),
    () => row?.addTags([...tags], options),
    () => row?.setTags([...tags], options),
    () => row?.removeTags([...tags], options),
  ];
  if (transaction !== null && Item.sequelize?.getDialect() !== 'sqlite')
    writes.push(async () => {
      const locked = row && (await Item.findByPk(row.id, { lock: Transaction.LOCK.UPDATE, transaction }));
      return locked?.update({ n: locked.n + 1 }, options);
    });
  // Where it does not matter to the others, a statement may also fail.
  if (isOwn) writes.push(() => row && Item.create({ ...fresh(), code: row.code }, options));
  return writes[random.integer(0, writes.length - 1)]?.();
}

/** Random writes and savepoints, each with a random end. */
export async function writeAll(
  sequelize: Sequelize,
  writing: Writing & { readonly transaction: Transaction },
  one: (writing: Writing) => Promise<unknown>,
  depth = 0,
): Promise<void> {
  const { random, transaction } = writing;
  for (let left = random.integer(1, 4); left > 0; left -= 1) {
    if (depth < 2 && random.integer(0, 4) === 0) {
      const savepoint = await sequelize.transaction({ transaction });
      const inner = { ...writing, transaction: savepoint };
      await writeAll(sequelize, inner, one, depth + 1);
      writing.codes = inner.codes;
      const end = random.integer(0, 2);
      if (end === 0) await savepoint.rollback();
      if (end === 1) await savepoint.commit();
    } else {
      await one(writing);
    }
  }
}

/** A statement may not meet a row twice. */
function distinct<T extends { readonly code: string }>(...rows: readonly T[]): T[] {
  return [...new Map(rows.map((row) => [row.code, row])).values()];
}
