import type { Association, Model, Transaction } from 'sequelize';

import { isObject } from '../protocol/envelope.js';
import { AssociationBatcher, type AssociationEffects } from './association-batcher.js';
import type { RowEffect } from './change-batch.js';
import type { ChangeFeed } from './change-feed.js';
import { manyToMany, type ManyToMany } from './many-to-many.js';
import { columnOf, findRows, isRow, primaryKey } from './queries.js';
import { isPrimaryKey, type PrimaryKey } from './row-change.js';
import { affected, looksBefore } from './row-writes.js';
import { type FollowedStatement, observeStatements, type StatementObserver, type WriteStatement } from './statements.js';
import { isSameName } from './tables.js';
import { type RootTransaction, tick } from './transactions.js';

/** Follows what changes a many-to-many relation, from either side; the function that is returned ends it. */
export function observeAssociation(feed: ChangeFeed, association: Association): () => void {
  const relation = manyToMany(feed.model, association);
  const batcher = new AssociationBatcher(feed, association);
  const ends = [
    observeStatements(relation.through, new JoinTableWrites(feed, association, batcher)),
    observeStatements(relation.target, new TargetWrites(feed, association, batcher)),
  ];
  return () => {
    for (const end of ends) end();
  };
}

/** Publishes the rows whose association a statement has changed as updated. */
abstract class AssociationWrites implements StatementObserver {
  protected readonly feed: ChangeFeed;
  protected readonly relation: ManyToMany;
  readonly #association: Association;
  readonly #batcher: AssociationBatcher;

  constructor(feed: ChangeFeed, association: Association, batcher: AssociationBatcher) {
    this.feed = feed;
    this.relation = manyToMany(feed.model, association);
    this.#association = association;
    this.#batcher = batcher;
  }

  begin(statement: WriteStatement): FollowedStatement | undefined {
    const { hasSubscribers } = this;
    if ((!hasSubscribers && statement.transaction === undefined) || !this.concerns(statement)) return undefined;
    const { transaction } = statement;
    if (transaction === undefined) this.#batcher.begin(statement);
    const inHand = this.ownersInHand(statement);
    if (inHand !== undefined || !hasSubscribers) {
      const effects = (): AssociationEffects => this.#effects(inHand && [...inHand, ...(this.ownersInHand(statement) ?? [])]);
      return this.#followed(statement, undefined, effects);
    }
    if (looksBefore(this.feed, statement)) {
      let owners: readonly unknown[] | undefined;
      const look = async (): Promise<void> => {
        owners = await this.#look(statement);
      };
      return this.#followed(statement, this.#guarded(look()), () =>
        this.#effects(owners && [...owners, ...this.newOwners(statement)]),
      );
    }
    return this.#lookingBehind(statement);
  }

  unchanged(): undefined {
    return undefined;
  }

  unknown(transaction: RootTransaction | undefined, error?: unknown): void {
    if (!this.hasSubscribers) return;
    if (error !== undefined) this.feed.fail(error);
    void this.feed.miss(transaction, this.#association);
  }

  protected abstract concerns(statement: WriteStatement): boolean;

  /** Whose association a statement changes, as far as the rows in hand say it; undefined if they do not. */
  protected abstract ownersInHand(statement: WriteStatement): unknown[] | undefined;

  /** Whose association changes by the rows that a statement is about to write, or has written. */
  protected abstract findOwners(statement: WriteStatement, on: Transaction | null): Promise<unknown[]>;

  /** Who gets the rows that a statement moves to others. */
  protected abstract newOwners(statement: WriteStatement): unknown[];

  get hasSubscribers(): boolean {
    return this.feed.listenersOf(this.#association).some((listener) => listener.wanted());
  }

  /** As with rows: what the transaction itself has written before, it has published before. */
  #lookingBehind(statement: WriteStatement): FollowedStatement {
    const batch = this.feed.batchOf(statement.transaction);
    return {
      succeeded: (result) => {
        if (affected(result) === 0) return undefined;
        const at = tick();
        const look = async (): Promise<void> => {
          const owners = await this.#look(statement);
          if (batch.isSealed) return;
          for (const effect of this.#effects([...owners, ...this.newOwners(statement)]))
            if (effect !== undefined) batch.add(effect, at);
        };
        const guarded = look().catch((error: unknown) => {
          batch.miss(this.#association);
          this.#fail(error);
        });
        batch.addLookUp(guarded);
        return undefined;
      },
      failed: () => undefined,
    };
  }

  #followed(
    statement: WriteStatement,
    prepared: Promise<void> | undefined,
    effects: () => AssociationEffects,
  ): FollowedStatement {
    const { transaction } = statement;
    return {
      prepared,
      succeeded: (result) => {
        const changed = affected(result) === 0 ? [] : effects();
        if (transaction === undefined) return this.#batcher.succeeded(statement, changed);
        const batch = this.feed.batchOf(transaction);
        for (const effect of changed) {
          if (effect === undefined) batch.miss(this.#association);
          else batch.add(effect);
        }
        return batch.transaction === undefined ? this.feed.settle(batch) : undefined;
      },
      failed: () => {
        if (transaction === undefined) this.#batcher.end(statement);
      },
    };
  }

  #effects(owners: readonly unknown[] | undefined): AssociationEffects {
    if (owners === undefined) return [undefined];
    return [...new Set(owners.filter(isPrimaryKey))].map((pk) => this.#effect(pk));
  }

  #effect(pk: PrimaryKey): RowEffect {
    return { pk, from: tick(), existed: true, exists: true, list: this.#association };
  }

  async #look(statement: WriteStatement): Promise<unknown[]> {
    const owners = await this.feed.reader.lookUp((on) => this.findOwners(statement, on), statement.readsIn);
    if (owners.length > this.feed.maxRows) throw new TooMany();
    return owners;
  }

  async #guarded(lookUp: Promise<void>): Promise<void> {
    try {
      await lookUp;
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!(error instanceof TooMany)) this.feed.fail(error);
  }
}

