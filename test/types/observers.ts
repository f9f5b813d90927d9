/** What TypeScript infers of observers; `npm run typecheck` is the test. */
import type { EventEmitter } from 'node:events';

import {
  action,
  type Channels,
  type ConsumerContext,
  crud,
  modelConsumer,
  modelObserver,
  modelSerializer,
  signalObserver,
} from 'express-channels';

import { Message, Room } from '../serializers/serializer-models.js';

declare const ctx: ConsumerContext;
declare const emitter: EventEmitter;
declare const channels: Channels;

/** Whether two types accept each other, and neither is `any`. */
type Same<One, Other> = 0 extends 1 & One ? false : [One] extends [Other] ? ([Other] extends [One] ? true : false) : false;

/** Compiles if a value is of exactly the type that is expected. */
function expectType<Expected>(): <Actual>(
  _value: Actual,
  ..._not: Same<Actual, Expected> extends true ? [] : ['another type']
) => void {
  return () => undefined;
}

export const plain = modelObserver(Room);
void plain.subscribe(ctx);
void plain.subscribe(ctx, undefined, { requestId: null, snapshot: true });
// @ts-expect-error its groups take no arguments
void plain.subscribe(ctx, { room: 1 });

export const inRoom = modelObserver(Message, {
  serialize: (message) => {
    expectType<Message>()(message);
    return { pk: message.id };
  },
  groupsForSignal: (message) => [`room-${String(message.id)}`],
  groupsForConsumer: ({ room }: { room: number }) => [`room-${String(room)}`],
  deliver: (context, { action: name, body, requestIds, pk, group }) => {
    expectType<ConsumerContext>()(context);
    expectType<'create' | 'update' | 'delete'>()(name);
    // What a group is told of a row that has left it is its key, here the same.
    expectType<{ pk: number } | { readonly pk: string | number }>()(body);
    expectType<string | number>()(pk);
    expectType<string>()(group);
    for (const id of requestIds) expectType<string | number | boolean>()(id);
  },
});
void inRoom.subscribe(ctx, { room: 5 });
void inRoom.unsubscribe(ctx, { room: 5 }, { requestId: 'own' });
// @ts-expect-error which room?
void inRoom.subscribe(ctx);
// @ts-expect-error a room is a number
void inRoom.subscribe(ctx, { room: '5' });
// @ts-expect-error no such option
void inRoom.subscribe(ctx, { room: 5 }, { snapshots: true });

modelObserver(Room, {
  view: ({ scope }) => (scope.params['role'] === 'chief' ? 'chief' : 'staff'),
  serialize: (room, { view, action: name }) => {
    expectType<string>()(view);
    expectType<'create' | 'update' | 'delete' | 'snapshot'>()(name);
    return view === 'chief' ? { name: room.name } : {};
  },
  snapshot: () => Room.findAll(),
});

// @ts-expect-error a row of another model
modelObserver(Room, { snapshot: () => Message.findAll() });

export const said = signalObserver<[room: number, text: string], { room: number }, string>(emitter, 'said', {
  serialize: (room, text) => {
    expectType<number>()(room);
    return text;
  },
  groupsForSignal: (room) => [room],
  groupsForConsumer: ({ room }) => [room],
  deliver: (_context, { body }) => {
    expectType<string>()(body);
  },
});
void said.subscribe(ctx, { room: 1 });

/** From the parameters of its functions alone. */
export const heard = signalObserver(emitter, 'heard', { serialize: (text: string) => ({ text }) });
void heard.subscribe(ctx);

modelConsumer(Room, {
  serializer: modelSerializer(Room, { fields: ['pk', 'name'] }),
  actions: {
    ...crud('subscribe_instance', 'unsubscribe_instance'),
    follow: (context, { room }) => inRoom.subscribe(context, { room: Number(room) }),
    followRow: action((context, args) => context.subscribeInstance(args, { snapshot: true })),
  },
});

channels.notify(Room, [1, '2']);
channels.notify(Room, [1], { transaction: null });
// @ts-expect-error a list of keys
channels.notify(Room, 1);
