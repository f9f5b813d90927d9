import type { Association, Model, ModelStatic } from 'sequelize';

/**
 * The many-to-many relations of a model: all, some by their names, or none.
 *
 * @throws TypeError for a name of none
 */
export function listsOf(model: ModelStatic<Model>, names: boolean | readonly string[]): readonly Association[] {
  if (names === false) return [];
  const all = Object.values(model.associations).filter(({ associationType }) => associationType === 'BelongsToMany');
  if (names === true) return all;
  return names.map((name) => {
    const association = all.find(({ as }) => as === name);
    if (association !== undefined) return association;
    const known = all.map(({ as }) => as).join(', ') || 'none';
    throw new TypeError(`Expected \`manyToMany\` to name many-to-many relations of ${model.name} (${known}), got ${name}.`);
  });
}
