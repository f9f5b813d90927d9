import type { Consumer } from 'express-channels';
import type { TestClient, TestFrame } from 'express-channels/testing';
import { DataTypes, type Model, type ModelOptions, type ModelStatic, type Sequelize } from 'sequelize';

import { serve } from '../support/serve.js';

/** A client of one consumer. */
export interface ModelClient {
  /** Sends an action and returns the next frame. */
  readonly act: (action: string, more?: Readonly<Record<string, unknown>>) => Promise<TestFrame>;
  readonly client: TestClient;
  /** What went wrong unexpectedly. */
  readonly errors: readonly unknown[];
}

export async function connectTo(consumer: Consumer, user?: string): Promise<ModelClient> {
  const { open, errors } = serve(consumer);
  const client = await open(user === undefined ? {} : { headers: { 'x-user': user } });
  return { client, errors, act: (action, more = {}) => client.request({ action, ...more }) };
}

/** What a test may find in a frame. */
export const ok = (data: unknown, response_status = 200): unknown =>
  expect.objectContaining({ errors: [], data, response_status });
export const missing: unknown = expect.objectContaining({ errors: ['Not found'], data: null, response_status: 404 });
export const failed: unknown = expect.objectContaining({
  errors: ['A server error occurred.'],
  data: null,
  response_status: 500,
});
export const invalid = (...fields: readonly string[]): unknown =>
  expect.objectContaining({
    errors: [Object.fromEntries(fields.map((field) => [field, [expect.any(String) as unknown]]))],
    data: null,
    response_status: 400,
  });

/** A row of a library. */
export interface Book {
  id: number;
  title: string;
  isbn: string;
  copies: number;
  live: boolean;
}
export type BookModel = ModelStatic<Model<Book, Partial<Book>> & Book>;

/** A model by `sequelize.define`, for one test. */
export function defineBook(sequelize: Sequelize, options: ModelOptions<Model<Book, Partial<Book>> & Book> = {}): BookModel {
  return sequelize.define<Model<Book, Partial<Book>> & Book>(
    'Book',
    {
      id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
      title: { type: DataTypes.STRING(20), allowNull: false },
      isbn: { type: DataTypes.STRING(20), allowNull: false, unique: true },
      copies: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 1 },
      live: { type: DataTypes.BOOLEAN, allowNull: false, defaultValue: true },
    },
    { timestamps: false, ...options },
  );
}

/** Makes the table of a model for one test. */
export async function withTable<M extends Model>(
  model: ModelStatic<M>,
  test: (model: ModelStatic<M>) => Promise<void>,
): Promise<void> {
  await model.sync({ force: true });
  try {
    await test(model);
  } finally {
    // Without options it fails for enums on PostgreSQL.
    await model.drop({});
    model.sequelize?.modelManager.removeModel(model);
  }
}
