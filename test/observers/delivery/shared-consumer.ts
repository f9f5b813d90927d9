import { EventEmitter } from 'node:events';

import { type Consumer, type ConsumerContext, defineConsumer, modelObserver, signalObserver } from 'express-channels';

import { Item, nameOf } from './item.js';

/** What every process serves: the same observers in the same order. */
export interface Shared {
  readonly consumer: Consumer;
  readonly signals: EventEmitter;
}

export function sharedConsumer(): Shared {
  const signals = new EventEmitter();
  const inRooms = modelObserver(Item, {
    name: 'in rooms',
    serialize: ({ id, room, text }) => ({ id, room, text }),
    groupsForSignal: ({ room }) => [room],
    groupsForConsumer: ({ room }: { room: string }) => [room],
  });
  const byRole = modelObserver(Item, {
    view: ({ scope }) => nameOf(scope.user),
    serialize: ({ text, secret }, { view }) => (view === 'chief' ? { text, secret } : { text }),
  });
  const pings = signalObserver<[text: string], undefined, string>(signals, 'ping', {
    serialize: (text) => {
      if (text === 'bad') throw new Error('no ping');
      return text;
    },
  });
  const room = (args: object): { room: string } => ({ room: 'room' in args ? String(args.room) : '' });
  const subscribe = async (subscribed: Promise<unknown>): Promise<null> => {
    await subscribed;
    return null;
  };
  const consumer = defineConsumer({
    actions: {
      follow: (ctx: ConsumerContext, args: object) => subscribe(inRooms.subscribe(ctx, room(args))),
      followByRole: (ctx: ConsumerContext) => subscribe(byRole.subscribe(ctx)),
      followPings: (ctx: ConsumerContext) => subscribe(pings.subscribe(ctx)),
    },
  });
  return { consumer, signals };
}
