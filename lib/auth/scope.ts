import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

declare global {
  // Merged with the same declaration of passport's types: applications declare their user there once, for HTTP and sockets.
  namespace Express {
    interface User {}
  }
}

/** Who is connected and from where. It is frozen; when a login is revalidated, the connection gets a new one. */
export interface Scope {
  /** Path of the handshake, without its query. */
  readonly path: string;
  /** Parameters of the path that the consumer was routed under. */
  readonly params: Readonly<Record<string, string>>;
  /** Query of the handshake; a repeated key is a list. */
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  /** Headers of the handshake. */
  readonly headers: Readonly<IncomingHttpHeaders>;
  /** What the login middleware left at `req.user`; undefined for an anonymous socket. */
  readonly user: Express.User | undefined;
  /** IP address of the socket's real peer. */
  readonly remoteAddress: string | undefined;
  /** Whether the socket is encrypted by TLS. */
  readonly encrypted: boolean;
  /** The handshake's request as its middleware left it. */
  readonly request: IncomingMessage;
}
