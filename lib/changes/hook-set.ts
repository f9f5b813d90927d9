import type { SequelizeHooks } from 'sequelize/types/hooks';

/** Hooks of a model or of a whole database, each under its name. */
export type HookSet = Partial<SequelizeHooks>;

/** A model, or a whole database. */
interface Target {
  addHook(type: string, name: string, hook: HookSet[keyof HookSet]): unknown;
  removeHook(type: string, name: string): unknown;
  hasHook(type: string): boolean;
}

let added = 0;

/** Adds hooks beside those of the application. The function that is returned leaves no trace of them. */
export function addHooks(target: Target, hooks: HookSet): () => void {
  added += 1;
  const name = `express-channels ${added}`;
  let type: keyof HookSet;
  const removals: (() => void)[] = [];
  for (type in hooks) removals.push(addHook(target, type, name, hooks));
  return () => {
    for (const remove of removals) remove();
  };
}

function addHook(target: Target, type: keyof HookSet, name: string, hooks: HookSet): () => void {
  const registry = registryOf(target);
  const hook = hooks[type];
  if (hook !== undefined) target.addHook(type, name, hook);
  if (type.startsWith('after')) moveToFront(Reflect.get(registry, type));
  return () => {
    target.removeHook(type, name);
    // Sequelize leaves an empty list.
    if (!target.hasHook(type)) Reflect.deleteProperty(registry, type);
  };
}

/** What is done is noted before hooks of the application hear of it: these may throw, or write the same rows again. */
function moveToFront(hooks: unknown): void {
  if (Array.isArray(hooks)) hooks.unshift(hooks.pop());
}

function registryOf(target: Target): object {
  const options: unknown = Reflect.get(target, 'options');
  const hooks: unknown = typeof options === 'object' && options !== null && 'hooks' in options ? options.hooks : undefined;
  if (typeof hooks !== 'object' || hooks === null)
    throw new TypeError('Expected a model or a Sequelize, got something without hooks.');
  return hooks;
}
