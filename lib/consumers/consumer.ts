import type { ConnectRequest } from '../auth/permissions.js';
import type { Login } from '../auth/login.js';
import type { Scope } from '../auth/scope.js';
import type { Application } from '../http/application.js';
import type { ChannelLayer } from '../layers/channel-layer.js';

/** What a consumer needs of the connection, or of the stream of one, that it answers on. */
export interface Link {
  readonly login: Login;
  /** The application that brings the settings of bare routers. */
  readonly app: Application;
  /** The bus of group messages. */
  readonly layer: ChannelLayer;
  /** Aborted when the socket or the stream goes. */
  readonly signal: AbortSignal;
  /** Sends a frame: text, or bytes. After the close nothing is sent. */
  readonly send: (frame: string | Uint8Array) => void;
  /** Resolves when the network has taken what was sent, or the socket has gone. */
  readonly drained: () => Promise<void>;
  /** Closes the connection, or the stream alone. */
  readonly close: (code: number) => void;
  /** Called behind each reply: if the action has ended the login, the connection closes now. */
  readonly answered: () => void;
  /** Pieces of work that may wait: with more, the connection is closed with 4008. */
  readonly maxQueuedEvents: number;
  /** Does a piece of work in turn with the frames. It must neither throw nor reject. */
  readonly enqueue: (task: () => undefined | Promise<void>) => void;
  /** Hears of every unexpected error, whose text is kept from the client. */
  readonly onError: (error: unknown, details: ErrorDetails) => void;
}

/** Where an unexpected error came from. */
export interface ErrorDetails {
  /** On whose connection. */
  readonly scope: Scope;
  /** The action that failed; undefined outside of one. */
  readonly action?: string | undefined;
}

/** A frame of a client: a JSON object. */
export type Frame = Readonly<Record<string, unknown>>;

/** One consumer on one connection or stream. None of its promises rejects. */
export interface Conversation {
  /** Answers a frame. Resolves when the next one may come. */
  receive(frame: Frame): Promise<void>;
  /** Answers a frame that is none. */
  malformed(error: unknown): void;
  /** Resolves when everything that runs beside the frames is answered. */
  idle(): Promise<void>;
  /** The connection or stream has gone. */
  closed(code: number): Promise<void>;
}

/** What answers on a connection: made by `viewAsConsumer`, `modelConsumer`, `defineConsumer` or `demultiplexer`, given to `route`. */
export abstract class Consumer {
  /** @internal Asks the connect rules. What they throw refuses the handshake. */
  abstract admit(request: ConnectRequest): Promise<void>;

  /** @internal Begins to answer on a connection that is open. */
  abstract open(link: Link): Conversation;
}
