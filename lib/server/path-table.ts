import express from 'express';

import type { Consumer } from '../consumers/consumer.js';
import { perform } from '../http/dispatch.js';
import { Advice } from '../protocol/advice.js';
import { toError } from '../protocol/errors.js';
import { got } from '../protocol/options.js';

/** A consumer and the parameters of the path that led to it. */
export interface RoutedConsumer {
  readonly consumer: Consumer;
  readonly params: Readonly<Record<string, string>>;
}

/** How many paths a message shows. */
const MAX_SHOWN = 8;

/** Which consumer answers under which path. Express matches the paths, so they mean here what they mean there. */
export class PathTable {
  readonly #router = express.Router();
  readonly #paths = new Set<string>();
  readonly #advice = new Advice('EXPRESS_CHANNELS_PATH');
  readonly #found = new WeakMap<object, RoutedConsumer>();

  /** @throws TypeError for a path that Express can't read, or that has a consumer already */
  add(path: string, consumer: Consumer): void {
    if (this.#paths.has(path))
      throw new TypeError(
        `Expected one consumer for ${path}, got a second one: give it another path, or combine the two by demultiplexer().`,
      );
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
    this.#paths.add(path);
  }

  /** Tells the developer which paths there are: in the browser a page only sees that the socket fails. */
  adviseOf(url: string): void {
    const path = url.split('?', 1)[0] ?? '';
    const paths = [...this.#paths];
    const some = paths.length > MAX_SHOWN ? [...paths.slice(0, MAX_SHOWN), '…'] : paths;
    const there = some.length === 0 ? 'There are none yet: call channels.route().' : `There are: ${some.join(', ')}.`;
    this.#advice.give(path, `A socket for ${got(path)} was refused, because route() was given no such path. ${there}`);
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
