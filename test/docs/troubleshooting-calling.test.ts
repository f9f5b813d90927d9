import express from 'express';
import {
  type Channels,
  type Consumer,
  createChannels,
  crud,
  defineConsumer,
  demultiplexer,
  isAuthenticated,
  modelConsumer,
  type ModelContext,
  modelObserver,
  modelSerializer,
  permission,
  redisLayer,
  routeActions,
  viewAsConsumer,
} from 'express-channels';
import { connect } from 'express-channels/testing';
import { DataTypes, type Model, Sequelize } from 'sequelize';

import * as sqlite from '../../example-app/src/sqlite.js';
import { freePort } from '../support/free-port.js';
import { holdSection, printedBy, thrownBy, warnedBy } from './troubleshooting-page.js';

declare module 'express-session' {
  interface SessionData {
    visits?: number;
  }
}

const users = express.Router();
users.get('/', (_req, res) => void res.json('done'));
users.post('/', (_req, res) => void res.json('done'));
users.get('/boom', () => {
  throw new Error('out of ink');
});
users.get('/visits', (req, res) => void res.json(req.session.visits));
users.get('/slow', () => undefined);
users.get('/:id', (_req, res) => void res.json('done'));
const actions = routeActions(users);

const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
const Post = sequelize.define('Post', { title: DataTypes.STRING, authorId: DataTypes.INTEGER }, { timestamps: false });
const serializer = modelSerializer(Post, { fields: ['id', 'title'] });

/** Sends one frame to a consumer of an app that does nothing about errors, and returns what it is told. */
async function tell(consumer: Consumer, frame: unknown, path = '/ws/users'): Promise<unknown> {
  const channels = createChannels(express()).route(path, consumer);
  const client = await connect(channels, path);
  const { errors, payload } = await client.request(frame);
  await channels.close();
  return errors ?? payload;
}

/** The text of the only error. */
const errorFor = async (consumer: Consumer, frame: unknown): Promise<string> => String((await toldBy(consumer, frame)).at(0));

async function toldBy(consumer: Consumer, frame: unknown): Promise<readonly unknown[]> {
  const told = await tell(consumer, frame);
  return told as readonly unknown[];
}

/** The text of the only error of one field. */
async function fieldErrorFor(consumer: Consumer, frame: unknown, field: string): Promise<string> {
  const [fields] = (await toldBy(consumer, frame)) as readonly Readonly<Record<string, readonly string[]>>[];
  return fields?.[field]?.join() ?? '';
}

const view = (timeoutMs?: number) => viewAsConsumer(users, actions, timeoutMs === undefined ? {} : { timeoutMs });
/** Without what the action was and the class of the error, which is printed before the message. */
const ofAction = (line: string) => line.replace(/^.* has failed: \w+: /, '');

holdSection('Calling', {
  '400: the frame is no JSON': () => errorFor(view(), '[object Object]'),
  '405: there is no action in the frame': () => errorFor(view(), { stream: 'users', payload: { action: 'list' } }),
  '400: there is no stream in the frame': async () => {
    const payload = await tell(demultiplexer({ users: view() }), { action: 'list' });
    return (payload as { errors: readonly string[] }).errors.join();
  },
  '405: there is no such action': () => errorFor(viewAsConsumer(users), { action: 'create', data: {} }),
  '400: the route has other parameters': () => fieldErrorFor(view(), { action: 'retrieve', id: 7 }, 'parameters'),
  '400: there is no data': () =>
    fieldErrorFor(modelConsumer(Post, { serializer, actions: crud('create') }), { action: 'create' }, 'non_field_errors'),
  '403: nobody is logged in': () =>
    warnedBy(() => tell(viewAsConsumer(users, actions, { permissions: [isAuthenticated] }), { action: 'list' })),
  "403: somebody else's session": () =>
    errorFor(viewAsConsumer(users, actions, { permissions: [permission(() => false)] }), { action: 'list' }),
  '500: an action has failed': () =>
    printedBy(async () => expect(await errorFor(view(), { action: 'boom' })).toMatch(/^A server/)),
  '500: a handler has no session': () => printedBy(() => tell(view(), { action: 'visits' })),
  '504: a handler does not answer': async () =>
    ofAction(
      await printedBy(async () => expect(await errorFor(view(20), { action: 'slow' })).toBe('No answer within 20 ms.')),
    ).replace('20 ms', '30000 ms'),
});

