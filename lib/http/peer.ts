/** Who is at the other end of a socket, as the request handlers of an application see it. */
export interface Peer {
  /** IP address of the client, e.g. `127.0.0.1` or `::1`. */
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  /** Whether the client is connected by TLS; Express derives `req.secure` and `req.protocol` from it. */
  readonly encrypted?: boolean | undefined;
}
