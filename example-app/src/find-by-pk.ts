import type { Model, ModelStatic } from 'sequelize';
import { notFound } from './errors.js';

const largestInteger = 2 ** 31 - 1;

/** The row that a path names; a path that can name none is answered like one whose row is missing. */
export async function findByPk<M extends Model>(model: ModelStatic<M>, pk: unknown): Promise<M> {
  const id = typeof pk === 'string' && /^[1-9]\d*$/.test(pk) ? Number(pk) : NaN;
  const row = id <= largestInteger ? await model.findByPk(id) : null;
  if (row === null) throw notFound();
  return row;
}
