/** What a user may read: the rows of some rooms and their own; members of staff see secrets as well. */
export interface Role {
  readonly rooms: ReadonlySet<number>;
  readonly isStaff: boolean;
}

/** A row as a transaction has left it. No two states of a row have the same stamp. */
export interface State {
  readonly id: number;
  readonly room: number;
  readonly owner: number;
  readonly stamp: number;
}

/** What a client has subscribed to. */
export type Topic =
  | { readonly kind: 'room'; readonly room: number }
  | { readonly kind: 'own' }
  | { readonly kind: 'instance'; readonly id: number };

type Since<Value> = Value & { readonly from: number };

/**
 * Knows nothing of observers, only what was committed and who might read what, both with the time. It decides of everything that a client
 * receives whether that user was allowed to know it at some moment between its commit and now.
 */
export class Oracle {
  #clock = 0;
  /** What came while something is being committed, of which nobody knows yet what it is. */
  #postponed: (() => void)[] | undefined;
  #present: ReadonlyMap<number, State> = new Map();
  readonly #roles = new Map<number, Since<Role>[]>();
  readonly #states = new Map<number, Since<{ readonly state: State | undefined }>[]>();

  /** A new moment, later than all before. */
  tick(): number {
    this.#clock += 1;
    return this.#clock;
  }

  roleChanged(user: number, role: Role): void {
    this.#roles.set(user, [...(this.#roles.get(user) ?? []), { ...role, from: this.tick() }]);
  }

  roleOf(user: number): Role {
    const role = this.#roles.get(user)?.at(-1);
    if (role === undefined) throw new Error(`There is no user ${user}.`);
    return role;
  }

  /** Judges now, or as soon as what is being committed is known. */
  judge(judge: () => void): void {
    if (this.#postponed === undefined) judge();
    else this.#postponed.push(judge);
  }

  /**
   * Something is committed, while no role changes.
   *
   * @param commit - returns all rows that there are then
   * @param written - rows as the transaction has left them on its way, oldest first
   */
  async during(commit: () => Promise<readonly State[]>, written: readonly State[] = []): Promise<void> {
    this.#postponed = [];
    const from = this.tick();
    this.#committed(await commit(), written, from);
    const postponed = this.#postponed;
    this.#postponed = undefined;
    for (const judge of postponed) judge();
  }

  #committed(rows: readonly State[], written: readonly State[], from: number): void {
    const present = new Map(rows.map((row) => [row.id, row]));
    for (const id of new Set([...present.keys(), ...this.#present.keys()])) {
      const state = present.get(id);
      const before = this.#present.get(id);
      if (before?.stamp === state?.stamp) continue;
      // A row that is written and deleted by one transaction is told as deleted, with what was written last.
      const last = state === undefined ? written.filter((row) => row.id === id && row.stamp !== before?.stamp).at(-1) : undefined;
      const versions =
        last === undefined
          ? [{ state, from }]
          : [
              { state: last, from },
              { state, from },
            ];
      this.#states.set(id, [...(this.#states.get(id) ?? []), ...versions]);
    }
    this.#present = present;
  }

  /** The rows that a subscription shows, if its user may have it. */
  rowsOf(user: number, topic: Topic): State[] {
    return [...this.#present.values()].filter((row) => isOf(row, user, topic) && mayRead(this.roleOf(user), row, user, topic));
  }

  /** Why a user must not be told that a row has gone; undefined if it is in order. */
  faultOfGone(user: number, topic: Topic, since: number, data: unknown): string | undefined {
    if (!isRecord(data) || Object.keys(data).join() !== 'pk') return 'more than the key of a row that has gone';
    const known = this.#states.get(Number(data['pk'])) ?? [];
    if (topic.kind === 'instance') return topic.id === data['pk'] ? undefined : 'another row';
    const isKnown = known.some(({ state }, index) => {
      const left = known[index + 1];
      if (state === undefined || left === undefined || !isOf(state, user, topic)) return false;
      return this.#ever(user, Math.max(left.from, since), (role) => mayRead(role, state, user, topic));
    });
    return isKnown ? undefined : 'the key of a row that was not theirs to see when it went';
  }

  /** Why a user must not be shown a row; undefined if it is in order. */
  faultOfShown(user: number, topic: Topic, since: number, data: unknown): string | undefined {
    if (!isRecord(data)) return 'no row';
    const version = this.#states.get(Number(data['id']))?.find(({ state }) => state?.stamp === data['stamp']);
    const state = version?.state;
    if (version === undefined || state === undefined) return 'a state that was never committed';
    if (data['room'] !== state.room || data['owner'] !== state.owner) return 'a mixture of states';
    if (!isOf(state, user, topic)) return 'a row of somewhere else';
    const from = Math.max(version.from, since);
    if (!this.#ever(user, from, (role) => mayRead(role, state, user, topic))) return 'a row that they might not see any more';
    if (!('secret' in data)) return undefined;
    return this.#ever(user, from, ({ isStaff }) => isStaff) ? undefined : 'a secret';
  }

  /** Whether a role that the user has had at a moment since then fulfils a condition. */
  #ever(user: number, from: number, holds: (role: Role) => boolean): boolean {
    const roles = this.#roles.get(user) ?? [];
    return roles.some((role, index) => (roles[index + 1]?.from ?? Infinity) > from && holds(role));
  }
}

function isOf(state: State, user: number, topic: Topic): boolean {
  if (topic.kind === 'room') return state.room === topic.room;
  return topic.kind === 'own' ? state.owner === user : state.id === topic.id;
}

function mayRead(role: Role, state: State, user: number, topic: Topic): boolean {
  if (topic.kind === 'room') return role.rooms.has(state.room);
  return state.owner === user || role.rooms.has(state.room);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
