import express, { type RequestHandler } from 'express';
import {
  type Action,
  action,
  type ChannelLayer,
  type Channels,
  type Consumer,
  createChannels,
  crud,
  demultiplexer,
  limitOffset,
  memoryLayer,
  modelConsumer,
  modelObserver,
  type ModelSerializer,
  modelSerializer,
  permission,
  routeActions,
  streamedList,
  viewAsConsumer,
} from 'express-channels';
import { DataTypes, type Model, type ModelStatic, Sequelize } from 'sequelize';
import { z } from 'zod';

import * as sqlite from '../../example-app/src/sqlite.js';
import { portOf } from '../support/socket-client.js';

/** The server that docs/PROTOCOL.md speaks to, with three posts of two authors. */
export class ProtocolServer {
  readonly channels: Channels;
  readonly port: number;
  readonly post: ModelStatic<Model>;
  readonly #sequelize: Sequelize;
  readonly #world: World;

  private constructor(channels: Channels, port: number, sequelize: Sequelize, world: World) {
    this.channels = channels;
    this.port = port;
    this.post = sequelize.model('Post');
    this.#sequelize = sequelize;
    this.#world = world;
  }

  static async start(): Promise<ProtocolServer> {
    const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
    const post = sequelize.define(
      'Post',
      { title: { type: DataTypes.STRING, allowNull: false }, author: { type: DataTypes.INTEGER, allowNull: false } },
      { timestamps: false },
    );
    await sequelize.sync();
    await post.create({ title: 'Hello', author: 1 });
    await post.create({ title: 'World', author: 2 });
    await post.create({ title: 'Again', author: 1 });
    const world: World = { mayFollow: true, gaps: new Set() };
    const channels = channelsOf(post, world);
    const port = await portOf(channels.listen(0, '127.0.0.1'));
    return new ProtocolServer(channels, port, sequelize, world);
  }

  /** Does what a line in brackets says that happens. */
  async happen(event: string): Promise<void> {
    const happening = this.#happenings().get(event);
    if (happening === undefined) throw new Error(`Nobody knows how this happens: ${event}`);
    await happening();
  }

  async close(): Promise<void> {
    await this.channels.close({ timeoutMs: 1 });
    await this.#sequelize.close();
  }

  #happenings(): ReadonlyMap<string, () => unknown> {
    const update = async (pk: number, values: object): Promise<unknown> => (await this.#find(pk)).update(values);
    return new Map<string, () => unknown>([
      ['somebody calls post 1 "News"', () => update(1, { title: 'News' })],
      ['somebody gives post 1 to author 2', () => update(1, { author: 2 })],
      ['somebody gives post 2 to author 1', () => update(2, { author: 1 })],
      ['somebody deletes post 2', async () => (await this.#find(2)).destroy()],
      ['somebody deletes post 3', async () => (await this.#find(3)).destroy()],
      [
        'somebody takes the right to follow away, and calls post 1 "News"',
        () => {
          this.#world.mayFollow = false;
          return update(1, { title: 'News' });
        },
      ],
      [
        'the server loses its connection to other processes for a moment',
        () => {
          for (const tell of this.#world.gaps) tell();
        },
      ],
    ]);
  }

  #find(pk: number): Promise<Model> {
    return this.post.findByPk(pk, { rejectOnEmpty: true });
  }
}

/** What the happenings change. */
interface World {
  mayFollow: boolean;
  /** Who is told of a gap of the layer. */
  readonly gaps: Set<() => void>;
}

/** A token is good if it is one of Ada's. */
const byToken: RequestHandler = (req, res, next) => {
  const { authorization } = req.headers;
  if (authorization === undefined || authorization.includes('ada')) {
    Object.assign(req, { user: { id: 1, username: 'ada' } });
    next();
  } else res.sendStatus(401);
};

function channelsOf(post: ModelStatic<Model>, world: World): Channels {
  const layer: ChannelLayer = {
    ...memoryLayer(),
    shared: true,
    onGap(listener) {
      world.gaps.add(listener);
      return () => world.gaps.delete(listener);
    },
  };
  const channels = createChannels(express(), { layer, reauthenticate: true });
  channels.use(byToken);
  const serializer = modelSerializer(post, { fields: ['pk', 'title', 'author'] });
  const pagination = limitOffset({ limit: 2 });
  const posts = modelConsumer(post, {
    serializer,
    pagination,
    actions: {
      ...crud('list', 'retrieve', 'create', 'patch', 'delete', 'subscribe_instance', 'unsubscribe_instance'),
      follow: followOf(post, serializer, world),
    },
  });
  const closed = modelConsumer(post, {
    serializer,
    actions: crud('list'),
    permissions: [permission({ connect: () => false })],
  });
  channels.route('/ws/posts', posts);
  channels.route('/ws/streamed', modelConsumer(post, { serializer, pagination, actions: streamedList() }));
  channels.route('/ws/router', routerConsumer());
  channels.route('/ws/streams', demultiplexer({ posts, closed }));
  return channels;
}

/** Subscribes to the posts of an author. */
function followOf(post: ModelStatic<Model>, serializer: ModelSerializer<Model>, world: World): Action {
  const ofAuthor = modelObserver(post, {
    serialize: (row) => serializer.serialize(row),
    groupsForSignal: (row) => [String(row.get('author'))],
    groupsForConsumer: ({ author }: { author: number }) => [author],
    snapshot: ({ author }) => post.findAll({ where: { author }, order: ['id'] }),
  });
  const schema = z.object({ author: z.number(), snapshot: z.boolean().default(false) });
  return action(
    async (ctx, { author, snapshot }) => {
      await ofAuthor.subscribe(ctx, { author }, { snapshot });
    },
    { schema, permissions: [permission(() => world.mayFollow)] },
  );
}

function routerConsumer(): Consumer {
  const router = express.Router();
  router.get('/', (req, res) => {
    res.json([{ id: 1, title: 'Hello', tag: req.query['tag'] }]);
  });
  router.post('/', (req, res) => {
    const body: unknown = req.body;
    res.status(201).json({ id: 2, ...(body as object) });
  });
  router.get('/latest', (_req, res) => {
    res.redirect('/posts/1');
  });
  router.get('/:id', (req, res) => {
    if (req.params.id === '77') res.status(404).json({ error: 'no such post' });
    else res.json({ id: Number(req.params.id), title: 'Hello' });
  });
  router.get('/:id/cover', (_req, res) => {
    res.type('application/octet-stream').send(Buffer.from([0x00, 0xff, 0xfe]));
  });
  router.post('/:id/publish', (_req, res) => {
    res.sendStatus(204);
  });
  return viewAsConsumer(router, routeActions(router));
}
