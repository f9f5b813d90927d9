import { ownCopy } from './own-copy.js';
import type { Scope } from './scope.js';
import { isPresent } from './user.js';

/** The scope of a connection as one action, or one other handler, has it: nobody else sees what it writes on the user. */
export class OwnScope {
  readonly #login: { readonly scope: Scope };
  #of: Scope | undefined;
  #own: Scope | undefined;

  constructor(login: { readonly scope: Scope }) {
    this.#login = login;
  }

  /** The scope of the moment: a login may be revalidated while an action runs. */
  get current(): Scope {
    const { scope } = this.#login;
    if (this.#own !== undefined && this.#of === scope) return this.#own;
    this.#of = scope;
    const user = ownCopy(scope.user);
    this.#own = isPresent(user) ? Object.freeze({ ...scope, user }) : scope;
    return this.#own;
  }
}