holdSection('Subscribing', {
  '400: a subscription needs a request_id': async () => {
    await sequelize.sync({ force: true });
    await Post.create({ title: 'Hello' });
    const posts = modelConsumer(Post, { serializer, actions: crud('subscribe_instance') });
    return fieldErrorFor(posts, { action: 'subscribe_instance', pk: 1 }, 'request_id');
  },
  '500: a consumer has no subscriptions': async () => {
    const follow = (ctx: ModelContext<Model>, args: object) => ctx.subscribeInstance(args);
    const posts = modelConsumer(Post, { serializer, actions: { follow } });
    return ofAction(await printedBy(() => tell(posts, { action: 'follow', pk: 1, request_id: 1 })));
  },
  'An observer has half of its groups': () => thrownBy(() => modelObserver(Post, { groupsForSignal: () => ['posts'] })),
  'A group of an observer has no name': async () => {
    await sequelize.sync({ force: true });
    const ofAuthor = modelObserver(Post, {
      // As JavaScript would call it.
      groupsForSignal: (post) => [post.get('authorId') as number],
      groupsForConsumer: ({ author }: { author: number }) => [author],
    });
    const follow = defineConsumer({
      actions: {
        follow: async (ctx) => {
          await ofAuthor.subscribe(ctx, { author: 1 });
          await Post.create({ title: 'Hello' });
        },
      },
    });
    const line = await printedBy(() => tell(follow, { action: 'follow', request_id: 1 }));
    return line.replace(/^\w+: /, '');
  },
  'A group has no text for a name': async () => {
    const join = defineConsumer({ actions: { join: (ctx) => ctx.join(5 as never) } });
    return ofAction(await printedBy(() => tell(join, { action: 'join' })));
  },
  'A message has no handler': async () => {
    const channels = createChannels(express());
    const join = defineConsumer({ actions: { join: (ctx) => ctx.join('everybody') } });
    const client = await connect(channels.route('/ws', join), '/ws');
    await client.request({ action: 'join' });
    const line = await printedBy(() => channels.groupSend('everybody', { type: 'announced' }));
    await channels.close();
    return line.replace(/^\w+: /, '');
  },
  'An observer is made twice': () =>
    thrownBy(() => [modelObserver(Post, { name: 'posts' }), modelObserver(Post, { name: 'posts' })]),
});

const withoutRedis = async () =>
  createChannels(express(), { layer: redisLayer({ url: `redis://127.0.0.1:${await freePort()}` }) });

const HELD_BY_THE_PACKAGE = ['There is no client of Redis'];
const ofProcesses = {
  'redisLayer() was given an address': () => thrownBy(() => redisLayer('redis://:password@localhost:6379' as never)),
  'Redis is away': async () => {
    const opened: Channels[] = [];
    const line = await printedBy(async () => opened.push(await withoutRedis()));
    await opened[0]?.close();
    return line.replace(/^\w+: /, '');
  },
  'A message was not sent': async () => {
    const opened: Channels[] = [];
    let failure: unknown;
    await printedBy(async () => {
      opened.push(await withoutRedis());
      failure = await opened[0]?.groupSend('everybody', { type: 'announced' }).catch((error: unknown) => error);
    });
    await opened[0]?.close();
    return failure instanceof Error ? failure.message : '';
  },
};
holdSection('Several processes', ofProcesses, HELD_BY_THE_PACKAGE);
