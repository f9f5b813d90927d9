import { IncomingMessage, type OutgoingHttpHeader, type OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Milliseconds for which a server keeps an idle connection; Node's default. */
export const KEEP_ALIVE_MS = 5_000;

/** What `setHeader` has kept: by the name in lower case, the name as it was given, and the value. */
export type StoredHeaders = Readonly<Record<string, readonly [name: string, value: OutgoingHttpHeader]>>;

/** The header argument as `writeHead` hands it to `_storeHeader`. */
export type HeaderBlock = StoredHeaders | OutgoingHttpHeaders | readonly OutgoingHttpHeader[] | null | undefined;

/**
 * Node's own `ServerResponse`, with the members that its published types leave out. They have kept their meaning since Node 0.10, and
 * on-headers, compression and express-session rely on them too.
 */
export class NodeResponse extends ServerResponse {
  /** The rendered header block; truthy means that status and headers are decided. */
  declare _header: string | null;
  declare _headerSent: boolean;
  declare _hasBody: boolean;
  /** The length of a body that was given to `end()` whole. */
  declare _contentLength: number | null;
  declare _keepAliveTimeout: number;
  declare _removedConnection: boolean;
  declare _removedContLen: boolean;
  declare _removedTE: boolean;
  declare _closed: boolean;
  /** What waits for a socket. */
  declare outputData: { data: string; encoding: BufferEncoding; callback: null }[];
  declare _storeHeader: (statusLine: string, headers: HeaderBlock) => void;
  declare _send: (data: unknown, encoding?: unknown, callback?: unknown) => boolean;
  declare _flush: () => void;
  declare _finish: () => void;
  // What Express and its handlers add.
  declare locals: object | undefined;
  declare json: ((...args: unknown[]) => unknown) | undefined;
  declare send: ((...args: unknown[]) => unknown) | undefined;
}

/** Node's own `IncomingMessage`, given its header lines in the way in which Node's parser hands them over. */
export class NodeRequest extends IncomingMessage {
  /** Whether somebody has begun to read the body. */
  declare _consuming: boolean;
  declare _addHeaderLines: (lines: string[], count: number) => void;
  declare _dump: () => void;
  // What Express and its handlers add.
  declare res: NodeResponse | undefined;
  declare next: ((error?: unknown) => void) | undefined;
  declare originalUrl: string | undefined;
  declare baseUrl: string | undefined;
  declare params: object | undefined;
  declare route: unknown;
  declare body: unknown;
  declare query: unknown;
  declare _parsedUrl: unknown;

  constructor(socket: Socket, method: string, url: string, headerLines: string[]) {
    super(socket);
    this.httpVersion = '1.1';
    this.httpVersionMajor = 1;
    this.httpVersionMinor = 1;
    this.method = method;
    this.url = url;
    this._addHeaderLines(headerLines, headerLines.length);
  }
}
