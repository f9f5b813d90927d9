import { setMaxListeners } from 'node:events';

import type { ConnectRequest } from '../auth/permissions.js';
import type { Scope } from '../auth/scope.js';
import { CloseCode } from '../protocol/close-code.js';
import { Consumer, type Conversation, type Frame, type Link } from '../consumers/consumer.js';
import { failure, formatEnvelope, isObject } from '../protocol/envelope.js';
import { NotFound, ParseError, PermissionDenied, toErrorReply } from '../protocol/errors.js';
import { got } from '../protocol/options.js';
import { Inbox } from './inbox.js';

/** Frames of one stream that wait, above which the socket waits with it. */
const MAX_QUEUED_FRAMES = 64;

/**
 * Several consumers on one socket: frames are `{"stream": name, "payload": frame}` both ways. The streams are independent of each other:
 * they do not wait for one another, and what goes wrong in one concerns that one alone. The handshake is accepted if one of them
 * accepts it.
 *
 * @throws TypeError for streams that are no consumers
 *
 * @example
 * channels.route('/ws', demultiplexer({ users: viewAsConsumer(usersRouter), chat: Chat }));
 */
export function demultiplexer(streams: Readonly<Record<string, Consumer>>): Consumer {
  if (!isObject(streams)) throw new TypeError(`Expected { stream: consumer } for demultiplexer(), got ${got(streams)}.`);
  const consumers = new Map(Object.entries(streams));
  if (consumers.size === 0) throw new TypeError('Expected at least one stream for demultiplexer().');
  for (const [name, consumer] of consumers) {
    if (!(consumer instanceof Consumer)) {
      throw new TypeError(`Expected stream "${name}" to be a consumer, got ${got(consumer)}.`);
    }
  }
  return new Demultiplexer(consumers);
}

class Demultiplexer extends Consumer {
  readonly #consumers: ReadonlyMap<string, Consumer>;
  /** Why streams refused a scope, by their names: that of a handshake, or of a login that was revalidated. */
  readonly #refusals = new WeakMap<Scope, ReadonlyMap<string, unknown>>();

  constructor(consumers: ReadonlyMap<string, Consumer>) {
    super();
    this.#consumers = consumers;
  }

  async admit(request: ConnectRequest): Promise<void> {
    const refusals = new Map<string, unknown>();
    for (const [name, consumer] of this.#consumers) {
      await consumer.admit(request).catch((error: unknown) => refusals.set(name, error));
    }
    const errors = [...refusals.values()];
    // A rule that failed has decided nothing: what it threw is told rather than that the others have refused.
    if (errors.length === this.#consumers.size) throw errors.find(isUnexpected) ?? errors[0];
    this.#refusals.set(request.scope, refusals);
  }

  open(link: Link): Conversation {
    const { scope } = link.login;
    const refusals = this.#refusals.get(scope) ?? new Map<string, unknown>();
    for (const error of refusals.values()) if (isUnexpected(error)) link.onError(error, { scope });
    const streams = new Map<string, Stream | null>();
    for (const [name, consumer] of this.#consumers) {
      streams.set(
        name,
        refusals.has(name) ? null : new Stream(name, consumer, link, () => this.#refuses(name, link.login.scope)),
      );
    }
    return new MultiplexedConversation(link, streams);
  }

  /** Whether a stream that was let in has refused a later scope of the connection. */
  #refuses(name: string, scope: Scope): boolean {
    const refusal = this.#refusals.get(scope)?.get(name);
    return refusal !== undefined && !isUnexpected(refusal);
  }
}

/** One consumer of a demultiplexer on one socket. */
class Stream {
  readonly inbox = new Inbox();
  readonly conversation: Conversation;
  readonly #abort = new AbortController();
  readonly #isRefused: () => boolean;
  #closed: Promise<void> | undefined;

  constructor(name: string, consumer: Consumer, link: Link, isRefused: () => boolean) {
    this.#isRefused = isRefused;
    const signal = AbortSignal.any([link.signal, this.#abort.signal]);
    // As many actions may listen to it as to that of a socket.
    setMaxListeners(Infinity, signal);
    this.conversation = consumer.open({
      ...link,
      signal,
      send: (frame) => {
        if (!this.closed) link.send(typeof frame === 'string' ? inStream(name, frame) : frame);
      },
      close: (code) => {
        void this.close(code);
      },
      enqueue: (task) => {
        // What is lost is lost for the client: the whole connection goes, so that it learns of it.
        if (this.inbox.size >= link.maxQueuedEvents) link.close(CloseCode.tooSlow);
        else this.inbox.push(task);
      },
    });
  }

  /** Whether the stream has gone: closed by its consumer, or refused since the login was revalidated. */
  get closed(): boolean {
    if (this.#closed === undefined && this.#isRefused()) void this.close(CloseCode.refused);
    return this.#closed !== undefined;
  }

  /** @returns when the consumer has taken leave of it */
  close(code: number): Promise<void> {
    this.#closed ??= this.#leave(code);
    return this.#closed;
  }

  async #leave(code: number): Promise<void> {
    this.inbox.close();
    // The consumer may close its stream while it is being opened, and hears of it when that is done.
    await Promise.resolve();
    this.#abort.abort(new Error('The stream has closed.'));
    await this.conversation.closed(code);
  }
}

class MultiplexedConversation implements Conversation {
  readonly #link: Link;
  /** By name; null for one that refused the handshake. */
  readonly #streams: ReadonlyMap<string, Stream | null>;

  constructor(link: Link, streams: ReadonlyMap<string, Stream | null>) {
    this.#link = link;
    this.#streams = streams;
  }

  async receive({ stream: name, payload }: Frame): Promise<void> {
    if (typeof name !== 'string') {
      this.#refuse(null, payload, new ParseError('Expected `stream` to name a stream.'));
      return;
    }
    const stream = this.#streams.get(name);
    if (stream === undefined) this.#refuse(name, payload, new NotFound(`There is no stream "${name}".`));
    else if (!isObject(payload)) this.#refuse(name, payload, new ParseError('Expected `payload` to be an object.'));
    else if (stream === null) this.#refuse(name, payload, new PermissionDenied());
    else if (stream.closed) this.#refuse(name, payload, new NotFound(`The stream "${name}" has closed.`));
    else {
      stream.inbox.push(() => stream.conversation.receive(payload));
      if (stream.inbox.size >= MAX_QUEUED_FRAMES) await stream.inbox.idle();
    }
  }

  malformed(error: unknown): void {
    this.#refuse(null, undefined, error);
  }

  async idle(): Promise<void> {
    const open = this.#existing().filter((stream) => !stream.closed);
    await Promise.all(open.map((stream) => stream.inbox.idle().then(() => stream.conversation.idle())));
  }

  async closed(code: number): Promise<void> {
    await Promise.all(this.#existing().map((stream) => stream.close(code)));
  }

  #existing(): readonly Stream[] {
    return [...this.#streams.values()].filter((stream) => stream !== null);
  }

  /** Answers what can't be delivered, under the stream that it names. */
  #refuse(name: string | null, payload: unknown, error: unknown): void {
    const { action, request_id: requestId = null } = isObject(payload) ? payload : {};
    const { status, errors } = toErrorReply(error);
    const envelope = formatEnvelope(typeof action === 'string' ? action : null, requestId, failure(errors, status));
    this.#link.send(inStream(name, envelope));
  }
}

function isUnexpected(error: unknown): boolean {
  return toErrorReply(error).unexpected;
}

function inStream(name: string | null, envelope: string): string {
  return `{"stream":${JSON.stringify(name)},"payload":${envelope}}`;
}
