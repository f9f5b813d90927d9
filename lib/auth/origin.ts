import type { IncomingMessage } from 'node:http';

import { Advice } from '../protocol/advice.js';
import { got } from '../protocol/options.js';

/** Which origins may open sockets: exact ones (`https://app.example.com`), or a function that decides. */
export type AllowedOrigins = readonly string[] | ((origin: string, request: IncomingMessage) => boolean);

const DEFAULT_PORTS = new Map([
  ['http:', '80'],
  ['https:', '443'],
]);

/**
 * Whether the handshake comes from where it may. Browsers send the user's cookies with every handshake, whatever page opened it: the
 * `Origin` header is the only thing that tells a page of ours from a page of somebody else. Clients that are no browser send none.
 *
 * By default a page of the same host and port is let in, and over TLS only one that came by https itself.
 */
export function isAllowedOrigin(request: IncomingMessage, encrypted: boolean, allowed: AllowedOrigins | undefined): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return true;
  if (typeof allowed === 'function') {
    // A promise, which is truthy, must not let anybody in.
    const verdict: unknown = allowed(origin, request);
    return verdict === true;
  }
  if (allowed?.includes(origin) === true) return true;
  return isSameOrigin(origin, request.headers.host, encrypted);
}

/**
 * Checks a list of allowed origins.
 *
 * @throws TypeError for one that no browser would ever send
 */
export function checkOrigins(allowed: AllowedOrigins | undefined): void {
  if (allowed === undefined || typeof allowed === 'function') return;
  for (const origin of allowed) {
    if (!isOrigin(origin)) {
      throw new TypeError(
        `Expected \`origins\` to hold origins such as "https://app.example.com" (scheme, host and port, no path), got ${got(origin)}.`,
      );
    }
  }
}

const advice = new Advice('EXPRESS_CHANNELS_ORIGIN');

/** Tells the developer how a page is let in that was refused: in the browser it only sees that the socket fails. */
export function warnOfRefusal(origin: string | undefined, allowed: AllowedOrigins | undefined): void {
  // What a function refuses is refused on purpose.
  if (origin === undefined || typeof allowed === 'function') return;
  if (origin === 'null')
    advice.give(
      origin,
      'A page without an origin was refused a socket: a file that was opened in the browser, or a sandboxed frame. ' +
        "Serve it over HTTP, for instance by app.use(express.static('public')).",
    );
  // What is no origin can't be listed.
  else if (isOrigin(origin))
    advice.give(
      origin,
      `A page of ${origin} was refused a socket. To let its pages in: createChannels(app, { origins: [${got(origin)}] }).`,
    );
}

/** Whether a browser would send it as it stands. */
function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

function isSameOrigin(origin: string, host: string | undefined, encrypted: boolean): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const page = new URL(origin);
  const defaultPort = DEFAULT_PORTS.get(page.protocol);
  // An opaque origin ("null"), a page with another scheme, or trailing parts that no browser sends.
  if (defaultPort === undefined || page.origin !== origin) return false;
  if (encrypted && page.protocol !== 'https:') return false;
  if (!URL.canParse(`${page.protocol}//${host}`)) return false;
  return new URL(`${page.protocol}//${host}`).host === page.host;
}
