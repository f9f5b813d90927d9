import type { Sequelize } from 'sequelize';
import type { SequelizeHooks } from 'sequelize/types/hooks';

import { isObject } from '../protocol/envelope.js';

/** Hooks of a whole database, each under its name. */
export type HookSet = Partial<SequelizeHooks>;

/**
 * Adds hooks beside those of the application. They have no names: Sequelize cannot copy options in which hooks have some. The function
 * that is returned leaves no trace of them.
 */
export function addHooks(target: Sequelize, hooks: HookSet): () => void {
  const types = Object.keys(hooks).filter((type): type is keyof HookSet => type in hooks);
  for (const type of types) call(target, 'addHook', type, hooks[type]);
  return () => {
    for (const type of types) {
      call(target, 'removeHook', type, hooks[type]);
      // Sequelize leaves an empty list.
      if (!target.hasHook(type)) Reflect.deleteProperty(hooksOf(target), type);
    }
  };
}

/** Its types know hooks to be removed by their names alone. */
function call(target: Sequelize, method: 'addHook' | 'removeHook', type: string, hook: unknown): void {
  const called: unknown = Reflect.get(target, method);
  if (typeof called === 'function') Reflect.apply(called, target, [type, hook]);
}

function hooksOf(target: Sequelize): object {
  const options: unknown = Reflect.get(target, 'options');
  const hooks = isObject(options) ? options['hooks'] : undefined;
  return isObject(hooks) ? hooks : {};
}
