import { type Layer, matchedPrefix, mountPath, stackOf } from './express-stack.js';
import type { Handler } from './handler.js';
import { type PathPart, readTemplates, type RouteTemplate, writePath } from './route-template.js';

/** A route as it stands in a router: one path, the methods it answers, and the layers that lead to it. */
export interface Route {
  /** Full path as it was declared, mounted routers included. */
  readonly path: string;
  /** In upper case; empty for a route of all methods. */
  readonly methods: readonly string[];
  readonly layers: readonly Layer[];
}

/** One way to address a route of a router. */
export interface Target {
  readonly method: string;
  readonly path: string;
  readonly template: RouteTemplate;
  /** The route in the router; undefined where the router can't be looked into. */
  readonly route: Route | undefined;
  /** Routes that Express tries before it, and that some values would lead to: `GET /archived` before `GET /:id`. */
  readonly rivals: readonly Route[];
}

/** A part of a router whose routes can't be seen: another application, or a middleware with a path of its own. */
interface Opaque {
  /** Its path; undefined where Express does not tell. */
  readonly path: string | undefined;
  readonly isRouter: boolean;
}

// Stands for any value when two routes are compared; no static segment is called like this.
const ANY_VALUE = 'any-value-7f3a';

/** The routes of a Router or application, in the order in which Express tries them. */
export class RouteMap {
  readonly routes: readonly Route[];
  readonly #opaque: readonly Opaque[];
  /** Whether there is anything to look into. */
  readonly #readable: boolean;

  constructor(handler: Handler) {
    const routes: Route[] = [];
    const opaque: Opaque[] = [];
    const stack = stackOf(handler);
    if (stack !== undefined) collect(stack, '', [], routes, opaque);
    this.routes = routes;
    this.#opaque = opaque;
    this.#readable = stack !== undefined;
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
   * in a part that can't be looked into.
   *
   * @throws TypeError for a template that can't be read, or that no route answers; the message lists the routes there are
   */
  target(method: string, path: string): readonly Target[] {
    const templates = readTemplates(path);
    if (templates === undefined) throw new TypeError(`Expected a path such as "/:id/comments", got ${JSON.stringify(path)}.`);
    const route = this.routes.find((one) => answers(one, method) && isSamePath(one.path, path));
    if (route === undefined && this.#readable && !this.#mayBeOpaque(path)) {
      throw new TypeError(`There is no route "${method} ${path}". ${this.describe()}`);
    }
    return templates.map((template) => this.#toTarget(method, path, template, route));
  }

  /** Whether somewhere in the router there is a part whose routes are not known. */
  get unknownRouters(): boolean {
    return this.#opaque.some((part) => part.isRouter);
  }

  /** The routes, for people. */
  describe(): string {
    if (this.routes.length === 0) return 'It has no routes yet: map the actions after the routes have been added.';
    const list = this.routes.map((route) => `${route.methods.join(',') || 'ALL'} ${route.path}`);
    return `Its routes are: ${list.join('; ')}.`;
  }

  #toTarget(method: string, path: string, template: RouteTemplate, route: Route | undefined): Target {
    if (route === undefined) return { method, path, template, route, rivals: [] };
    const usual = writePath(template, new Map(template.parameters.map((name) => [name, ANY_VALUE])));
    // A route before it that takes every value alike is part of the target's own way: `router.all('*', …)`, a route that calls next().
    const before = this.routes.slice(0, this.routes.indexOf(route));
    const rivals = before.filter((one) => answers(one, method) && !leadsTo(one, usual));
    return { method, path, template, route, rivals };
  }

  #mayBeOpaque(path: string): boolean {
    return this.#opaque.some((part) => {
      if (part.path === undefined) return true;
      if (part.path === '') return part.isRouter;
      return path === part.path || path.startsWith(`${part.path}/`);
    });
  }
}

/**
 * The path of a request that reaches the target with these parameters, and no other route.
 *
 * @returns undefined if the values lead to another route, or to none
 * @throws TypeError for a value that can't be a path segment
 */
export function resolvePath({ template, route, rivals }: Target, values: ReadonlyMap<string, unknown>): string | undefined {
  const path = writePath(template, values);
  if (route === undefined) return path;
  return leadsTo(route, path) && !rivals.some((rival) => leadsTo(rival, path)) ? path : undefined;
}

function collect(stack: readonly Layer[], prefix: string, above: readonly Layer[], routes: Route[], opaque: Opaque[]): void {
  for (const layer of stack) {
    const layers = [...above, layer];
    if (layer.route !== undefined) {
      for (const path of routePaths(layer.route.path)) {
        routes.push({ path: joinPaths(prefix, path), methods: methodsOf(layer.route.methods), layers });
      }
      if (routePaths(layer.route.path).length === 0) opaque.push({ path: undefined, isRouter: false });
      continue;
    }
    const mounted = mountPath(layer);
    const inner = stackOf(layer.handle);
    if (inner !== undefined && mounted !== undefined) collect(inner, prefix + mounted, layers, routes, opaque);
    else if (inner !== undefined || layer.name === 'mounted_app') opaque.push({ path: joined(prefix, mounted), isRouter: true });
    else if (mounted !== '') opaque.push({ path: joined(prefix, mounted), isRouter: false });
  }
}

function joined(prefix: string, path: string | undefined): string | undefined {
  return path === undefined ? undefined : prefix + path;
}

function routePaths(path: unknown): readonly string[] {
  const paths: readonly unknown[] = Array.isArray(path) ? path : [path];
  return paths.filter((one) => typeof one === 'string');
}

function joinPaths(prefix: string, path: string): string {
  if (prefix === '') return path === '' ? '/' : path;
  return path === '/' || path === '' ? prefix : prefix + path;
}

function methodsOf(methods: Readonly<Record<string, unknown>>): readonly string[] {
  if (methods['_all'] === true) return [];
  return Object.keys(methods).map((method) => method.toUpperCase());
}

function answers(route: Route, method: string): boolean {
  return route.methods.length === 0 || route.methods.includes(method);
}

/** Whether Express would come to the route with this path. */
function leadsTo(route: Route, path: string): boolean {
  let rest = path;
  const last = route.layers.length - 1;
  for (const [index, layer] of route.layers.entries()) {
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
