import { type Layer, matchedPrefix, mountPaths, stackOf, tellsPath } from './express-stack.js';
import type { Handler } from './handler.js';
import { type PathPart, readTemplates, type RouteTemplate, writePath } from './route-template.js';

/** A route as it stands in a router: one path, the methods it answers, and the layers that lead to it. */
export interface Route extends Entry {
  /** Full path as it was declared, mounted routers included; a second parameter of one name is numbered, so that both can be given. */
  readonly path: string;
}

/** One way to address a route of a router. */
export interface Target {
  readonly method: string;
  readonly path: string;
  readonly template: RouteTemplate;
  /** What is to answer; undefined where the router can't be looked into. */
  readonly entry: Entry | undefined;
  /** What Express tries before it, and what some values would lead to: `GET /archived` before `GET /:id`. */
  readonly rivals: readonly Entry[];
}

/** A part of a router that may answer a request. */
export interface Entry {
  /** A route; a route of a regular expression; an application, which can't be looked into; a function mounted under a path. */
  readonly kind: 'route' | 'pattern' | 'application' | 'handler' | 'middleware';
  /** Undefined for a regular expression, and where Express does not tell under which path a router is mounted. */
  readonly path: string | undefined;
  /** Those that have handlers of their own, in upper case. */
  readonly methods: readonly string[];
  /** Whether it has handlers for all methods. */
  readonly anyMethod: boolean;
  readonly layers: readonly Layer[];
}

// Stand for all values when two routes are compared: no static segment, nor a pattern for anything in particular, takes all of them.
const ANY_VALUES = ['any-value-7f3a', '1', 'Ω ~'];

/** The routes of a Router or application, in the order in which Express tries them. */
export class RouteMap {
  readonly routes: readonly Route[];
  readonly #entries: readonly Entry[];
  /** Whether there is anything to look into. */
  readonly #readable: boolean;

  constructor(handler: Handler) {
    const stack = stackOf(handler);
    this.#entries = stack === undefined ? [] : collect(stack, '', []);
    this.#readable = stack !== undefined;
    this.routes = this.#entries.filter(isRoute);
  }

