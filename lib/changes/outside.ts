import { AsyncResource } from 'node:async_hooks';

const start = new AsyncResource('express-channels');

/**
 * Does something in none of the asynchronous contexts of the application. What becomes of a write concerns others than who has written,
 * and must not be asked or shown with the user, or within the transaction, that the application keeps there.
 */
export function outside<Result>(work: () => Result): Result {
  return start.runInAsyncScope(work);
}
