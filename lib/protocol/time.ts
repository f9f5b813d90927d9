/** The longest delay of Node's timers, in milliseconds; with more, they fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Bounds what may take for ever.
 *
 * @throws what `late` makes, when the work has not settled in time
 */
export async function within<Result>(timeoutMs: number, work: Promise<Result>, late: () => Error): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      // After our own event loop was blocked, the answer may wait to be read: it is read before this runs.
      setImmediate(() => {
        reject(late());
      });
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves after some time, or at once when the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    signal.addEventListener('abort', over);
    if (signal.aborted) over();
  });
}
