import type { Association, Model, ModelStatic } from 'sequelize';

import { isObject } from '../protocol/envelope.js';

/** A many-to-many relation, as seen from the rows whose lists are observed. */
export interface ManyToMany {
  readonly through: ModelStatic<Model>;
  readonly target: ModelStatic<Model>;
  /** The attributes of the join table that hold the keys of both sides, and the attribute of the other side that is held. */
  readonly foreignKey: string;
  readonly otherKey: string;
  readonly targetKey: string;
}

/**
 * What a relation links, and how.
 *
 * @throws TypeError if it is no many-to-many relation of the model, or goes by another column than the primary key
 */
export function manyToMany(model: ModelStatic<Model>, association: Association): ManyToMany {
  const { associationType, as, source, target, foreignKey } = association;
  const fail = (expected: string, got: string): never => {
    throw new TypeError(`Observer of ${model.name}: expected \`manyToMany\` to name ${expected}, got "${as}", ${got}.`);
  };
  const through: unknown = 'through' in association && isObject(association.through) ? association.through['model'] : undefined;
  if (associationType !== 'BelongsToMany' || !isModel(through)) return fail('many-to-many relations', `a ${associationType}`);
  if (source !== model) return fail(`relations of ${model.name}`, `a relation of ${source.name}`);
  if (textOf(association, 'sourceKey') !== model.primaryKeyAttribute)
    return fail('relations by the primary key', `which goes by ${textOf(association, 'sourceKey')}`);
  return { through, target, foreignKey, otherKey: textOf(association, 'otherKey'), targetKey: textOf(association, 'targetKey') };
}

function isModel(value: unknown): value is ModelStatic<Model> {
  return typeof value === 'function' && 'getTableName' in value;
}

function textOf(association: Association, name: string): string {
  return String(Reflect.get(association, name));
}
