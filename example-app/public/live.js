/** Milliseconds after which a server that does not answer counts as gone. */
const answerMs = 10_000;
const firstWaitMs = 500;
const longestWaitMs = 15_000;

/** Close codes after which connecting again would change nothing: docs/PROTOCOL.md. */
const finalCodes = new Map([
  [4401, 'signed out'],
  [4403, 'refused'],
]);

/** Why a request has no data. Its `reason` is `refused` (it has a `status` and `errors` then), `not sent` or `unanswered`. */
export class RequestError extends Error {
  constructor(reason, message, { status, errors = [] } = {}) {
    super(message);
    Object.assign(this, { reason, status, errors });
  }
}

/**
 * One socket, for as long as the page is open: a promise for each request, subscriptions that are made again after each reconnect, and an
 * event `state` whenever `state` has changed:
 *
 * `{ name: 'connecting' | 'open' | 'offline' }`, `{ name: 'waiting', until }` or `{ name: 'ended', why }`
 */
export class Live extends EventTarget {
  state = { name: 'connecting' };
  #url;
  #socket;
  #timer;
  #failures = 0;
  #lastId = 0;
  /** By request_id. */
  #requests = new Map();
  #subscriptions = new Map();

  constructor(path) {
    super();
    this.#url = new URL(path, location.href);
    this.#url.protocol = this.#url.protocol.replace('http', 'ws');
    addEventListener('online', () => this.connect());
    addEventListener('offline', () => this.#drop({ name: 'offline' }));
    // Timers of a page in the background are late.
    document.addEventListener('visibilitychange', () => !document.hidden && this.connect());
    this.connect();
  }

  /** Connects now, if it is not connected: nobody has to wait for the next attempt. */
  connect() {
    if (this.#socket !== undefined || this.state.name === 'ended') return;
    clearTimeout(this.#timer);
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    const whileCurrent = (handle) => (event) => this.#socket === socket && handle(event);
    socket.addEventListener(
      'open',
      whileCurrent(() => this.#opened()),
    );
    socket.addEventListener(
      'message',
      whileCurrent(({ data }) => this.#receive(JSON.parse(data).payload)),
    );
    socket.addEventListener(
      'close',
      whileCurrent(({ code }) => this.#closed(code)),
    );
    this.#setState({ name: 'connecting' });
  }

  /** The data of the answer. Rejects with a {@link RequestError}. */
  request(stream, action, args = {}) {
    if (this.state.name !== 'open') return Promise.reject(new RequestError('not sent', 'There is no connection to the server.'));
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#closed(), answerMs);
      this.#requests.set(id, { resolve, reject, timer });
      this.#send(stream, { ...args, action, request_id: id });
    });
  }

  /**
   * Subscribes by an action now, and again after each reconnect and each loss of events.
   *
   * - `ready(data)`: the answer of the action; what is read from now on misses nothing
   * - `snapshot(rows)`: the present state, in place of all that was known
   * - `change(action, row)`: create, update or delete
   * - `refused(error)`: the subscription has ended
   *
   * Returns a function that ends it, by another action.
   */
  subscribe(stream, action, args, handlers) {
    this.#lastId += 1;
    const id = this.#lastId;
    const subscription = { stream, frame: { ...args, action, request_id: id }, handlers };
    this.#subscriptions.set(id, subscription);
    if (this.state.name === 'open') this.#send(stream, subscription.frame);
    return (ending) => {
      this.#subscriptions.delete(id);
      if (this.state.name === 'open') this.#send(stream, { ...subscription.frame, action: ending });
    };
  }

  #send(stream, payload) {
    this.#socket.send(JSON.stringify({ stream, payload }));
  }

  #opened() {
    this.#setState({ name: 'open' });
    for (const { stream, frame } of this.#subscriptions.values()) this.#send(stream, frame);
  }

  #receive({ request_id: id, action, response_status: status, data, errors }) {
    // A server that takes connections but answers nothing is no success.
    this.#failures = 0;
    if (status === 401) {
      this.#drop({ name: 'ended', why: 'signed out' });
      return;
    }
    const refusal = status >= 400 ? new RequestError('refused', textOf(errors), { status, errors }) : undefined;
    this.#settle(id, data, refusal);
    const subscription = this.#subscriptions.get(id);
    if (subscription !== undefined) this.#tell(id, subscription, action, data, refusal);
  }

  #settle(id, data, refusal) {
    const request = this.#requests.get(id);
    if (request === undefined) return;
    this.#requests.delete(id);
    clearTimeout(request.timer);
    if (refusal === undefined) request.resolve(data);
    else request.reject(refusal);
  }

  #tell(id, { stream, frame, handlers }, action, data, refusal) {
    if (refusal !== undefined) {
      this.#subscriptions.delete(id);
      handlers.refused?.(refusal);
      return;
    }
    // Subscribing again begins anew with the present state.
    if (action === 'resync') this.#send(stream, frame);
    else if (action === 'snapshot') handlers.snapshot?.(data);
    else if (action === frame.action) handlers.ready?.(data);
    else handlers.change?.(action, data);
  }

  #closed(code) {
    if (finalCodes.has(code)) {
      this.#drop({ name: 'ended', why: finalCodes.get(code) });
      return;
    }
    // Twice as long each time, and not everybody at the same moment.
    const waitMs = Math.min(firstWaitMs * 2 ** this.#failures, longestWaitMs) * (0.5 + Math.random() / 2);
    this.#failures += 1;
    this.#drop({ name: 'waiting', until: Date.now() + waitMs });
    this.#timer = setTimeout(() => this.connect(), waitMs);
  }

  #drop(state) {
    if (this.state.name === 'ended') return;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#socket = undefined;
    this.#setState(state);
    for (const { reject, timer } of this.#requests.values()) {
      clearTimeout(timer);
      reject(new RequestError('unanswered', 'The connection was lost before the server answered.'));
    }
    this.#requests.clear();
  }

  #setState(state) {
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }
}

/** The errors of a reply as one text: texts, and objects of texts by field. */
function textOf(errors) {
  return errors
    .flatMap((error) => (typeof error === 'string' ? error : Object.values(error)))
    .flat()
    .join(' ');
}
