import type { IncomingMessage, Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';

import type { WebSocket } from 'ws';

import type { Login } from '../auth/login.js';
import { Revocations } from '../auth/revocations.js';
import { isSameUser } from '../auth/same-user.js';
import { userOf } from '../auth/user.js';
import { Consumer } from '../consumers/consumer.js';
import { type GroupMessage, sendToGroup } from '../consumers/groups.js';
import { type Application, defaultApplication, isApplication, isRouter } from '../http/application.js';
import type { Handler } from '../http/handler.js';
import type { ChannelLayer } from '../layers/channel-layer.js';
import { memoryLayer } from '../layers/memory-layer.js';
import { type AnyModel, notify, type NotifyOptions, type RowKey } from '../observers/notify.js';
import { openLayer } from '../observers/open-layers.js';
import { CloseCode } from '../protocol/close-code.js';
import { got } from '../protocol/options.js';
import { type ChannelsOptions, checkOptions, intervalOf } from './channels-options.js';
import { CLOSE_GRACE_MS, Connection, type ConnectionOptions } from './connection.js';
import { guarded, logError } from './error-handler.js';
import { Handshakes } from './handshakes.js';
import { limitsOf } from './limits.js';
import { serverOf } from './own-server.js';
import { PathTable } from './path-table.js';
import { refuseUpgrade, type Upgrade } from './upgrade.js';

/** Options of {@link Channels.close}. */
export interface CloseOptions {
  /** Milliseconds that running actions have to finish. @default 10_000 */
  readonly timeoutMs?: number;
}

type HttpServer = Server | TlsServer;

/** The sockets of an Express application: routes, upgrades, and every connection until it is closed. */
export class Channels {
  readonly #app: Application;
  readonly #middleware: Handler[] = [];
  readonly #paths = new PathTable();
  readonly #handshakes: Handshakes;
  readonly #connections = new Set<Connection>();
  readonly #detach = new Map<HttpServer, () => void>();
  readonly #layer: ChannelLayer;
  readonly #connectionOptions: ConnectionOptions;
  readonly #closeLayer: () => void;
  readonly #revocations: Revocations;
  #own: Server | undefined;
  #closing: Promise<void> | undefined;

  /** @internal Use {@link createChannels}. */
  constructor(app: Application, options: ChannelsOptions) {
    const limits = limitsOf(options.limits);
    this.#app = app;
    this.#layer = options.layer ?? memoryLayer();
    const onError = guarded(options.onError ?? logError);
    const onOwnError = (error: unknown): void => {
      onError(error, {});
    };
    this.#closeLayer = openLayer(this.#layer, onOwnError);
    this.#revocations = new Revocations(this.#layer, onOwnError);
    if (options.sessionStore !== undefined) this.#revocations.watch(options.sessionStore);
    this.#connectionOptions = {
      app,
      layer: this.#layer,
      limits,
      rate: options.rate,
      heartbeatMs: intervalOf(options.heartbeat),
      revalidateMs: intervalOf(options.revalidate),
      reauthenticate: options.reauthenticate ?? false,
      onError,
    };
    this.#handshakes = new Handshakes({
      origins: options.origins,
      bearerToken: options.bearerToken ?? {},
      maxFrameBytes: limits.maxFrameBytes,
      login: {
        app,
        middleware: this.#middleware,
        timeoutMs: options.handshakeTimeoutMs ?? 10_000,
        forwardHeaders: options.forwardHeaders ?? [],
        revocations: this.#revocations,
        userOf: options.user ?? userOf,
        isSameUser: options.sameUser ?? isSameUser,
        onError: onOwnError,
      },
      opened: (socket, transport, login, consumer) => {
        this.#open(socket, transport, login, consumer);
      },
    });
  }

  /**
   * Adds middleware that runs once per socket, on its handshake: sessions, passport, anything that says who it is. What it puts on the
   * request is on every action's request. If it answers, its answer refuses the handshake.
   *
   * @example
   * channels.use(session(options), passport.initialize(), passport.session());
   */
  use(...middleware: readonly (Handler | readonly Handler[])[]): this {
    for (const handler of middleware.flat()) {
      if (typeof handler !== 'function') {
        const hint = typeof handler === 'string' ? ' It runs for all routes: leave the path out.' : '';
        throw new TypeError(`Expected middleware functions for use(), got ${got(handler)}.${hint}`);
      }
      this.#middleware.push(handler);
    }
    return this;
  }

  /**
   * Answers the sockets of a path with a consumer. The path is written as in Express; its parameters are in the scope.
   *
   * @example
   * channels.route('/ws/teams/:team', viewAsConsumer(teamRouter));
   */
  route(path: string, consumer: Consumer): this {
    if (typeof path !== 'string' || !path.startsWith('/'))
      throw new TypeError(`Expected a path such as "/ws/users" for route(), got ${got(path)}.`);
    if (!(consumer instanceof Consumer))
      throw new TypeError(`Expected a consumer for ${path}, for instance viewAsConsumer(router), got ${got(consumer)}.`);
    this.#paths.add(path, consumer);
    return this;
  }

  /**
   * Takes the upgrades of an HTTP or HTTPS server that are for one of the routes. Upgrades of other paths stay with the server's other
   * listeners; if there are none, they are answered with 404.
   */
  attach(server: HttpServer): this {
    if (!(server instanceof NetServer))
      throw new TypeError(
        `Expected an HTTP server for attach(), got ${isApplication(server) ? AN_APPLICATION : `${got(server)}.`}`,
      );
    if (this.#detach.has(server))
      throw new TypeError(
        'These channels are attached to this server already: call attach() once, and not for the server of listen().',
      );
    const onUpgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
      const shared = server.listenerCount('upgrade') > 1;
      void this.#upgrade({ req, socket, head, shared });
    };
    server.on('upgrade', onUpgrade);
    this.#detach.set(server, () => server.off('upgrade', onUpgrade));
    return this;
  }

  /** Serves the application and its sockets on a port of its own; the arguments are those of `server.listen`. */
  listen(port?: number, callback?: () => void): Server;
  listen(port: number, host: string, callback?: () => void): Server;
  listen(options: { readonly port?: number; readonly host?: string; readonly path?: string }, callback?: () => void): Server;
  listen(...args: readonly unknown[]): Server {
    if (this.#closing !== undefined) throw new TypeError('These channels are closed: make new ones to listen again.');
    if (this.#own !== undefined)
      throw new TypeError('These channels listen already: call listen() once, and attach() for further servers.');
    const server = serverOf(this.#app);
    this.#own = server;
    this.attach(server);
    Reflect.apply(server.listen.bind(server), undefined, args);
    return server;
  }

  /**
   * Sends a message to all connections that have joined a group, in this process and, by the channel layer, in others. It is handled by
   * their consumers' `on` of the message's `type`.
   *
   * @throws TypeError for a group that is no text, or a message without a type
   *
   * @example
   * app.post('/announcements', async (req, res) => {
   *   await channels.groupSend('everybody', { type: 'announced', text: req.body.text });
   *   res.sendStatus(204);
   * });
   */
  groupSend(group: string, message: GroupMessage): Promise<void> {
    return sendToGroup(this.#layer, group, message);
  }

  /**
   * Tells observers of rows that were written past the ORM: by raw SQL, by the database's own cascades or with `hooks: false`. Those that
   * are there count as updated, the others as deleted.
   *
   * @throws TypeError for a model that is none, or for what is no list of primary keys
   *
   * @example
   * await sequelize.query('UPDATE posts SET pinned = true WHERE id = 5');
   * channels.notify(Post, [5]);
   */
  notify(model: AnyModel, pks: readonly RowKey[], options?: NotifyOptions): void {
    notify(model, pks, options);
  }

  /** Number of open sockets. */
  get size(): number {
    return this.#connections.size;
  }

  /**
   * Ends all sockets in good order: no new ones (503), no new frames, running actions finish and are answered, then each socket is
   * closed with 1012, which tells clients to connect again. A server of {@link Channels.listen} is closed as well.
   */
  close({ timeoutMs = 10_000 }: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#handshakes.refuseAll();
    const own = this.#own;
    const served = own === undefined ? undefined : new Promise<void>((resolve) => own.close(() => { resolve(); })); // prettier-ignore
    const connections = [...this.#connections];
    await within(timeoutMs, Promise.all(connections.map((connection) => connection.drain())));
    const closed = connections.map((connection) => connection.close(CloseCode.restart, 'The server restarts.'));
    // A consumer's disconnect may hang.
    await within(timeoutMs + CLOSE_GRACE_MS, Promise.all(closed));
    own?.closeAllConnections();
    await served;
    for (const detach of this.#detach.values()) detach();
    this.#detach.clear();
    this.#closeLayer();
    await this.#revocations.close();
    await this.#layer.close();
  }

  /** An upgrade is for one of the routes, or for others on the same server. */
  async #upgrade(upgrade: Upgrade): Promise<void> {
    const { req, socket, shared } = upgrade;
    const cut = (): void => {
      socket.destroy();
    };
    socket.on('error', cut);
    const routed = await this.#paths.find(req.url ?? '/');
    if (routed !== undefined) await this.#handshakes.decide(upgrade, routed);
    else if (shared) socket.off('error', cut);
    else {
      this.#paths.adviseOf(req.url ?? '/');
      refuseUpgrade(upgrade, 404);
    }
  }

  #open(webSocket: WebSocket, transport: Duplex, login: Login, consumer: Consumer): void {
    const connection = new Connection(webSocket, transport, login, consumer, this.#connectionOptions);
    this.#connections.add(connection);
    webSocket.once('close', () => this.#connections.delete(connection));
  }
}

/**
 * Makes an Express application live over WebSockets.
 *
 * @param app - the application whose settings (trust proxy, json spaces, …) and `req.*` and `res.*` the consumers use; a bare one if
 * left out
 * @param options - limits, login, layer and others
 * @throws TypeError for something that is no Express application, or for options that can't be meant
 *
 * @example
 * const channels = createChannels(app);
 * channels.use(session(options), passport.initialize(), passport.session());
 * channels.route('/ws/users', viewAsConsumer(usersRouter));
 * channels.listen(8000);
 */
export function createChannels(app?: Application, options: ChannelsOptions = {}): Channels {
  if (app !== undefined && !isApplication(app)) {
    throw new TypeError(`Expected an Express application for createChannels(), got ${nameOf(app)}.`);
  }
  checkOptions(options);
  return new Channels(app ?? defaultApplication(), options);
}

/** An application that was given for its server. */
const AN_APPLICATION = 'an Express application. Use channels.listen(8000), or channels.attach(app.listen(8000)).';

function nameOf(given: unknown): string {
  if (given instanceof NetServer) return 'a server: give it to channels.attach()';
  if (isRouter(given)) return 'a Router: give the application that it is mounted in';
  return typeof given === 'object' ? `${got(given)}: options are the second argument` : got(given);
}

async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
