import type { Handler } from '../http/handler.js';
import { isKnownMethod } from '../http/dispatch.js';
import { stackOf } from '../http/express-stack.js';
import { literalSegments, RouteMap, type Target } from '../http/route-map.js';
import { readTemplates } from '../http/route-template.js';
import { isObject } from '../protocol/envelope.js';
import { NotFound, ValidationError } from '../protocol/errors.js';
import { got, unexpected, VIEW_OPTIONS } from '../protocol/options.js';

/** HTTP methods that an action can be mapped to. */
export type MappedMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';

/** What an action becomes: `'GET'` takes the route whose parameters are those given, `'GET /:id/comments'` takes that route. */
export type MappedAction = MappedMethod | `${MappedMethod} /${string}`;

/** Action names, each with the request that it becomes. */
export type MappedActions = Readonly<Record<string, MappedAction>>;

/** The mapping of DCRF's `view_as_consumer`. */
export const DEFAULT_ACTIONS = { create: 'PUT', update: 'PATCH', list: 'GET', retrieve: 'GET' } as const satisfies MappedActions;

/** Finds the target and the parameters of one frame. */
export type ChooseTarget = (args: Readonly<Record<string, unknown>>) => { target: Target; values: ReadonlyMap<string, unknown> };

/**
 * Binds action names to the routes of a handler.
 *
 * @param mappedActions - undefined for the default mapping, of which the actions are taken that have a route
 * @throws TypeError for an action with no route; the message lists the routes there are
 */
export function bindActions(handler: Handler, mappedActions: MappedActions | undefined): ReadonlyMap<string, ChooseTarget> {
  const map = new RouteMap(handler);
  const bound = new Map<string, ChooseTarget>();
  const given: unknown = mappedActions ?? DEFAULT_ACTIONS;
  if (!isObject(given)) throw unexpected('`mappedActions`', "an object such as { list: 'GET /' }", given);
  if (Object.keys(given).length === 0) throw new TypeError('Expected at least one action.');
  for (const [action, spec] of Object.entries(given)) {
    const { method, path } = readSpec(action, spec);
    const targets = path === undefined ? map.targets(method) : findTarget(map, action, method, path);
    if (targets.length > 0) bound.set(action, path === undefined ? byParameters(targets) : byTemplate(targets));
    else if (given !== DEFAULT_ACTIONS) throw new TypeError(noRoute(map, action, method));
  }
  if (bound.size === 0)
    throw new TypeError(`None of the actions ${Object.keys(given).join(', ')} has a route. ${map.describe()}`);
  return bound;
}

/**
 * Reads the routes of a Router or application and returns the mapping that exposes all of them: `GET /` as list, `POST /` (or `PUT /`) as
 * create, `GET /:id` as retrieve, `PUT`, `PATCH` and `DELETE /:id` as update, patch and delete. A route with literal segments is called
 * after them (`POST /:id/publish` → publish), behind the verb where several share them (`list_comments`, `create_comments`). Left out are
 * routes that can't be mapped: those of a regular expression, and those for all methods alike.
 *
 * @throws TypeError if a part of it can't be read: an application within it, or a router of which Express does not tell where it is
 * mounted (Express 5 with its `router` package before 2.3)
 *
 * @example
 * channels.route('/ws/users', viewAsConsumer(usersRouter, routeActions(usersRouter)));
 */
export function routeActions(handler: Handler): MappedActions {
  if (stackOf(handler) === undefined) throw new TypeError(`Expected a Router or an application, got ${got(handler)}.`);
  const map = new RouteMap(handler);
  if (map.unknownRouters) {
    throw new TypeError(
      "Some of the routes can't be read: Express does not tell what is in a mounted application, nor, in some versions, under which path " +
        `a router is mounted. Map their actions by templates, e.g. { list: 'GET /things' }. ${map.describe()}`,
    );
  }
  const exposed = exposedRoutes(map);
  if (exposed.length === 0) throw new TypeError(`There is no route that an action could be named after. ${map.describe()}`);
  const actions = new Map<string, MappedAction>();
  for (const one of exposed) actions.set(freeName(one, exposed, actions), one.spec);
  return Object.fromEntries(actions);
}

