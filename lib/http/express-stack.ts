import { types } from 'node:util';

/** One entry of an Express router's stack, version 4 or 5. */
export interface Layer {
  readonly name: string;
  /** Express 4 answers with a boolean and leaves the matched part at `path`; Express 5 with `router` 2.3 answers with the match. */
  match(path: string): boolean | { readonly path: string } | undefined;
  readonly path?: string;
  readonly handle: unknown;
  readonly route?: { readonly path: unknown; readonly methods: Readonly<Record<string, unknown>> } | undefined;
  /** Express 5 with `router` 2.3: the path as it was given. */
  readonly rawPath?: unknown;
  /** Express 5: mounted at the root. */
  readonly slash?: unknown;
  /** Express 4. */
  readonly regexp?: unknown;
  readonly keys: readonly { readonly name: string | number }[];
}

/** What a layer matched of a path; undefined if it does not match. */
export function matchedPrefix(layer: Layer, path: string): string | undefined {
  const match = matchOf(layer, path);
  if (!match) return undefined;
  return typeof match === 'object' ? match.path : layer.path;
}

/** The stack of a router or application; undefined if the handler has none that can be seen. */
export function stackOf(handler: unknown): readonly Layer[] | undefined {
  if (typeof handler !== 'function') return undefined;
  if ('stack' in handler) return layersOf(handler.stack);
  // Express 4 keeps its router here and throws when asked for `app.router`.
  const router: unknown = 'lazyrouter' in handler ? Reflect.get(handler, '_router') : Reflect.get(handler, 'router');
  if ('lazyrouter' in handler && router === undefined) return [];
  return typeof router === 'function' && 'stack' in router ? layersOf(router.stack) : undefined;
}

/** Whether Express tells what a layer is mounted under, be it a path or an expression. Express 5.0 to 5.2 does not. */
export function tellsPath({ rawPath, regexp }: Layer): boolean {
  return rawPath !== undefined || regexp !== undefined;
}

/** The paths under which a layer is mounted, `''` for the root; undefined where Express does not tell, or they are no texts. */
export function mountPaths(layer: Layer): readonly string[] | undefined {
  if (layer.slash === true) return [''];
  if (types.isRegExp(layer.regexp)) {
    const path = pathOfRegexp(layer.regexp, layer.keys);
    return path === undefined ? undefined : [path];
  }
  const paths: readonly unknown[] = [layer.rawPath].flat(Infinity);
  return paths.every((path) => typeof path === 'string') ? paths.map(asPrefix) : undefined;
}

function matchOf(layer: Layer, path: string): ReturnType<Layer['match']> {
  try {
    return layer.match(path);
  } catch {
    // A path that can't be decoded matches nothing; Express answers it with 400.
    return undefined;
  }
}

function layersOf(stack: unknown): readonly Layer[] | undefined {
  return Array.isArray(stack) && stack.every(isLayer) ? stack : undefined;
}

function isLayer(value: unknown): value is Layer {
  return (
    typeof value === 'object' && value !== null && 'match' in value && typeof value.match === 'function' && 'handle' in value
  );
}

/** What is mounted under a wildcard takes every path, as at the root. */
function asPrefix(path: string): string {
  return /^\/?\{?\/?\*\w*\}?$/.test(path) ? '' : path.replace(/\/+$/, '');
}

/** Turns the expression that Express 4 compiles a mount path to back into that path. */
function pathOfRegexp(
  regexp: RegExp & { readonly fast_slash?: unknown; readonly fast_star?: unknown },
  keys: Layer['keys'],
): string | undefined {
  if (regexp.fast_slash === true || regexp.fast_star === true) return '';
  const body = /^\^(.*)\\\/\?\(\?=\\\/\|\$\)$/.exec(regexp.source)?.[1];
  if (body === undefined) return undefined;
  let next = 0;
  const path = body.replaceAll('(?:\\/([^/]+?))', () => {
    next += 1;
    return `/:${String(keys[next - 1]?.name)}`;
  });
  if (next !== keys.length || /[()[\]*+?|^$]/.test(path.replace(/\\./g, ''))) return undefined;
  return path.replace(/\\(.)/g, '$1');
}
