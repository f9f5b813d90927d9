import type { Socket } from 'node:net';

import type { Application } from './application.js';
import { NodeRequest, NodeResponse } from './node-messages.js';

/** Makes the requests and responses of one application. */
export interface ExpressMessages {
  readonly Request: new (socket: Socket, method: string, url: string, headerLines: string[]) => NodeRequest;
  /** Its requests keep their method, whatever a middleware writes there. */
  readonly FixedRequest: ExpressMessages['Request'];
  readonly Response: new (req: NodeRequest) => NodeResponse;
}

const known = new WeakMap<Application, ExpressMessages>();

/**
 * The messages of an application, which have its `req.*` and `res.*` from birth. Express gives each message its prototype when it has
 * been made already; V8 then makes a new hidden class for every property that is added to it, for each message again, and whatever
 * reads it misses its inline caches. So here the prototype comes first, and the properties that Express adds to every message come
 * before Express can touch the prototype: that makes routing several times faster.
 */
export function messagesOf(app: Application): ExpressMessages {
  let messages = known.get(app);
  if (messages === undefined) {
    messages = define(app);
    known.set(app, messages);
  }
  return messages;
}

function define(app: Application): ExpressMessages {
  class Request extends ExpressRequest {}
  class FixedRequest extends FixedExpressRequest {}
  class Response extends ExpressResponse {}
  for (const { prototype } of [Request, FixedRequest]) Object.setPrototypeOf(prototype, app.request);
  Object.setPrototypeOf(Response.prototype, app.response);
  // Node's constructor writes `method`; an accessor could not take the place of that later without making the request a slow object.
  Object.defineProperty(FixedRequest.prototype, 'method', FixedExpressRequest.method);
  return { Request, FixedRequest, Response };
}

class ExpressRequest extends NodeRequest {
  constructor(socket: Socket, method: string, url: string, headerLines: string[]) {
    super(socket, method, url, headerLines);
    this.originalUrl = undefined;
    this.baseUrl = undefined;
    this.params = undefined;
    this.res = undefined;
    this.next = undefined;
    this.route = undefined;
    this._parsedUrl = undefined;
  }
}

class FixedExpressRequest extends ExpressRequest {
  readonly #method: string;

  static readonly method: PropertyDescriptor = {
    configurable: true,
    enumerable: true,
    get(this: FixedExpressRequest) {
      return this.#method;
    },
    set() {
      // What a method override asks for is left unheard.
    },
  };

  constructor(socket: Socket, method: string, url: string, headerLines: string[]) {
    super(socket, method, url, headerLines);
    this.#method = method;
    // Its own as well: a mounted application puts another prototype under the request.
    Object.defineProperty(this, 'method', FixedExpressRequest.method);
  }
}

class ExpressResponse extends NodeResponse {
  constructor(req: NodeRequest) {
    super(req);
    this.statusCode = 200;
    undecide(this);
    this.locals = undefined;
  }
}

/** Node's types know no response without a message; until its head is decided, it has none. */
function undecide(response: { statusMessage?: string | undefined }): void {
  response.statusMessage = undefined;
}