const EXPOSED: readonly MappedMethod[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

interface ExposedRoute {
  readonly method: MappedMethod;
  readonly spec: MappedAction;
  /** Its literal segments as a name. */
  readonly base: string;
  readonly parameters: readonly string[];
  readonly endsWithParameter: boolean;
}

/** Each method of each route once, those without literal segments first: the conventional names are theirs. */
function exposedRoutes(map: RouteMap): readonly ExposedRoute[] {
  const bySpec = new Map<MappedAction, ExposedRoute>();
  for (const route of map.routes) {
    const templates = readTemplates(route.path);
    const [template] = templates ?? [];
    if (templates === undefined || template === undefined) continue;
    const { parameters } = template;
    const base = nameOfSegments(literalSegments(template.parts));
    const endsWithParameter = templates.every(({ parts }) => typeof parts.at(-1) === 'object');
    for (const method of EXPOSED.filter((one) => route.methods.includes(one))) {
      const spec: MappedAction = `${method} /${route.path.replace(/^\//, '')}`;
      // Of two with the same method and path, Express comes to the first one first: so does the action.
      if (!bySpec.has(spec)) bySpec.set(spec, { method, spec, base, parameters, endsWithParameter });
    }
  }
  const routes = [...bySpec.values()];
  return [...routes.filter(({ base }) => base === ''), ...routes.filter(({ base }) => base !== '')];
}

function nameOfSegments(segments: readonly string[]): string {
  const words = segments.map((segment) => segment.replace(/[^\p{L}\p{N}]+/gu, '_').replace(/^_+|_+$/g, ''));
  return words.filter((word) => word !== '').join('_');
}

function freeName(route: ExposedRoute, all: readonly ExposedRoute[], taken: ReadonlyMap<string, MappedAction>): string {
  const { method, parameters } = route;
  const plain = plainName(route, all);
  const other = taken.get(plain);
  if (other === undefined) return plain;
  let stem = plain;
  if (!other.startsWith(`${method} `)) stem += `_${method.toLowerCase()}`;
  else if (parameters.length > 0) stem += `_by_${parameters.join('_')}`;
  let name = stem;
  for (let number = 2; taken.has(name); number += 1) name = `${stem}_${String(number)}`;
  return name;
}

function plainName(route: ExposedRoute, all: readonly ExposedRoute[]): string {
  const { base } = route;
  const isShared = all.some((other) => other !== route && other.base === base);
  if (base === '') return verbOf(route);
  return isShared ? `${verbOf(route)}_${base}` : base;
}

function verbOf({ method, endsWithParameter }: ExposedRoute): string {
  if (method === 'GET') return endsWithParameter ? 'retrieve' : 'list';
  if (method === 'POST') return 'create';
  if (method === 'PUT') return endsWithParameter ? 'update' : 'create';
  return method === 'PATCH' ? 'patch' : 'delete';
}

function readSpec(action: string, spec: unknown): { method: string; path?: string } {
  const [, method = '', path] = /^([A-Za-z]+)(?: +(\/.*))?$/.exec(typeof spec === 'string' ? spec : '') ?? [];
  if (!isKnownMethod(method)) {
    const hint = VIEW_OPTIONS.includes(action) ? ' Options are the third argument.' : '';
    throw new TypeError(
      `Expected action "${action}" to be mapped to a method and path such as "GET" or "GET /:id", got ${got(spec)}.${hint}`,
    );
  }
  return path === undefined ? { method } : { method, path };
}

function findTarget(map: RouteMap, action: string, method: string, path: string): readonly Target[] {
  try {
    return map.target(method, path);
  } catch (error) {
    throw new TypeError(`Action "${action}": ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function noRoute(map: RouteMap, action: string, method: string): string {
  const advice = map.unknownRouters ? ` Name its route by a template, e.g. "${method} /things".` : '';
  return `Action "${action}": there is no ${method} route.${advice} ${map.describe()}`;
}

/** A bare method: the route whose parameters are exactly those given; of several the one with the fewest literal segments. */
function byParameters(targets: readonly Target[]): ChooseTarget {
  const plainestFirst = [...targets].sort(
    (a, b) => literalSegments(a.template.parts).length - literalSegments(b.template.parts).length,
  );
  const byNames = new Map<string, Target>();
  for (const target of plainestFirst) {
    const names = namesKey(target.template.parameters);
    if (!byNames.has(names)) byNames.set(names, target);
  }
  const ofOne = plainestFirst.filter(({ template }) => template.parameters.length === 1);
  const sole = ofOne.find(({ template }) => template.parameters[0] === 'pk') ?? ofOne[0];
  return (args) => {
    const { values, pk } = readParameters(args);
    if (pk !== undefined && sole !== undefined) return { target: sole, values: soleValue(sole, pk) };
    const target = pk === undefined ? byNames.get(namesKey([...values.keys()])) : undefined;
    if (target === undefined) throw new NotFound();
    return { target, values };
  };
}

/** A template: all of its parameters must be given, and no others. */
function byTemplate(targets: readonly Target[]): ChooseTarget {
  return (args) => {
    const { values, pk } = readParameters(args);
    for (const target of targets) {
      const { parameters } = target.template;
      if (pk !== undefined && parameters.length === 1) return { target, values: soleValue(target, pk) };
      if (pk === undefined && parameters.length === values.size && parameters.every((name) => values.has(name)))
        return { target, values };
    }
    throw new ValidationError({ parameters: [expectedParameters(targets)] });
  };
}

function expectedParameters(targets: readonly Target[]): string {
  const lists = targets.map(({ template }) => template.parameters);
  const expected = lists.map((names) => (names.length === 0 ? 'none' : names.join(', '))).join(', or ');
  const place = lists.some((names) => names.length > 0) ? ' Give them in `parameters`, or a single one as `pk`.' : '';
  return `Expected exactly these parameters: ${expected}.${place}`;
}

/** `parameters`, or a top-level `pk` as the sole one, whatever the route calls it. */
function readParameters(args: Readonly<Record<string, unknown>>): { values: ReadonlyMap<string, unknown>; pk?: unknown } {
  const parameters = Object.hasOwn(args, 'parameters') ? args['parameters'] : {};
  if (!isObject(parameters)) throw new ValidationError({ parameters: ['Expected an object.'] });
  const values = new Map(Object.entries(parameters));
  const pk = Object.hasOwn(args, 'pk') ? args['pk'] : undefined;
  if (pk === undefined) return { values };
  // A permission that looked at the one must not let the other through.
  if (values.size > 0) throw new ValidationError({ pk: ['Expected either `pk` or `parameters`, got both.'] });
  return { values, pk };
}

function soleValue(target: Target, pk: unknown): ReadonlyMap<string, unknown> {
  return new Map(target.template.parameters.map((name) => [name, pk]));
}

function namesKey(names: readonly string[]): string {
  return JSON.stringify([...names].sort());
}