  /** All targets that answer a method. */
  targets(method: string): readonly Target[] {
    return this.routes
      .filter((route) => answers(route, method))
      .flatMap((route) =>
        (readTemplates(route.path) ?? []).map((template) => this.#toTarget(method, route.path, template, route)),
      );
  }

  /**
   * The target that a template such as `/:id/comments` names: a route whose path is the same, or one that the template's path leads to
   * in a part whose path or inside is not known.
   *
   * @throws TypeError for a template that can't be read, or that no route answers; the message lists the routes there are
   */
  target(method: string, path: string): readonly Target[] {
    const templates = readTemplates(path);
    if (templates === undefined) throw new TypeError(`Expected a path such as "/:id/comments", got ${JSON.stringify(path)}.`);
    const named = this.routes.find((route) => answers(route, method) && isSamePath(route.path, path));
    const others = this.#entries.filter((entry) => !isRoute(entry) && entry.kind !== 'middleware' && answers(entry, method));
    const uncertain = !this.#readable || others.some((entry) => entry.path === undefined);
    return templates.map((template) => {
      const usual = usualPaths(template);
      const entry = named ?? others.find((one) => usual.some((path) => leadsTo(one, path)));
      if (entry === undefined && !uncertain) throw new TypeError(`There is no route "${method} ${path}". ${this.describe()}`);
      return this.#toTarget(method, path, template, entry);
    });
  }

  /** Whether somewhere in the router there are routes whose paths are not known. */
  get unknownRouters(): boolean {
    return this.#entries.some(({ kind, path }) => kind === 'application' || (kind === 'route' && path === undefined));
  }

  /** The routes, for people. */
  describe(): string {
    if (!this.#readable) return "A handler that is no Router has no routes: name its actions, such as { now: 'GET /' }.";
    if (this.#entries.length === 0) return 'It has no routes yet: map the actions after the routes have been added.';
    if (this.routes.length === 0) return 'None of its routes has a path that can be read.';
    const list = this.routes.map(({ path, methods, anyMethod }) => `${anyMethod ? 'ALL' : methods.join(',')} ${path}`);
    return `Its routes are: ${list.join('; ')}.`;
  }

  #toTarget(method: string, path: string, template: RouteTemplate, entry: Entry | undefined): Target {
    const usual = usualPaths(template);
    const before = entry === undefined ? this.#entries : this.#entries.slice(0, this.#entries.indexOf(entry));
    // What takes every value alike is part of the target's own way: `router.all('*', …)`, a route that calls next().
    const rivals = before.filter(
      (one) =>
        (one.path !== undefined || entry !== undefined) && answers(one, method) && !usual.every((way) => leadsTo(one, way)),
    );
    return { method, path, template, entry, rivals };
  }
}

/**
 * The path of a request that reaches the target with these parameters, and no other route.
 *
 * @returns undefined if the values lead to another route, or to none
 * @throws TypeError for a value that can't be a path segment
 */
export function resolvePath({ template, entry, rivals }: Target, values: ReadonlyMap<string, unknown>): string | undefined {
  const path = writePath(template, values);
  if (entry !== undefined && !leadsTo(entry, path)) return undefined;
  return rivals.some((rival) => leadsTo(rival, path)) ? undefined : path;
}

/** @param prefix - undefined below a router of which Express does not tell where it is mounted */
function collect(stack: readonly Layer[], prefix: string | undefined, above: readonly Layer[]): Entry[] {
  return stack.flatMap((layer): Entry[] => {
    const layers = [...above, layer];
    if (layer.route !== undefined) return entriesOf(layer.route, prefix, layers);
    const paths = mountPaths(layer);
    const mounts = paths?.map((path) => joined(prefix, path)) ?? [undefined];
    const inner = stackOf(layer.handle);
    if (inner !== undefined) return mounts.flatMap((path) => collect(inner, path, layers));
    const kind = kindOf(layer);
    if (kind !== 'application' && mounts.includes(prefix)) return [];
    // A middleware that takes some values and leaves others alone is a guard: it must not make them unreachable.
    if (kind === 'middleware' && paths === undefined && tellsPath(layer)) return [];
    return mounts.map((path) => ({ kind, path, methods: [], anyMethod: true, layers }));
  });
}

/** A function that takes no `next` answers by itself; one that does may go on, and whether it will can't be known. */
function kindOf({ name, handle }: Layer): 'application' | 'handler' | 'middleware' {
  if (name === 'mounted_app') return 'application';
  return typeof handle === 'function' && handle.length < 3 ? 'handler' : 'middleware';
}

function entriesOf(
  { path, methods }: NonNullable<Layer['route']>,
  prefix: string | undefined,
  layers: readonly Layer[],
): Entry[] {
  const answered = { methods: methodsOf(methods), anyMethod: methods['_all'] === true, layers };
  const paths: readonly unknown[] = [path].flat(Infinity);
  return paths.map((one) => {
    if (typeof one !== 'string') return { kind: 'pattern', path: undefined, ...answered };
    return { kind: 'route', path: prefix === undefined ? undefined : apart(joinPaths(prefix, one)), ...answered };
  });
}

function isRoute(entry: Entry): entry is Route {
  return entry.kind === 'route' && entry.path !== undefined;
}

function joined(prefix: string | undefined, path: string): string | undefined {
  return prefix === undefined ? undefined : prefix + path;
}

function joinPaths(prefix: string, path: string): string {
  if (prefix === '') return path === '' ? '/' : path;
  return path === '/' || path === '' ? prefix : prefix + path;
}

/** A mounted router may call its parameter as the path does under which it is mounted: `/:id/comments/:id` is `/:id/comments/:id_2`. */
function apart(path: string): string {
  const times = new Map<string, number>();
  return path.replace(/\\.|([:*])([\p{ID_Start}$_][\p{ID_Continue}$]*)/gu, (piece: string, sign?: string, name?: string) => {
    if (sign === undefined || name === undefined) return piece;
    const time = (times.get(name) ?? 0) + 1;
    times.set(name, time);
    return time === 1 ? piece : `${piece}_${String(time)}`;
  });
}

function methodsOf(methods: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.keys(methods)
    .filter((method) => method !== '_all')
    .map((method) => method.toUpperCase());
}

/** As Express has it: a route of GET answers HEAD. */
function answers({ methods, anyMethod }: Entry, method: string): boolean {
  return anyMethod || methods.includes(method) || (method === 'HEAD' && methods.includes('GET'));
}

function usualPaths(template: RouteTemplate): readonly string[] {
  return ANY_VALUES.map((value) => writePath(template, new Map(template.parameters.map((name) => [name, value]))));
}

/** Whether Express would come to it with this path. */
function leadsTo({ layers }: Entry, path: string): boolean {
  let rest = path;
  const last = layers.length - 1;
  for (const [index, layer] of layers.entries()) {
    const prefix = matchedPrefix(layer, rest);
    if (prefix === undefined) return false;
    if (index === last) return true;
    rest = rest.slice(prefix.length);
    if (!rest.startsWith('/')) rest = `/${rest}`;
  }
  return false;
}

function isSamePath(one: string, other: string): boolean {
  return one.replace(/(?<=.)\/$/, '') === other.replace(/(?<=.)\/$/, '');
}

/** Literal segments of a template, for naming it and for telling which of two is the plainer one. */
export function literalSegments(parts: readonly PathPart[]): readonly string[] {
  return parts.flatMap((part) => (typeof part === 'string' ? part.split('/').filter((segment) => segment !== '') : []));
}
