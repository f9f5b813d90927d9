import {
  action,
  type ActionArguments,
  type Consumer,
  crud,
  demultiplexer,
  modelConsumer,
  modelObserver,
  modelSerializer,
  reply,
  type ModelSerializer,
  ValidationError,
} from 'express-channels';

import { Thing } from './models.js';
import type { Serializers } from './serializers.js';

/** What the integration tests of dcrf-client connect to: rows that show their key as `pk`, and rows that show it as `id`. */
export function dcrfClientStreams({ ThingSerializer }: Serializers): Consumer {
  return demultiplexer({
    things: thingStream(ThingSerializer),
    things_with_id: thingStream(modelSerializer(Thing, { fields: ['id', 'name', 'counter'] })),
  });
}

function thingStream(serializer: ModelSerializer<Thing>): Consumer {
  const many = modelObserver(Thing, {
    serialize: (thing) => serializer.serialize(thing),
    groupsForSignal: ({ id }) => ['all', groupOf(id)],
    groupsForConsumer: ({ things = null }: ActionArguments) => {
      if (things === null) return ['all'];
      if (!Array.isArray(things)) throw new ValidationError({ things: ['Expected a list.'] });
      return things.map(groupOf);
    },
  });
  return modelConsumer(Thing, {
    serializer,
    actions: {
      ...crud('list', 'create', 'retrieve', 'update', 'patch', 'delete', 'subscribe_instance', 'unsubscribe_instance'),
      subscribe_many: action(async (ctx, args) => {
        await many.subscribe(ctx, args);
        return reply(null, 201);
      }),
      unsubscribe_many: action(async (ctx, args) => {
        await many.unsubscribe(ctx, args);
        return reply(null, 204);
      }),
    },
  });
}

function groupOf(pk: unknown): string {
  return `pk__${String(pk)}`;
}
