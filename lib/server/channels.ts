import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { inspect } from 'node:util';

import { type WebSocket, WebSocketServer } from 'ws';

import { chooseProtocol, withBearerToken } from '../auth/bearer-token.js';
import type { Handshake } from '../auth/authentication.js';
import { Login, type LoginOptions } from '../auth/login.js';
import { isAllowedOrigin } from '../auth/origin.js';
import { Consumer, type ErrorDetails } from '../consumers/consumer.js';
import { type GroupMessage, sendToGroup } from '../consumers/groups.js';
import { type Application, defaultApplication, isApplication } from '../http/application.js';
import type { Handler } from '../http/handler.js';
import type { ChannelLayer } from '../layers/channel-layer.js';
import { memoryLayer } from '../layers/memory-layer.js';
import { CloseCode } from '../protocol/close-code.js';
import { type ChannelsOptions, checkOptions, intervalOf } from './channels-options.js';
import { CLOSE_GRACE_MS, Connection, type ConnectionOptions } from './connection.js';
import { DEFAULT_LIMITS } from './limits.js';
import { PathTable } from './path-table.js';
import { cookiesOf, peerOf, refuseUpgrade, refuseUpgradeWith, type Upgrade } from './upgrade.js';

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
  readonly #sockets: WebSocketServer;
  readonly #connections = new Set<Connection>();
  readonly #cookies = new WeakMap<IncomingMessage, readonly string[]>();
  readonly #detach = new Map<HttpServer, () => void>();
  readonly #options: ChannelsOptions;
  readonly #layer: ChannelLayer;
  readonly #loginOptions: LoginOptions;
  readonly #connectionOptions: ConnectionOptions;
  readonly #onError: (error: unknown, details: Partial<ErrorDetails>) => void;
  #own: Server | undefined;
  #closing: Promise<void> | undefined;

  /** @internal Use {@link createChannels}. */
  constructor(app: Application, options: ChannelsOptions) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#app = app;
    this.#options = options;
    this.#layer = options.layer ?? memoryLayer();
    this.#onError = guarded(options.onError ?? logError);
    this.#loginOptions = {
      app,
      middleware: this.#middleware,
      timeoutMs: options.handshakeTimeoutMs ?? 10_000,
      forwardHeaders: options.forwardHeaders ?? [],
      onError: (error) => {
        this.#onError(error, {});
      },
    };
    this.#connectionOptions = {
      app,
      layer: this.#layer,
      limits,
      rate: options.rate,
      heartbeatMs: intervalOf(options.heartbeat),
      revalidateMs: intervalOf(options.revalidate),
      reauthenticate: options.reauthenticate ?? false,
      onError: this.#onError,
    };
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: limits.maxFrameBytes,
      perMessageDeflate: false,
      handleProtocols: (offered) => chooseProtocol(offered, options.bearerToken ?? {}),
    });
    this.#sockets.on('headers', (lines, req) => {
      for (const cookie of this.#cookies.get(req) ?? []) lines.push(`Set-Cookie: ${cookie}`);
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
      if (typeof handler !== 'function') throw new TypeError(`Expected middleware functions for use(), got ${String(handler)}.`);
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
      throw new TypeError(`Expected a path such as "/ws/users" for route(), got ${inspect(path)}.`);
    if (!(consumer instanceof Consumer))
      throw new TypeError(`Expected a consumer for ${path}, for instance viewAsConsumer(router), got ${typeof consumer}.`);
    this.#paths.add(path, consumer);
    return this;
  }

  /**
   * Takes the upgrades of an HTTP or HTTPS server that are for one of the routes. Upgrades of other paths stay with the server's other
   * listeners; if there are none, they are answered with 404.
   */
  attach(server: HttpServer): this {
    if (typeof (server as HttpServer | undefined)?.on !== 'function')
      throw new TypeError(`Expected an HTTP server for attach(), got ${inspect(server, { depth: 0 })}.`);
    if (this.#detach.has(server)) throw new TypeError('These channels are attached to this server already.');
    const onUpgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
      const others = server.listenerCount('upgrade') > 1;
      this.#upgrade({ req, socket, head }, others).catch((error: unknown) => {
        this.#onError(error, {});
        refuseUpgrade({ req, socket, head }, 500);
      });
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
    if (this.#own !== undefined) throw new TypeError('These channels listen already.');
    const server = createServer((req, res) => {
      this.#app(req, res);
    });
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
    await this.#layer.close();
  }

  /** The way of a handshake: route, origin, login and connect rules, socket. */
  async #upgrade(upgrade: Upgrade, others: boolean): Promise<void> {
    const { req, socket, head } = upgrade;
    const gone = new AbortController();
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      gone.abort(new Error('The socket has gone.'));
    });

    const routed = await this.#paths.find(req.url ?? '/');
    if (routed === undefined) {
      if (!others) refuseUpgrade(upgrade, 404);
      return;
    }
    if (this.#closing !== undefined) {
      refuseUpgrade(upgrade, 503);
      return;
    }
    const handshake = this.#handshakeOf(req, routed.params);
    if (!isAllowedOrigin(req, handshake.peer.encrypted === true, this.#options.origins)) {
      refuseUpgrade(upgrade, 403);
      return;
    }
    const admit = routed.consumer.admit.bind(routed.consumer);
    const { login, authentication } = await Login.open(handshake, this.#loginOptions, admit, gone.signal);
    if (login === undefined) {
      refuseUpgradeWith(upgrade, authentication.exchange);
      return;
    }
    if (gone.signal.aborted) return;
    this.#cookies.set(req, cookiesOf(authentication.exchange.res.getHeader('set-cookie')));
    this.#sockets.handleUpgrade(req, socket, head, (webSocket) => {
      this.#open(webSocket, login, routed.consumer);
    });
  }

  #open(webSocket: WebSocket, login: Login, consumer: Consumer): void {
    const connection = new Connection(webSocket, login, consumer, this.#connectionOptions);
    this.#connections.add(connection);
    webSocket.once('close', () => this.#connections.delete(connection));
  }

  #handshakeOf(req: IncomingMessage, params: Handshake['params']): Handshake {
    const url = req.url ?? '/';
    return {
      url,
      params,
      headerLines: withBearerToken(req.rawHeaders, url, this.#options.bearerToken ?? {}),
      peer: peerOf(req),
    };
  }
}

/**
 * Makes an Express application live over WebSockets.
 *
 * @param app - the application whose settings (trust proxy, json spaces, …) and `req.*` and `res.*` the consumers use; a bare one if
 * left out
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
    throw new TypeError(
      `Expected an Express application for createChannels(), got ${typeof app}. Options are the second argument.`,
    );
  }
  checkOptions(options);
  return new Channels(app ?? defaultApplication(), options);
}

function logError(error: unknown): void {
  console.error(error);
}

/** An error handler that fails must not take the process with it. */
function guarded<Arguments extends readonly unknown[]>(handler: (...args: Arguments) => void): (...args: Arguments) => void {
  return (...args) => {
    try {
      handler(...args);
    } catch (error) {
      console.error(error);
    }
  };
}

async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
