import { TextDecoder } from 'node:util';

import { isExpressJson } from '../http/application.js';
import type { Exchange } from '../http/exchange.js';
import { failure, type Outcome } from '../protocol/envelope.js';

/** Reads the JSON text that Express's `res.json` printed for an exchange. */
export type PrintedJson = () => string | undefined;

const JSON_TYPE = /^\s*(?:application|text)\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;
const TEXT_TYPE =
  /^(?:text\/.*|application\/(?:(?:x-)?(?:javascript|yaml|ndjson)|xml|x-www-form-urlencoded|graphql|[\w.-]+\+xml)|image\/svg\+xml)$/;

/**
 * Watches `res.json` of one response, so that the text that it prints can be embedded as it is: nobody parses it or prints it again.
 * It is an own property of the response, which calls whatever `json` the response would have had. Only Express's own is taken at its
 * word, and only if it hands its text to us: what another one prints, or a middleware makes of it, may be no JSON.
 */
export function watchJson({ res }: Exchange): PrintedJson {
  let printed: string | undefined;
  let inJson = false;
  const watchedSend = function (this: object, ...args: unknown[]): unknown {
    if (inJson && args.length === 1 && typeof args[0] === 'string') printed = args[0];
    inJson = false;
    return callInherited(this, 'send', args);
  };
  res.send = watchedSend;
  res.json = function (this: object, ...args: unknown[]): unknown {
    inJson = isExpressJson(Reflect.get(prototypeOf(res), 'json')) && res.send === watchedSend;
    return callInherited(this, 'json', args);
  };
  return () => printed;
}

function callInherited(res: object, name: 'json' | 'send', args: unknown[]): unknown {
  const method: unknown = Reflect.get(prototypeOf(res), name);
  if (typeof method !== 'function') throw new TypeError(`res.${name} is not a function`);
  return Reflect.apply(method, res, args);
}

/** The reply that a captured response becomes. */
export function replyOf(exchange: Exchange, printedJson: PrintedJson, exposeHeaders: readonly string[]): Outcome {
  const { status, statusMessage } = exchange.capture;
  const header = headersOf(exchange);
  const headers = exposed(status, header, exposeHeaders);
  const { text, encoding, isList } = readBody(exchange.capture, header, printedJson);
  if (status < 400) return { status, data: text, errors: '[]', encoding, headers };
  if (text === 'null') return { ...failure([statusMessage], status), headers };
  return { status, data: text, errors: isList ? text : `[${text}]`, encoding, headers };
}

interface BodyText {
  /** JSON text. */
  readonly text: string;
  readonly encoding?: 'base64';
  readonly isList: boolean;
}

const EMPTY: BodyText = { text: 'null', isList: false };

/** A header of a response; undefined if there is none. */
type HeaderOf = (name: string) => number | string | readonly string[] | undefined;

/** What was given to `writeHead` alone has left no trace in the response: then the captured headers are read. */
function headersOf(exchange: Exchange): HeaderOf {
  const { res } = exchange;
  if (res.getHeaderNames().length > 0) return (name) => res.getHeader(name);
  const headers = exchange.headers();
  return (name) => headers[name.toLowerCase()];
}

function readBody(capture: Exchange['capture'], header: HeaderOf, printedJson: PrintedJson): BodyText {
  if (capture.length === 0) return EMPTY;
  const declared = header('content-type');
  const encoded = header('content-encoding');
  if (encoded !== undefined && encoded !== 'identity') return bytes(capture.body());
  const isJsonType = typeof declared === 'string' && JSON_TYPE.test(declared);
  const printed = isJsonType ? printedJson() : undefined;
  if (printed !== undefined && isWhole(printed, capture)) return json(printed);
  const [type = '', charset] = contentType(declared);
  // A charset says that it is text, whatever the type.
  if (!isJsonType && type !== '' && charset === undefined && !TEXT_TYPE.test(type)) return bytes(capture.body());
  const text = capture.singleText() ?? decode(capture.body(), charset);
  if (text === undefined) return bytes(capture.body());
  // What says JSON and is none must not break the envelope.
  return isJsonType && isJson(text) ? json(text) : plain(text);
}

/** Whether nothing has changed the printed text on its way to the capture. */
function isWhole(printed: string, capture: Exchange['capture']): boolean {
  const single = capture.singleText();
  return single === undefined ? capture.body().equals(Buffer.from(printed)) : single === printed;
}

function prototypeOf(value: object): object {
  const prototype: unknown = Object.getPrototypeOf(value);
  return typeof prototype === 'object' && prototype !== null ? prototype : {};
}

function json(text: string): BodyText {
  return { text, isList: /^\s*\[/.test(text) };
}

function plain(text: string): BodyText {
  return { text: JSON.stringify(text), isList: false };
}

function bytes(body: Buffer): BodyText {
  return { text: JSON.stringify(body.toString('base64')), encoding: 'base64', isList: false };
}

function contentType(header: unknown): [type?: string, charset?: string] {
  if (typeof header !== 'string') return [];
  const [type = '', ...parameters] = header.split(';').map((part) => part.trim());
  const charset = parameters.find((parameter) => /^charset=/i.test(parameter))?.slice('charset='.length);
  return charset === undefined ? [type.toLowerCase()] : [type.toLowerCase(), charset.replaceAll('"', '')];
}

/** The text of bytes; undefined if they are none in this charset. */
function decode(body: Buffer, charset = 'utf-8'): string | undefined {
  try {
    return new TextDecoder(charset, { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return undefined;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function exposed(status: number, header: HeaderOf, names: readonly string[]): Outcome['headers'] {
  const told = new Map<string, string | readonly string[]>();
  for (const name of status >= 300 && status < 400 ? ['location', ...names] : names) {
    const value = header(name);
    if (value !== undefined) told.set(name.toLowerCase(), typeof value === 'number' ? String(value) : value);
  }
  return told.size === 0 ? undefined : Object.fromEntries(told);
}
