import type { Model, ModelStatic } from 'sequelize';

import type { RowSummary } from './change-batch.js';
import { deletionAttribute, primaryKey } from './queries.js';
import type { PrimaryKey, RowChange } from './row-change.js';
import type { KnownState, RowState } from './row-states.js';

/**
 * What a batch did to a row, as subscribers see it: the difference between what they know and the row as it is read after the commit.
 * `unknown` if that cannot be said.
 *
 * @param others - whether the row exists after what others have made of it that are not published yet: they say the rest
 */
export function changeOf(
  model: ModelStatic<Model>,
  row: RowSummary,
  known: KnownState,
  found: Model | undefined,
  others: readonly (boolean | undefined)[],
): RowChange | 'unknown' | undefined {
  const { pk, exists, last, isUnchanged, isUncertain } = row;
  // The driver has given two keys as the same number.
  if ([pk, ...[found, known.row, last].map((one) => one && primaryKey(model, one))].some(isRounded)) return 'unknown';
  if (found !== undefined && exists !== false) {
    if (isUncertain && known.row !== undefined && isEqual(known.row, found)) return undefined;
    if (!known.exists) return { kind: 'create', pk: keyIn(model, found, pk), before: undefined, after: found };
    const before = known.row ?? (isUnchanged ? found : undefined);
    return { kind: 'update', pk: keyIn(model, found, pk), before, after: found };
  }
  // It was deleted and exists again: the write that made it publishes that.
  if (found !== undefined && (isUncertain || others.every((exists) => exists === false))) return undefined;
  if (exists === true && found === undefined) {
    if (isUncertain || others.some((exists) => exists !== true) || row.lists !== undefined) return undefined;
    // It should be there: its key has changed, or is stored in another way, or another program has deleted it.
    if (deletionAttribute(model) === undefined || !known.isKnown) return 'unknown';
  }
  if (!known.exists) return undefined;
  if (isUncertain && !known.isKnown) return undefined;
  const before = known.row ?? last;
  const after = last ?? known.row ?? model.build({ [model.primaryKeyAttribute]: pk }, { isNewRecord: false, raw: true });
  return { kind: 'delete', pk: keyIn(model, after, pk), before, after };
}

/** What subscribers know of a row from here on. */
export function stateOf(known: KnownState, change: RowChange | undefined): RowState {
  if (change === undefined) return { exists: known.exists, row: known.row };
  if (change.kind === 'delete') return { exists: false, row: undefined };
  return { exists: true, row: change.after };
}

/** As the row has it: a key may be written in several ways. */
function keyIn(model: ModelStatic<Model>, row: Model, pk: PrimaryKey): PrimaryKey {
  return primaryKey(model, row) ?? pk;
}

/** Whether a key is a number that JavaScript cannot tell from the next one. */
function isRounded(pk: PrimaryKey | undefined): boolean {
  return typeof pk === 'number' && Number.isInteger(pk) && !Number.isSafeInteger(pk);
}

/** Whether two states of a row are the same. */
export function isEqual(one: Model, other: Model): boolean {
  return JSON.stringify(one.get({ plain: true })) === JSON.stringify(other.get({ plain: true }));
}
