import { setTimeout as wait } from 'node:timers/promises';

import type { Model } from 'sequelize';

import { checkKeys, unexpected } from '../protocol/options.js';
import type { ActionContext } from '../observers/consumer-context.js';
import { type Action, action, type ActionArguments, ANSWERED, reply } from './action.js';
import type { ModelContext } from './model-context.js';

/** Options of {@link streamedList}. */
export interface StreamedListOptions {
  /** Milliseconds before each page, the first one included. @default 0 */
  readonly pauseMs?: number;
}

/**
 * A `list` for a model consumer that sends all pages by itself, a frame a page, and `list_cancel`, which ends all lists that the
 * connection has running. The next page is read when the network has taken the one before, so that no more than one is in memory,
 * however slowly a client reads. Other actions go on meanwhile.
 *
 * @throws TypeError for options that can't be meant
 *
 * @example
 * modelConsumer(Post, { serializer: PostSerializer, actions: streamedList(), pagination: limitOffset({ limit: 100 }) });
 */
export function streamedList(options: StreamedListOptions = {}): {
  readonly list: Action<ModelContext<Model>>;
  readonly list_cancel: Action;
} {
  checkKeys('streamedList()', options, ['pauseMs']);
  const { pauseMs = 0 } = options;
  if (!Number.isFinite(pauseMs) || pauseMs < 0) throw unexpected('`pauseMs`', 'a number of milliseconds', pauseMs);
  /** What ends the lists that run, by the connection; each has one signal. */
  const running = new WeakMap<AbortSignal, Set<AbortController>>();

  const list = action(
    async (ctx: ModelContext<Model>, args) => {
      const cancel = new AbortController();
      const lists = running.get(ctx.signal) ?? new Set();
      running.set(ctx.signal, lists.add(cancel));
      try {
        await stream(ctx, args, pauseMs, AbortSignal.any([ctx.signal, cancel.signal]));
      } catch (error) {
        // A query that was under way may fail when the socket goes; nobody asks for its rows any more.
        if (!cancel.signal.aborted) throw error;
      } finally {
        lists.delete(cancel);
      }
      return ANSWERED;
    },
    { detached: true },
  );

  const cancelAll = action((ctx: ActionContext) => {
    for (const cancel of running.get(ctx.signal) ?? []) cancel.abort();
    return reply(null);
  });

  return { list, list_cancel: cancelAll };
}

async function stream(ctx: ModelContext<Model>, args: ActionArguments, pauseMs: number, over: AbortSignal): Promise<void> {
  const pages = ctx.pages(args);
  try {
    for (;;) {
      if (pauseMs > 0) await wait(pauseMs, undefined, { signal: over });
      over.throwIfAborted();
      const { done, value: page } = await pages.next();
      over.throwIfAborted();
      if (done === true) return;
      ctx.reply(page);
      await ctx.drained();
    }
  } finally {
    await pages.return();
  }
}
