import {
  type ActionContext,
  type ActionHandler,
  type ChannelsOptions,
  type ConsumerDefinition,
  defineConsumer,
} from 'express-channels';
import type { TestClient, TestFrame } from 'express-channels/testing';
import {
  type CreationOptional,
  DataTypes,
  type InferAttributes,
  type InferCreationAttributes,
  Model,
  Sequelize,
} from 'sequelize';

import * as sqlite from '../../../example-app/src/sqlite.js';
import { serve, type Served } from '../../support/serve.js';

/** A row of a room, with a column that not everybody may see. */
export class Item extends Model<InferAttributes<Item>, InferCreationAttributes<Item>> {
  declare id: CreationOptional<number>;
  declare room: string;
  declare text: CreationOptional<string>;
  declare secret: CreationOptional<string>;
}

export const CANARY = 'canary-7d1f';

export function defineItem(sequelize: Sequelize): void {
  Item.init(
    {
      id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
      room: { type: DataTypes.STRING, allowNull: false },
      text: { type: DataTypes.STRING, allowNull: false, defaultValue: '' },
      secret: { type: DataTypes.STRING, allowNull: false, defaultValue: CANARY },
    },
    { sequelize, tableName: 'items', timestamps: false },
  );
}

/** Items in SQLite in memory, which are empty before each test. */
export function useItems(): void {
  const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
  defineItem(sequelize);
  beforeEach(() => sequelize.sync({ force: true }));
  afterAll(() => sequelize.close());
}

/** What an action is, in short. */
export type Act = (ctx: ActionContext, args: Readonly<Record<string, unknown>>) => unknown;

/** Serves actions that answer 201 if they say nothing else. */
export function serveActions(
  actions: Readonly<Record<string, Act>>,
  { consumer, channels }: { readonly consumer?: ConsumerDefinition; readonly channels?: ChannelsOptions } = {},
): Served {
  const handlers = Object.entries(actions).map(([name, act]): [string, ActionHandler] => [
    name,
    async (ctx, args) => {
      const result = await act(ctx, args);
      return result === undefined ? null : result;
    },
  ]);
  return serve(defineConsumer({ ...consumer, actions: Object.fromEntries(handlers) }), channels);
}

/** A frame in short: what it is, of which request, with what. */
export function short(frame: TestFrame): readonly unknown[] {
  return [frame['action'], frame['request_id'], frame['data'] ?? frame['response_status']];
}

/** The next frames, in short. */
export async function next(client: TestClient, count = 1): Promise<(readonly unknown[])[]> {
  const frames: (readonly unknown[])[] = [];
  for (let index = 0; index < count; index += 1) frames.push(short(await client.receive()));
  return frames;
}

/** Sends a frame, of which the answer has to be that it went well. */
export async function ask(client: TestClient, action: string, requestId: unknown, args: object = {}): Promise<void> {
  client.send({ action, ...(requestId !== undefined && { request_id: requestId }), ...args });
  const frame = await client.receive();
  if (frame['action'] !== action || Number(frame['response_status']) >= 400)
    throw new Error(`Expected ${action} to be answered, got ${JSON.stringify(frame)}.`);
}

/** Who a user of the header `x-user` is. */
export function nameOf(user: unknown): string {
  return typeof user === 'object' && user !== null && 'username' in user ? String(user.username) : 'nobody';
}
