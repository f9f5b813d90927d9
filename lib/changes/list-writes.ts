import type { Association, Transaction } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import type { Touch } from './change-batch.js';
import type { ChangeFeed } from './change-feed.js';
import { tick } from './commit-queue.js';
import { ListGate } from './list-gate.js';
import { manyToMany, type ManyToMany } from './many-to-many.js';
import { isPrimaryKey, type PrimaryKey } from './row-change.js';
import { findRows, primaryKey } from './row-look-up.js';
import { isRow, isSameTable, trackWrites, type Write, type WriteTracker } from './write-hooks.js';

/** Follows what changes the lists of a many-to-many relation, from either side; the function that is returned ends it. */
export function trackLists(feed: ChangeFeed, association: Association): () => void {
  const relation = manyToMany(feed.model, association);
  const gate = new ListGate(feed, association);
  const ends = [
    trackWrites(relation.through, new LinkWrites(feed, association, gate)),
    trackWrites(relation.target, new TargetWrites(feed, association, gate)),
  ];
  return () => {
    for (const end of ends) end();
  };
}

type Owners = readonly PrimaryKey[];

/** Tells the rows whose lists a write has changed as updated. */
abstract class ListWrites implements WriteTracker<Owners> {
  protected readonly feed: ChangeFeed;
  protected readonly relation: ManyToMany;
  readonly #association: Association;
  readonly #gate: ListGate;

  constructor(feed: ChangeFeed, association: Association, gate: ListGate) {
    this.feed = feed;
    this.relation = manyToMany(feed.model, association);
    this.#association = association;
    this.#gate = gate;
  }

  before(write: Write): Promise<Owners | undefined> | Owners | undefined {
    if (!this.#isWanted || !this.concerns(write)) return undefined;
    if (!write.options.transaction) this.#gate.enter(write.options);
    return this.#lookUp(write);
  }

  after(write: Write, before: Owners | undefined): Promise<void> | undefined {
    const { options } = write;
    if (!this.concerns(write) || (!options.transaction && !this.#isWanted)) return undefined;
    const after = this.ownersAfter(write);
    const isKnown = before !== undefined || (write.rows !== undefined && after !== undefined);
    const touches = isKnown ? [...(before ?? []), ...(after ?? [])].map((pk) => this.#touch(pk)) : [undefined];
    return this.#gate.leave(options, touches, options.transaction);
  }

  protected abstract concerns(write: Write): boolean;

  /** Whose lists are about to change. */
  protected abstract ownersBefore(write: Write): Promise<unknown[]>;

  /** Whose lists have changed, as far as the write says it; undefined if it does not. */
  protected abstract ownersAfter(write: Write): Owners | undefined;

  protected async linkedTo(otherKeys: readonly unknown[], transaction: Transaction | null | undefined): Promise<unknown[]> {
    const { through, foreignKey, otherKey } = this.relation;
    const links = await findRows(through, { where: { [otherKey]: [...otherKeys] }, attributes: [foreignKey], transaction });
    return links.map((link): unknown => link.getDataValue(foreignKey));
  }

  get #isWanted(): boolean {
    return this.feed.listenersOf(this.#association).some((listener) => listener.wanted());
  }

  #touch(pk: PrimaryKey): Touch {
    return { pk, from: tick(), existed: true, exists: true, list: this.#association };
  }

  async #lookUp(write: Write): Promise<Owners | undefined> {
    try {
      return (await this.ownersBefore(write)).filter(isPrimaryKey);
    } catch (error) {
      this.feed.fail(error);
      return undefined;
    }
  }
}

/** Writes of the join table. */
class LinkWrites extends ListWrites {
  /** Links that are saved with a row are told with it. */
  protected concerns({ rows = [], options }: Write): boolean {
    const { parentRecord } = options;
    const { model } = this.feed;
    if (!isRow(parentRecord) || !isSameTable(parentRecord.constructor, model)) return true;
    const pk = primaryKey(model, parentRecord);
    return rows.some((row) => row.getDataValue(this.relation.foreignKey) !== pk);
  }

  protected async ownersBefore({ verb, rows, options }: Write): Promise<unknown[]> {
    const { through, foreignKey } = this.relation;
    if (rows !== undefined) return rows.map((row): unknown => row.previous(foreignKey));
    const { where, transaction } = options;
    const links = await findRows(through, { where, attributes: [foreignKey], withDeleted: verb !== 'destroy', transaction });
    return links.map((link): unknown => link.getDataValue(foreignKey));
  }

  protected ownersAfter({ verb, rows, options }: Write): Owners | undefined {
    const { foreignKey } = this.relation;
    if (rows !== undefined)
      return rows.flatMap((row): unknown[] => [row.getDataValue(foreignKey), row.previous(foreignKey)]).filter(isPrimaryKey);
    const { attributes } = options;
    return verb === 'update' && isObject(attributes) ? [attributes[foreignKey]].filter(isPrimaryKey) : undefined;
  }
}

/** Deletions of the rows in the lists: the database takes their links along, and nobody hears of it. */
class TargetWrites extends ListWrites {
  protected concerns({ verb }: Write): boolean {
    return verb === 'destroy' || verb === 'restore';
  }

  protected async ownersBefore({ verb, rows, options }: Write): Promise<unknown[]> {
    const { target, targetKey } = this.relation;
    const { where, transaction } = options;
    const written =
      rows ?? (await findRows(target, { where, attributes: [targetKey], withDeleted: verb === 'restore', transaction }));
    return this.linkedTo(
      written.map((row): unknown => row.getDataValue(targetKey)),
      transaction,
    );
  }

  protected ownersAfter(): undefined {
    return undefined;
  }
}