/** That more links are concerned than are published one by one, which is no fault. */
class TooMany extends Error {}

/** Writes of the join table. */
class JoinTableWrites extends AssociationWrites {
  /** Links that are saved with a row are published with it. */
  protected concerns({ rows = [], options }: WriteStatement): boolean {
    const { parentRecord } = options;
    const { model } = this.feed;
    if (!isRow(parentRecord) || !isSameName(parentRecord.constructor, model)) return true;
    const pk = primaryKey(model, parentRecord);
    return rows.some((row) => row.getDataValue(this.relation.foreignKey) !== pk);
  }

  protected ownersInHand({ rows }: WriteStatement): unknown[] | undefined {
    const { foreignKey } = this.relation;
    return rows?.flatMap((row): unknown[] => [row.getDataValue(foreignKey), row.previous(foreignKey)]);
  }

  protected async findOwners({ verb, where }: WriteStatement, on: Transaction | null): Promise<unknown[]> {
    const { through, foreignKey } = this.relation;
    const find = { where, attributes: [foreignKey], withDeleted: verb !== 'destroy', limit: this.feed.maxRows, on };
    return valuesOf(await findRows(through, find), foreignKey);
  }

  protected newOwners({ verb, values }: WriteStatement): unknown[] {
    return verb === 'update' && isObject(values) ? [values[this.relation.foreignKey]] : [];
  }
}

/** Deletions of the rows on the other side: the database takes their links along, and no statement says so. */
class TargetWrites extends AssociationWrites {
  protected concerns({ verb }: WriteStatement): boolean {
    return verb === 'destroy' || verb === 'restore';
  }

  protected ownersInHand(): undefined {
    return undefined;
  }

  protected async findOwners({ verb, rows, where }: WriteStatement, on: Transaction | null): Promise<unknown[]> {
    const { target, targetKey, through, foreignKey, otherKey } = this.relation;
    const limit = this.feed.maxRows;
    const find = { where, attributes: [targetKey], withDeleted: verb === 'restore', limit, on };
    const keys = valuesOf(rows ?? (await findRows(target, find)), targetKey);
    if (keys.length === 0) return [];
    const links = await findRows(through, {
      where: { [columnOf(through, otherKey)]: keys },
      attributes: [foreignKey],
      limit,
      on,
    });
    return valuesOf(links, foreignKey);
  }

  protected newOwners(): unknown[] {
    return [];
  }
}

function valuesOf(rows: readonly Model[] | 'too many', attribute: string): unknown[] {
  if (rows === 'too many') throw new TooMany();
  return rows.map((row): unknown => row.getDataValue(attribute));
}
