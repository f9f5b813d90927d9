import { NotAuthenticated, permission, type Scope } from 'express-channels';
import { User } from '../models.js';

export function userOf({ user }: Pick<Scope, 'user'>): User {
  if (user instanceof User) return user;
  throw new NotAuthenticated();
}

/** Answers 401 to those who are not signed in: the pages then go to the sign-in page. */
export const signedIn = permission(({ scope }) => userOf(scope) instanceof User);
