import {
  type ActionContext,
  type ActionHandler,
  type ChannelsOptions,
  type ConsumerDefinition,
  defineConsumer,
} from 'express-channels';
import type { TestClient, TestFrame } from 'express-channels/testing';
import { Sequelize } from 'sequelize';

import * as sqlite from '../../../example-app/src/sqlite.js';
import { serve, type Served } from '../../support/serve.js';
import { defineItem } from './item.js';

export * from './item.js';

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
