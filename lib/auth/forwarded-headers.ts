import { headersOf } from '../http/header-lines.js';
import { got } from '../protocol/options.js';

/**
 * Headers of the handshake that travel with the socket's actions: who asks and by which way. Whatever would change what runs stays
 * behind (method overrides, conditions, ranges, length, type and encoding of a body), and a frame sets no header at all.
 */
const FORWARDED = new Set([
  'accept-language',
  'authorization',
  'cookie',
  'forwarded',
  'host',
  'origin',
  'referer',
  'traceparent',
  'tracestate',
  'user-agent',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
  'x-request-id',
]);

/** Never forwarded, whoever asks for it. */
const NEVER =
  /^(?:accept-encoding|connection|content-.*|expect|if-.*|keep-alive|range|sec-websocket-.*|te|trailer|transfer-encoding|upgrade|x-http-method(?:-override)?|x-method-override)$/;

/**
 * Header lines for the requests of a socket's actions.
 *
 * @param more - names of further headers that travel
 */
export function forwardedHeaders(handshake: readonly string[], more: readonly string[]): readonly string[] {
  const names = new Set([...FORWARDED, ...more.map((name) => name.toLowerCase())]);
  return headersOf(handshake)
    .filter(([name]) => names.has(name.toLowerCase()))
    .flat();
}

/** @throws TypeError for a header that must not travel */
export function checkForwardedHeaders(names: readonly string[]): void {
  for (const name of names) {
    if (NEVER.test(name.toLowerCase())) {
      throw new TypeError(`Expected \`forwardHeaders\` to leave out what changes how a request is run, got ${got(name)}.`);
    }
  }
}
