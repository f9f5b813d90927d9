import type { Model, ModelAttributeColumnOptions, ModelStatic } from 'sequelize';

/**
 * The attributes that are unique alone or together, by `unique` of a column or by an index. Indexes on expressions or on a part of
 * the rows are left to the database.
 */
export function uniqueSets(model: ModelStatic<Model>): string[][] {
  const columns = Object.entries<ModelAttributeColumnOptions>(model.getAttributes());
  const named = new Map<string, string[]>();
  for (const [attribute, { unique }] of columns) {
    if (unique === undefined || unique === false) continue;
    const name = nameOf(unique) ?? attribute;
    named.set(name, [...(named.get(name) ?? []), attribute]);
  }
  const attributeOf = new Map(columns.map(([attribute, { field = attribute }]) => [field, attribute]));
  const ofIndexes = (model.options.indexes ?? [])
    .filter(({ unique, type, where }) => (unique === true || type === 'UNIQUE') && where === undefined)
    .map(({ fields = [] }) =>
      fields.map((field) => (typeof field === 'string' ? field : 'name' in field ? field.name : undefined)),
    )
    .map((names) => names.map((name) => (name === undefined ? undefined : (attributeOf.get(name) ?? name))));
  return [...named.values(), ...ofIndexes.filter((names) => names.every((name) => name !== undefined))];
}

function nameOf(unique: true | string | { name?: string }): string | undefined {
  if (unique === true) return undefined;
  return typeof unique === 'string' ? unique : unique.name;
}
