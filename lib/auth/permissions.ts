import type { Handler } from '../http/handler.js';
import { isObject } from '../protocol/envelope.js';
import { PermissionDenied, toErrorReply } from '../protocol/errors.js';
import { checkKeys, got, unexpected } from '../protocol/options.js';
import { adviseOfLogin } from './authentication.js';
import type { Scope } from './scope.js';
import { isPresent } from './user.js';

/** What a connect rule is asked about. */
export interface ConnectRequest {
  /** Who asks, and whence. */
  readonly scope: Scope;
  /** Runs an Express middleware on a request with the socket's login; see {@link expressPermission}. */
  readonly passes: (middleware: Handler, method: string) => Promise<boolean>;
}

/** What an action rule is asked about. */
export interface ActionRequest extends ConnectRequest {
  /** Name of the action, which need not exist: permissions are asked first. */
  readonly action: string;
  /** All other keys of the frame, as the client sent them. */
  readonly args: Readonly<Record<string, unknown>>;
}

/** `true` allows; everything else refuses. A rule may also throw an {@link ActionError} to say why. */
export type Verdict = boolean | undefined | Promise<boolean | undefined>;

/** Who may connect, and who may act. */
export interface Permission {
  readonly connect: (request: ConnectRequest) => Verdict;
  readonly action: (request: ActionRequest) => Verdict;
}

/** Everybody may do everything. */
export const allowAny: Permission = { connect: () => true, action: () => true };

/** Everybody may connect; only who is logged in may act. A consumer that wants the handshake refused adds a connect rule. */
export const isAuthenticated: Permission = {
  connect: () => true,
  action: ({ scope }) => {
    if (isPresent(scope.user)) return true;
    adviseOfLogin(scope);
    return false;
  },
};

/**
 * A permission from functions of your own. A function alone is the rule for actions, and everybody may connect.
 *
 * @example
 * const ownWard = permission(({ scope, args }) => typeof args.ward === 'string' && args.ward === scope.user?.ward);
 * const membersOnly = permission({ connect: ({ scope }) => scope.user !== undefined });
 */
export function permission(rule: Permission['action'] | Partial<Permission>): Permission {
  if (typeof rule === 'function') return { connect: () => true, action: rule };
  if (!isObject(rule)) throw new TypeError(`Expected a function or { connect, action } for permission(), got ${got(rule)}.`);
  checkKeys('permission()', rule, ['connect', 'action']);
  return { connect: rule.connect ?? (() => true), action: rule.action ?? (() => true) };
}

/** The HTTP method under which an action asks a middleware; any other action counts as a `POST`. */
const METHOD_OF_ACTION = new Map([
  ['create', 'PUT'],
  ['update', 'PATCH'],
  ['patch', 'PATCH'],
  ['delete', 'DELETE'],
  ['list', 'GET'],
  ['retrieve', 'GET'],
]);

/**
 * The permission that an Express middleware expresses over HTTP already: allowed if it calls `next()`, refused if it answers, and its
 * error told if it calls `next(error)`. It runs on a request with the socket's login: at connect with the method HEAD, before an action
 * with create PUT, update and patch PATCH, delete DELETE, list and retrieve GET, any other POST.
 *
 * @example
 * viewAsConsumer(router, undefined, { permissions: [expressPermission(requireRole('nurse'))] });
 */
export function expressPermission(middleware: Handler): Permission {
  if (typeof middleware !== 'function')
    throw new TypeError(`Expected a middleware for expressPermission(), got ${got(middleware)}.`);
  return {
    connect: ({ passes }) => passes(middleware, 'HEAD'),
    action: ({ passes, action }) => passes(middleware, METHOD_OF_ACTION.get(action) ?? 'POST'),
  };
}

/** Allowed if all of them allow, asked in order; likewise at connect. */
export function and(...permissions: readonly Permission[]): Permission {
  for (const one of permissions) checkPermission('and()', one);
  return {
    connect: (request) => every(permissions, (one) => one.connect(request)),
    action: (request) => every(permissions, (one) => one.action(request)),
  };
}

/** Allowed if one of them allows, asked in order; likewise at connect. If none does, the first reason that was thrown is told. */
export function or(...permissions: readonly Permission[]): Permission {
  for (const one of permissions) checkPermission('or()', one);
  return {
    connect: (request) => some(permissions, (one) => one.connect(request)),
    action: (request) => some(permissions, (one) => one.action(request)),
  };
}

/** Allowed if the other refuses. Who may connect is left alone: everybody. */
export function not(other: Permission): Permission {
  checkPermission('not()', other);
  return { connect: () => true, action: async (request) => !(await decide(() => other.action(request))).allowed };
}

/** @throws TypeError for what is no list of permissions */
export function checkPermissions(permissions: unknown): void {
  if (!Array.isArray(permissions)) throw unexpected('`permissions`', 'a list, such as [isAuthenticated]', permissions);
  for (const one of permissions) checkPermission('`permissions`', one);
}

function checkPermission(where: string, given: unknown): void {
  if (isObject(given) && typeof given['connect'] === 'function' && typeof given['action'] === 'function') return;
  const hint = typeof given === 'function' ? ': wrap a function by permission(), a middleware by expressPermission().' : '.';
  throw new TypeError(`Expected a permission in ${where}, got ${got(given)}${hint}`);
}

/** @throws {@link PermissionDenied}, or what a rule threw */
export async function checkConnect(permissions: readonly Permission[], request: ConnectRequest): Promise<void> {
  if (!(await every(permissions, (one) => one.connect(request)))) throw new PermissionDenied();
}

/** @throws {@link PermissionDenied}, or what a rule threw */
export async function checkAction(permissions: readonly Permission[], request: ActionRequest): Promise<void> {
  for (const one of permissions) {
    const verdict = one.action(request);
    // Most rules know at once; waiting for them all the same would cost every frame a turn.
    if (verdict !== true && (await verdict) !== true) throw new PermissionDenied();
  }
}

async function every(permissions: readonly Permission[], ask: (one: Permission) => Verdict): Promise<boolean> {
  for (const one of permissions) if ((await ask(one)) !== true) return false;
  return true;
}

async function some(permissions: readonly Permission[], ask: (one: Permission) => Verdict): Promise<boolean> {
  let first: Error | undefined;
  for (const one of permissions) {
    const { allowed, reason } = await decide(() => ask(one));
    if (allowed) return true;
    first ??= reason;
  }
  if (first !== undefined) throw first;
  return false;
}

/** What a rule decides. One that throws an answer for the client has refused; one that fails has decided nothing. */
async function decide(ask: () => Verdict): Promise<{ readonly allowed: boolean; readonly reason?: Error }> {
  try {
    return { allowed: (await ask()) === true };
  } catch (reason) {
    if (!(reason instanceof Error) || toErrorReply(reason).unexpected) throw reason;
    return { allowed: false, reason };
  }
}
