import type { Model, Transaction } from 'sequelize';

import type { ChangeBatch, InsertedRows } from './change-batch.js';
import type { ChangeFeed } from './change-feed.js';
import { byPrimaryKey, findByKeys, isThere, primaryKey } from './queries.js';
import { keyOf, type PrimaryKey } from './row-change.js';
import { findByUniqueValues, hasValues, type UniqueValues } from './unique-keys.js';

/** The rows of committed batches, as they are now. */
export interface CommittedRows {
  readonly found: ReadonlyMap<string, Model>;
  /** The batches of which not all rows are known, or that have more rows than are published one by one. */
  readonly missed: ReadonlySet<ChangeBatch>;
}

/**
 * Reads the rows of committed batches: by one SELECT for all keys, and one for each INSERT whose keys have to be found.
 *
 * @throws what the database answers if it refuses
 */
export async function readCommitted(feed: ChangeFeed, batches: readonly ChangeBatch[]): Promise<CommittedRows> {
  const { model, reader, maxRows } = feed;
  const missed = new Set<ChangeBatch>();
  const found = new Map<string, Model>();
  for (const batch of batches) {
    if (batch.hasMissed([])) {
      missed.add(batch);
      continue;
    }
    const rows = await findInserted(feed, batch, (values) => reader.read((on) => findByUniqueValues(model, values, on)));
    if (rows === 'missed') missed.add(batch);
    else for (const [key, row] of byPrimaryKey(model, rows)) if (isThere(model, row)) found.set(key, row);
  }
  const pks = new Map<string, PrimaryKey>();
  const expected = new Set<string>();
  for (const batch of batches) {
    const summary = batch.summary();
    if (summary.size > maxRows) missed.add(batch);
    if (missed.has(batch)) continue;
    for (const [key, { pk, exists }] of summary) {
      if (!found.has(key)) pks.set(key, pk);
      if (exists !== false) expected.add(key);
    }
  }
  if (pks.size > 0)
    for (const [key, row] of await reader.read((on) => findByKeys(model, pks, on, (key) => expected.has(key))))
      found.set(key, row);
  return { found, missed };
}

/**
 * Finds what the INSERTs of a transaction have done before it writes again what they are found by. The rows are locked, so what is not
 * committed of them is the transaction's own.
 *
 * @param readsIn - the transaction of a SQLite file in which they are looked up
 * @throws what the database answers if it refuses
 */
export async function findInsertedWithin(feed: ChangeFeed, batch: ChangeBatch, readsIn: Transaction | undefined): Promise<void> {
  const rows = await findInserted(feed, batch, (values) =>
    feed.reader.lookUpUncommitted((on) => findByUniqueValues(feed.model, values, on), readsIn),
  );
  if (rows === 'missed') batch.miss();
}

/** Finds the rows of INSERTs by their unique values, and adds to the batch what was done to them. */
async function findInserted(
  feed: ChangeFeed,
  batch: ChangeBatch,
  find: (values: readonly UniqueValues[]) => Promise<Model[]>,
): Promise<Model[] | 'missed'> {
  const all: Model[] = [];
  for (const { inserted, at } of batch.takeInserted()) {
    const rows = await find(inserted.identities.flatMap(({ values }) => values));
    if (!addInserted(feed, batch, inserted, rows, at)) return 'missed';
    all.push(...rows);
  }
  return all;
}

/** Adds to a batch what an INSERT has done to the rows that have its unique values. @returns whether all of its rows are known */
function addInserted(
  feed: ChangeFeed,
  batch: ChangeBatch,
  { identities, found, from, readAt, updates, inserted }: InsertedRows,
  rows: readonly Model[],
  at: number,
): boolean {
  let created = 0;
  for (const row of rows) {
    const pk = primaryKey(feed.model, row);
    if (pk === undefined) return false;
    const key = keyOf(pk);
    const before = found.get(key);
    if (before === undefined && !batch.hasWritten(key, at)) created += 1;
    else if (!updates) continue;
    const existed = before !== undefined && isThere(feed.model, before);
    feed.enter(batch, key);
    batch.add(
      {
        pk,
        // Others may have created the row since it was looked for.
        from,
        readAt,
        existed,
        isKnown: true,
        exists: undefined,
        before: existed ? before : undefined,
      },
      at,
    );
  }
  if (inserted !== undefined && created !== inserted) return false;
  // An updated row has to have the values that it was found by, or something else has found it.
  return !updates || identities.every(({ values }) => rows.some((row) => values.some((one) => hasValues(row, one))));
}
