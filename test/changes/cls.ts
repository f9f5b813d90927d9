import { AsyncLocalStorage } from 'node:async_hooks';
import { Sequelize } from 'sequelize';

const storage = new AsyncLocalStorage<Map<string, unknown>>();

/** Sequelize's own way of passing transactions on, over what Node has for it. */
export function useCls(): void {
  Sequelize.useCLS({
    bind: (callback: (...args: unknown[]) => unknown) => callback,
    run: (callback: (context: unknown) => unknown) => storage.run(new Map(storage.getStore()), () => callback(undefined)),
    get: (key: string) => storage.getStore()?.get(key),
    set: (key: string, value: unknown) => storage.getStore()?.set(key, value),
  });
}
