/** Deeper than any user is. */
const MAX_DEPTH = 16;

/** Whether a class has private fields: its methods work on none but the instances that it has made itself. */
const hasPrivateFields = new WeakMap<object, boolean>();

/**
 * A copy of what a login has found out, for one action: what the action writes on it ends with the action, as over HTTP. Data is copied
 * in depth, and so are instances of classes, which keep their prototype. Functions, instances with private fields, and what other classes
 * keep for themselves (under names with `_` or `$`) stay the same.
 *
 * @param value - a user, or whatever else a login middleware has left
 */
export function ownCopy(value: unknown): unknown {
  return copied(value, new Map(), 0);
}

function copied(value: unknown, seen: Map<object, unknown>, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value;
  const known = seen.get(value);
  if (known !== undefined) return known;
  const copy = emptyCopy(value);
  if (copy === undefined) return value;
  seen.set(value, copy);
  const inside = (part: unknown): unknown => copied(part, seen, depth + 1);
  if (value instanceof Map && copy instanceof Map) for (const [key, part] of value) copy.set(inside(key), inside(part));
  if (value instanceof Set && copy instanceof Set) for (const part of value) copy.add(inside(part));
  for (const key of Reflect.ownKeys(value)) {
    const descriptor = Reflect.getOwnPropertyDescriptor(value, key);
    if (descriptor === undefined || (Array.isArray(copy) && key === 'length')) continue;
    // What a class keeps for itself may lead anywhere; its plain data is copied all the same.
    const part: unknown = descriptor.value;
    const isCopied = 'value' in descriptor && (!isInternal(key) || isPlain(part));
    Object.defineProperty(copy, key, isCopied ? { ...descriptor, value: inside(part) } : descriptor);
  }
  return copy;
}

/** What the copy begins as; undefined for what stays the same. */
function emptyCopy(value: object): object | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value)) return prototype === Array.prototype ? new Array(value.length) : undefined;
  if (value instanceof Date) return new Date(value);
  if (value instanceof Map) return new Map();
  if (value instanceof Set) return new Set();
  if (prototype === null) return withPrototype(null);
  if (typeof prototype !== 'object') return undefined;
  return prototype === Object.prototype || isOfData(value, prototype) ? withPrototype(prototype) : undefined;
}

function withPrototype(prototype: object | null): object {
  const copy: unknown = Object.create(prototype);
  return typeof copy === 'object' && copy !== null ? copy : {};
}

/** Whether an instance is data that a class describes: not one of Node's or JavaScript's own, and nothing that emits or streams. */
function isOfData(value: object, prototype: object): boolean {
  if (ArrayBuffer.isView(value) || Object.prototype.toString.call(value) !== '[object Object]') return false;
  if ('on' in value || 'then' in value || 'pipe' in value) return false;
  return !mayHavePrivateFields(prototype);
}

function mayHavePrivateFields(prototype: object): boolean {
  const known = hasPrivateFields.get(prototype);
  if (known !== undefined) return known;
  const parent: unknown = Object.getPrototypeOf(prototype);
  const inherited = typeof parent === 'object' && parent !== null && parent !== Object.prototype && mayHavePrivateFields(parent);
  const has = inherited || /\.#[\w$]/.test(sourceOf(prototype));
  hasPrivateFields.set(prototype, has);
  return has;
}

function sourceOf(prototype: object): string {
  const type: unknown = Reflect.get(prototype, 'constructor');
  return typeof type === 'function' ? Function.prototype.toString.call(type) : '';
}

function isInternal(key: PropertyKey): boolean {
  return typeof key === 'symbol' || /^[_$]/.test(String(key));
}

function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
