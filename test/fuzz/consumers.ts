import { setImmediate as turn } from 'node:timers/promises';

import type { Application } from 'express';
import {
  action,
  ActionError,
  type Channels,
  type Consumer,
  crud,
  defineConsumer,
  demultiplexer,
  isAuthenticated,
  keyset,
  limitOffset,
  modelConsumer,
  type ModelContext,
  modelSerializer,
  permission,
  reply,
  streamedList,
  ValidationError,
  viewAsConsumer,
} from 'express-channels';
import type { Model } from 'sequelize';
import { z } from 'zod';

import { CANARY, type Drafts, type Tables } from './models.js';
import { MAPPING } from './site.js';

/** Rows that one lane may have. */
export const SLOTS = 60;

/** The actions of each kind of consumer. */
export const ACTIONS: Readonly<Record<Kind, readonly string[]>> = {
  router: Object.keys(MAPPING),
  actions: ['echo', 'add', 'none', 'three', 'wait', 'count', 'rollback', 'shout', 'fails', 'refused', 'coded'],
  things: ['list', 'retrieve', 'create', 'update', 'patch', 'delete', 'rename'],
  items: ['retrieve', 'list', 'list_cancel'],
  samples: ['list', 'retrieve', 'create', 'update', 'patch', 'delete'],
  members: ['echo'],
};

/** What answers on a stream. */
export type Kind = 'router' | 'actions' | 'things' | 'items' | 'samples' | 'members';

export const KINDS: readonly Kind[] = ['router', 'actions', 'things', 'items', 'samples', 'members'];

/** What consumers stand on. */
export interface Parts {
  readonly tables: Tables;
  readonly drafts: Drafts;
  readonly site: Application;
  readonly channels: () => Channels;
}

/** Consumers of all kinds; each lane has rows of its own, which the others never see. */
export function consumersOf(lane: number, parts: Parts): Readonly<Record<Kind, Consumer>> {
  const { site } = parts;
  const { Thing, Author, Item, Tag, Sample } = parts.tables;
  const AuthorSerializer = modelSerializer(Author, { fields: ['pk', 'name'] });
  const ThingSerializer = modelSerializer(Thing, {
    fields: ['pk', 'name', 'slug', 'email', 'rating', 'price', 'open', 'due', 'meta', 'authorId', 'author'],
    nested: { author: AuthorSerializer },
    create: async (values, options) => Thing.create({ ...values, id: await freeSlot(lane, Thing), lane }, options),
  });
  const ItemSerializer = modelSerializer(Item, {
    fields: ['pk', 'slug', 'tags'],
    nested: { tags: modelSerializer(Tag, { fields: ['word'] }) },
  });
  return {
    router: viewAsConsumer(site, MAPPING),
    actions: defineActions(lane, parts),
    things: modelConsumer(Thing, {
      serializer: ThingSerializer,
      queryset: () => ({ where: { lane } }),
      pagination: limitOffset({ limit: 5, max: 10 }),
      actions: {
        ...crud('list', 'retrieve', 'create', 'update', 'patch', 'delete'),
        rename: action(
          async (ctx: ModelContext<Model>, { name, ...args }: { readonly name: string }) => {
            const row = await ctx.getObject(args);
            return ctx.serializer.serialize(await row.update({ name }));
          },
          // SQLite ends a text at a NUL.
          {
            schema: z.looseObject({
              name: z
                .string()
                .trim()
                .min(1)
                .max(40)
                .regex(/^[^\0]*$/),
            }),
          },
        ),
      },
    }),
    items: modelConsumer(Item, {
      serializer: ItemSerializer,
      lookupField: 'slug',
      pagination: limitOffset({ limit: 3, max: 5 }),
      actions: { ...crud('retrieve'), ...streamedList() },
    }),
    samples: modelConsumer(Sample, {
      serializer: modelSerializer(Sample, { exclude: ['secret'] }),
      pagination: keyset({ limit: 4, max: 8 }),
      actions: crud('list', 'retrieve', 'create', 'update', 'patch', 'delete'),
    }),
    members: defineConsumer({ permissions: [isAuthenticated], actions: { echo: (_ctx, args) => reply(args) } }),
  };
}

/** All of them on one socket. */
export function mixed(consumers: Readonly<Record<Kind, Consumer>>): Consumer {
  return demultiplexer(consumers);
}

async function freeSlot(lane: number, Thing: Tables['Thing']): Promise<number> {
  const rows = await Thing.findAll({ where: { lane }, attributes: ['id'] });
  const taken = new Set(rows.map((row) => Number(row.get('id'))));
  for (let slot = 1; slot <= SLOTS; slot += 1) if (!taken.has(lane * 1_000 + slot)) return lane * 1_000 + slot;
  throw new ValidationError('There is no room for more.');
}

function defineActions(lane: number, { drafts: { sequelize, Draft }, channels }: Parts): Consumer {
  const nobody = permission(() => false);
  return defineConsumer({
    state: () => ({ count: 0 }),
    actions: {
      echo: (_ctx, args) => reply(args),
      add: action((_ctx, { a, b }) => ({ sum: a + b }), { schema: z.object({ a: z.number(), b: z.number() }) }),
      none: () => undefined,
      three: (ctx) => {
        for (const data of [0, 1, 2]) ctx.reply(data, { status: 206 });
        return reply('done');
      },
      wait: action(
        async ({ signal }, { tag = null }) => {
          for (let turns = 0; turns < 3; turns += 1) await turn(undefined, { signal });
          return { tag };
        },
        { detached: true },
      ),
      count: (ctx) => (ctx.state.count += 1),
      rollback: action(
        async ({ transaction }) => {
          await Draft.create({ name: 'rolled back' }, { transaction });
          throw new ValidationError('rolled back');
        },
        { transaction: sequelize },
      ),
      shout: async (ctx) => {
        await ctx.join(`lane-${lane}`);
        await channels().groupSend(`lane-${lane}`, { type: 'heard', lane });
      },
      fails: () => {
        throw new Error(CANARY);
      },
      refused: action(() => 'never', { permissions: [nobody] }),
      coded: () => {
        throw new ActionError({ why: ['tea'] }, { status: 418 });
      },
    },
    on: {
      heard: (ctx, message) => {
        ctx.reply(message['lane'], { action: 'heard' });
      },
    },
  });
}
