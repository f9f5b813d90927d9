import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { type WebSocket, WebSocketServer } from 'ws';

import type { Handshake } from '../auth/authentication.js';
import { type BearerTokenOptions, chooseProtocol, withBearerToken } from '../auth/bearer-token.js';
import { Login, type LoginOptions } from '../auth/login.js';
import { type AllowedOrigins, isAllowedOrigin, warnOfRefusal } from '../auth/origin.js';
import type { Consumer } from '../consumers/consumer.js';
import { ActionError, toErrorReply } from '../protocol/errors.js';
import type { RoutedConsumer } from './path-table.js';
import { cookiesOf, isTaken, peerOf, refuseUpgrade, refuseUpgradeWith, type Upgrade } from './upgrade.js';

/** What all handshakes of a server share. */
export interface HandshakesOptions {
  readonly origins: AllowedOrigins | undefined;
  readonly bearerToken: BearerTokenOptions;
  readonly maxFrameBytes: number;
  readonly login: LoginOptions;
  /** Takes over the sockets that are let in, and what they write to. */
  readonly opened: (socket: WebSocket, transport: Duplex, login: Login, consumer: Consumer) => void;
}

/** Turns upgrades into sockets, or refuses them: origin, login, connect rules. */
export class Handshakes {
  readonly #options: HandshakesOptions;
  readonly #sockets: WebSocketServer;
  readonly #cookies = new WeakMap<IncomingMessage, readonly string[]>();
  readonly #undecided = new Set<AbortController>();
  #restarting = false;

  constructor(options: HandshakesOptions) {
    this.#options = options;
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: options.maxFrameBytes,
      perMessageDeflate: false,
      handleProtocols: (offered) => chooseProtocol(offered, options.bearerToken),
    });
    this.#sockets.on('headers', (lines, req) => {
      for (const cookie of this.#cookies.get(req) ?? []) lines.push(`Set-Cookie: ${cookie}`);
    });
  }

  /** Decides one handshake, unless the client goes or the server restarts before. */
  async decide(upgrade: Upgrade, routed: RoutedConsumer): Promise<void> {
    const { socket } = upgrade;
    const abort = new AbortController();
    const gone = (): void => {
      abort.abort(new Error('The socket has gone.'));
    };
    if (this.#restarting) abort.abort(restarts());
    this.#undecided.add(abort);
    socket.once('close', gone).once('end', gone);
    try {
      await this.#decide(upgrade, routed, abort.signal);
    } catch (error) {
      if (isTaken(upgrade)) {
        this.#options.login.onError(taken(upgrade));
        return;
      }
      const { status, unexpected } = toErrorReply(error);
      if (unexpected && error !== abort.signal.reason) this.#options.login.onError(error);
      refuseUpgrade(upgrade, status);
    } finally {
      this.#undecided.delete(abort);
      socket.off('close', gone).off('end', gone);
    }
  }

  /** From now on handshakes are refused with 503, also those that are being decided. */
  refuseAll(): void {
    this.#restarting = true;
    for (const abort of this.#undecided) abort.abort(restarts());
  }

  async #decide(upgrade: Upgrade, { consumer, params }: RoutedConsumer, signal: AbortSignal): Promise<void> {
    const { req, socket, head } = upgrade;
    const { origins, login: loginOptions } = this.#options;
    throwIfGone(upgrade, signal);
    const handshake = this.#handshakeOf(req, params);
    if (!isAllowedOrigin(req, handshake.peer.encrypted === true, origins)) {
      warnOfRefusal(req.headers.origin, origins);
      refuseUpgrade(upgrade, 403);
      return;
    }
    const { login, authentication } = await Login.open(handshake, loginOptions, consumer.admit.bind(consumer), signal);
    throwIfGone(upgrade, signal);
    if (login === undefined) {
      refuseUpgradeWith(upgrade, authentication.exchange);
      return;
    }
    this.#cookies.set(req, cookiesOf(authentication.exchange.res.getHeader('set-cookie')));
    this.#sockets.handleUpgrade(req, socket, head, (webSocket) => {
      this.#options.opened(webSocket, socket, login, consumer);
    });
  }

  #handshakeOf(req: IncomingMessage, params: Handshake['params']): Handshake {
    const url = req.url ?? '/';
    return { url, params, headerLines: withBearerToken(req.rawHeaders, url, this.#options.bearerToken), peer: peerOf(req) };
  }
}

function restarts(): ActionError {
  return new ActionError('The server restarts.', { status: 503 });
}

function throwIfGone(upgrade: Upgrade, signal: AbortSignal): void {
  signal.throwIfAborted();
  if (isTaken(upgrade)) throw taken(upgrade);
}

function taken({ req }: Upgrade): Error {
  return new Error(
    `Another 'upgrade' listener of this server has taken a handshake of ${pathOf(req)}. A ws server made with { server } does that to ` +
      'every path: make it with { noServer: true }.',
  );
}

/** Without the query, where a token may stand. */
function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '/';
}
