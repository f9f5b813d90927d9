import { isDeepStrictEqual } from 'node:util';

import { isObject } from '../protocol/envelope.js';
import { isPresent } from './user.js';

/** What names a user, the surest first. */
const IDS = ['id', 'pk', '_id', 'sub', 'uuid', 'userId', 'user_id', 'uid', 'username', 'email'];

/** What an id may be unique within: the tenant of an application, the issuer of a token. */
const REALMS = [
  'iss', 'tenant', 'tenantId', 'tenant_id', 'tid', 'org', 'orgId', 'org_id', 'organization', 'organizationId', 'organization_id',
  'realm', 'workspace', 'workspaceId', 'workspace_id',
]; // prettier-ignore

/** Claims that are new in each token of the same user (RFC 7519, 4.1). */
const OF_A_TOKEN = new Set(['iat', 'exp', 'nbf', 'jti', 'auth_time']);

/**
 * Whether two users are the same: both have the first id that one of them has, in the same tenant and of the same issuer. Without an id they
 * are if they have the same content, besides the times of a token.
 */
export function isSameUser(one: unknown, other: unknown): boolean {
  if (!isPresent(one) || !isPresent(other)) return isPresent(one) === isPresent(other);
  if (!isObject(one) || !isObject(other)) return one === other;
  // express-oauth2-jwt-bearer keeps the claims of a token apart from the token.
  const [first, second] = [claimsOf(one), claimsOf(other)];
  if (!REALMS.every((name) => isSameRealm(first[name], second[name]))) return false;
  const id = IDS.find((name) => isGiven(first[name]) || isGiven(second[name]));
  if (id !== undefined) return isSameId(first[id], second[id]);
  return isDeepStrictEqual(withoutTimes(first), withoutTimes(second));
}

function claimsOf(user: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { payload } = user;
  return isObject(payload) && !IDS.some((name) => isGiven(user[name])) ? payload : user;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** A number and its text are the same id, and so are two objects that print the same, such as those of MongoDB. */
function isSameId(one: unknown, other: unknown): boolean {
  if (!isGiven(one) || !isGiven(other)) return isGiven(one) === isGiven(other);
  const [first, second] = [String(one), String(other)];
  return first === second && (!first.startsWith('[object ') || isDeepStrictEqual(one, other));
}

/** A row of the tenant that comes with the user says nothing by itself: it is read anew each time. */
function isSameRealm(one: unknown, other: unknown): boolean {
  return [one, other].some((realm) => isObject(realm)) || isSameId(one, other);
}

function withoutTimes(user: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(user).filter(([name]) => !OF_A_TOKEN.has(name)));
}
