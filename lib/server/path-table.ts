import express from 'express';

import type { Consumer } from '../consumers/consumer.js';
import { perform } from '../http/dispatch.js';
import { toError } from '../protocol/errors.js';
import { got } from '../protocol/options.js';

/** A consumer and the parameters of the path that led to it. */
export interface RoutedConsumer {
  readonly consumer: Consumer;
  readonly params: Readonly<Record<string, string>>;
}

/** Which consumer answers under which path. Express matches the paths, so they mean here what they mean there. */
export class PathTable {
  readonly #router = express.Router();
  readonly #found = new WeakMap<object, RoutedConsumer>();

  /** @throws TypeError for a path that Express can't read */
  add(path: string, consumer: Consumer): void {
    try {
      this.#router.get(path, (req, res) => {
        this.#found.set(req, { consumer, params: textParams(req.params) });
        res.end();
      });
    } catch (cause) {
      throw new TypeError(`Expected a path that Express can read for route(), got ${got(path)}: ${toError(cause).message}`, {
        cause,
      });
    }
  }

  /** The consumer for the url of a handshake; undefined if there is none. */
  async find(url: string): Promise<RoutedConsumer | undefined> {
    const request = { method: 'GET', url, headerLines: [], peer: {} };
    const { req } = await perform(this.#router, request, {
      timeoutMs: Infinity,
      maxResponseBytes: Infinity,
      // An error is a path that can't be decoded: there is no consumer for it either.
      next: ({ res }) => res.end(),
    });
    return this.#found.get(req);
  }
}

/** Express 5 gives a wildcard's segments as a list. */
function textParams(params: Readonly<Record<string, string | readonly string[]>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, typeof value === 'string' ? value : value.join('/')]),
  );
}
