import { AsyncResource } from 'node:async_hooks';

const start = new AsyncResource('express-channels');

/**
 * Runs work in none of the asynchronous contexts of the application. What becomes of a write concerns others than its writer, and
 * must not run with the user, or within the transaction, that the application keeps there.
 */
export function runDetached<Result>(work: () => Result): Result {
  return start.runInAsyncScope(work);
}
