import { headersOf } from '../http/header-lines.js';

/** Where a handshake may carry a bearer token besides its `Authorization` header, which browsers can't set. */
export interface BearerTokenOptions {
  /**
   * Name of the subprotocol behind which the client offers the token: with `'bearer'`,
   * `new WebSocket(url, ['bearer', token])`. @default none
   */
  readonly protocol?: string;
  /**
   * Key of the handshake's query, e.g. `'access_token'`. URLs are written to the logs of servers and proxies, and the token with them:
   * prefer the subprotocol, or let such tokens live for seconds. @default none
   */
  readonly query?: string;
}

/** The header lines of a handshake, with the token that came by another way as their `Authorization`. */
export function withBearerToken(headerLines: readonly string[], url: string, options: BearerTokenOptions): readonly string[] {
  if (hasHeader(headerLines, 'authorization')) return headerLines;
  const token = tokenOfProtocol(headerLines, options.protocol) ?? tokenOfQuery(url, options.query);
  return token === undefined ? headerLines : [...headerLines, 'Authorization', `Bearer ${token}`];
}

/** The header lines with another token: for a login that is renewed in place. */
export function replaceBearerToken(headerLines: readonly string[], token: string): readonly string[] {
  const others = headersOf(headerLines).filter(([name]) => name.toLowerCase() !== 'authorization');
  return [...others.flat(), 'Authorization', `Bearer ${token}`];
}

/** Which of the offered subprotocols the server agrees to: never the token itself. */
export function chooseProtocol(offered: ReadonlySet<string>, options: BearerTokenOptions): string | false {
  if (options.protocol !== undefined && offered.has(options.protocol)) return options.protocol;
  return [...offered][0] ?? false;
}

function tokenOfProtocol(headerLines: readonly string[], protocol: string | undefined): string | undefined {
  if (protocol === undefined) return undefined;
  const offered = (headerValue(headerLines, 'sec-websocket-protocol') ?? '').split(',').map((part) => part.trim());
  const position = offered.indexOf(protocol);
  return position < 0 ? undefined : nonEmpty(offered[position + 1]);
}

function tokenOfQuery(url: string, key: string | undefined): string | undefined {
  const start = url.indexOf('?');
  if (key === undefined || start < 0) return undefined;
  const token = nonEmpty(new URLSearchParams(url.slice(start)).get(key) ?? undefined);
  // What can't stand in a header is no token.
  return token !== undefined && /^[\x21-\x7e]+$/.test(token) ? token : undefined;
}

function hasHeader(headerLines: readonly string[], name: string): boolean {
  return headerValue(headerLines, name) !== undefined;
}

function headerValue(headerLines: readonly string[], name: string): string | undefined {
  return headersOf(headerLines).find(([key]) => key.toLowerCase() === name)?.[1];
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
