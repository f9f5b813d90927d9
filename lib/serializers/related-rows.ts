import type { Association, Model } from 'sequelize';

import { isBelongsTo, type QueryOptions } from './model-fields.js';

/**
 * The rows that each instance is related to. What is loaded already is taken as it is; all the rest comes in one query, and is left
 * off the instances: they would show it when it is out of date.
 *
 * @param attributes - what to load of a related row; undefined for all
 */
export async function relatedRows(
  association: Association,
  instances: readonly Model[],
  attributes: readonly string[] | undefined,
  options: QueryOptions,
): Promise<ReadonlyMap<Model, readonly Model[]>> {
  const related = new Map<Model, readonly Model[]>();
  const missing: Model[] = [];
  for (const instance of instances) {
    const rows = loadedRows(association, instance);
    if (rows === undefined) missing.push(instance);
    else related.set(instance, rows);
  }
  if (missing.length === 0) return related;
  const load = isBelongsTo(association) ? loadReferred : loadReferring;
  const found = await load(association, missing, attributes, options);
  for (const instance of missing) related.set(instance, found(instance));
  return related;
}

/** The attribute of the related row that a foreign key holds. */
export function targetKeyOf(association: Association): string {
  return 'targetKey' in association && typeof association.targetKey === 'string'
    ? association.targetKey
    : association.target.primaryKeyAttribute;
}

/** The primary key of a row. */
export function primaryKeyOf(instance: Model, { primaryKeyAttribute }: { readonly primaryKeyAttribute: string }): unknown {
  return instance.get(primaryKeyAttribute);
}

/** In order of the primary key. */
export function sortByPrimaryKey(rows: readonly Model[], model: { readonly primaryKeyAttribute: string }): Model[] {
  return [...rows].sort((a, b) => compareKeys(primaryKeyOf(a, model), primaryKeyOf(b, model)));
}

/** Numbers by value, also those of a BIGINT, which may come as texts. */
function compareKeys(a: unknown, b: unknown): number {
  const [one, other] = [String(a), String(b)];
  if (/^\d+$/.test(one) && /^\d+$/.test(other) && one.length !== other.length) return one.length - other.length;
  return one < other ? -1 : Number(one > other);
}

function loadedRows(association: Association, instance: Model): readonly Model[] | undefined {
  const value: unknown = instance.get(association.as);
  if (Array.isArray(value)) return value.filter((row) => row instanceof association.target);
  if (!isBelongsTo(association)) {
    if (value === null) return [];
    return value instanceof association.target ? [value] : undefined;
  }
  const key: unknown = instance.get(association.foreignKey);
  if (isNone(key)) return [];
  // A row that was loaded before the foreign key changed is not the one.
  const isCurrent = value instanceof association.target && String(value.get(targetKeyOf(association))) === String(key);
  return isCurrent ? [value] : undefined;
}

type Find = (instance: Model) => readonly Model[];

/** By the foreign keys of the instances, which need not be in the database any more. */
async function loadReferred(
  association: Association,
  instances: readonly Model[],
  attributes: readonly string[] | undefined,
  options: QueryOptions,
): Promise<Find> {
  const targetKey = targetKeyOf(association);
  const keyOf = (instance: Model): unknown => instance.get(association.foreignKey);
  const rows = await association.target.findAll({
    where: { [targetKey]: [...new Set(instances.map(keyOf))] },
    ...(attributes !== undefined && { attributes: [...new Set([...attributes, targetKey])] }),
    ...options,
  });
  const byKey = new Map(rows.map((row) => [String(row.get(targetKey)), row]));
  return (instance) => {
    const row = byKey.get(String(keyOf(instance)));
    return row === undefined ? [] : [row];
  };
}

/** By the primary keys of the instances, through Sequelize's own join, which knows of join tables and scopes. */
async function loadReferring(
  association: Association,
  instances: readonly Model[],
  attributes: readonly string[] | undefined,
  options: QueryOptions,
): Promise<Find> {
  const { source } = association;
  const keyOf = (instance: Model): unknown => primaryKeyOf(instance, source);
  const keys = [...new Set(instances.map(keyOf).filter((key) => !isNone(key)))];
  const isThrough = association.associationType === 'BelongsToMany';
  const owners =
    keys.length === 0
      ? []
      : await source.unscoped().findAll({
          attributes: [source.primaryKeyAttribute],
          where: { [source.primaryKeyAttribute]: keys },
          include: [
            {
              association,
              ...(attributes !== undefined && { attributes: [...attributes] }),
              ...(attributes !== undefined && isThrough && { through: { attributes: [] } }),
            },
          ],
          paranoid: false,
          ...options,
        });
  const byKey = new Map(owners.map((owner) => [String(keyOf(owner)), loadedRows(association, owner) ?? []]));
  return (instance) => byKey.get(String(keyOf(instance))) ?? [];
}

function isNone(key: unknown): boolean {
  return key === null || key === undefined;
}
