import { type Association, type Model, type ModelStatic, QueryTypes, type Sequelize } from 'sequelize';
import { notifyChanged } from '../../lib/changes/model-changes.js';
import type { RowChange } from '../../lib/changes/row-change.js';
import { type Random, seeded } from '../support/random.js';
import { isThorough } from '../support/requirement.js';
import { until } from '../support/socket-client.js';
import { onEachDatabase, record, type Recording } from './databases.js';
import { createItems, defineItems, Item, ItemTag, Tag } from './parallel-models.js';
import { readTables, type Replica, RoomReplica, RowReplica, TagReplica, type Tables } from './parallel-replicas.js';
import { findDeadlocksAtOnce, planned, type Round, within, Workers } from './parallel-workers.js';

/** How many transactions and writes outside of any, observed; `npm run bench:changes` asks for more. */
const STEPS = Number(process.env['CHANGES_STEPS'] ?? (isThorough ? 60 : 30));
const STEPS_PER_ROUND = 30;

/** How much longer than without observers a statement or a COMMIT may take. */
const MAX_WAIT_MS = 1_000;
const REST_MS = 5_000;

/** An observer, and a subscriber that reads again whenever it has missed something. */
class Subscriber<R extends Replica = Replica> {
  readonly replica: R;
  readonly recording: Recording<Item>;
  readonly errors: unknown[] = [];
  /** What is published while it reads again: newer than what it reads, or followed by what is. */
  #buffered: (readonly RowChange<Item>[])[] | undefined;
  #missesMore = false;
  /** What it has received since the workers rested last. */
  #received: string[] = [];
  /** How often it has read again, and how often until the workers rested last. */
  missed = 0;
  #missedBefore = 0;

  constructor(replica: R, options: { readonly needsBefore?: boolean; readonly manyToMany?: readonly Association[] } = {}) {
    this.replica = replica;
    this.recording = record(Item, {
      ...options,
      committed: (changes) => {
        // A row that there never was: see `restOne`.
        const ofRows = changes.filter(({ pk }) => pk !== 0);
        this.#received.push(...ofRows.map(described));
        if (this.#buffered === undefined) this.#apply(ofRows);
        else this.#buffered.push(ofRows);
      },
      missed: () => {
        this.#miss();
      },
    });
  }

  get isReading(): boolean {
    return this.#buffered !== undefined;
  }

  difference(tables: Tables): string | undefined {
    const difference = this.isReading ? 'being read again' : this.replica.difference(tables);
    return difference && `${this.replica.name}: ${difference}\n${this.#history(difference)}`;
  }

  /** What should not have been, since the workers rested last. */
  takeFaults(): readonly unknown[] {
    const { replica, recording } = this;
    const surprises = replica.surprises.splice(0);
    // After a gap, what follows can't be known.
    const isSure = this.missed === this.#missedBefore;
    this.#missedBefore = this.missed;
    const faults = [...recording.errors, ...this.errors, ...replica.faults, ...(isSure ? surprises : [])];
    const withHistory = faults.map((fault) => `${replica.name}: ${String(fault)}\n${this.#history(String(fault))}`);
    this.#received = [];
    return withHistory;
  }

  /** What it has received of the row that a difference names. */
  #history(difference: string): string {
    const row = /\brow -?\d+ /.exec(difference)?.[0] ?? '';
    return this.#received.filter((line) => line.startsWith(row) || !line.startsWith('row ')).join('\n');
  }

  #apply(changes: readonly RowChange<Item>[]): void {
    if (this.replica.apply(changes)) this.#miss();
  }

  #miss(): void {
    this.missed += 1;
    this.#received.push('missed');
    this.#missesMore = true;
    if (this.#buffered === undefined) void this.#readAgain();
  }

  async #readAgain(): Promise<void> {
    const buffered: (readonly RowChange<Item>[])[] = [];
    this.#buffered = buffered;
    let tables: Tables | undefined;
    try {
      while (this.#missesMore) {
        this.#missesMore = false;
        tables = await readTables();
        this.replica.reset(tables);
      }
    } catch (error) {
      this.errors.push(error);
      this.#received.push(`could not read again: ${String(error)}`);
    }
    this.#buffered = undefined;
    // As a client with a snapshot does: what was published before the row was read is left out.
    const isNewer = ({ after }: RowChange<Item>): boolean => !(after.version < versionIn(tables?.rows.get(after.id)));
    for (const changes of buffered) this.#apply(changes.filter(isNewer));
  }
}

function versionIn(row: string | undefined): number {
  return Number(/"version":(\d+)/.exec(row ?? '')?.[1] ?? 0);
}

function described({ kind, pk, before, after }: RowChange<Item>): string {
  return `row ${String(pk)} ${kind} ${JSON.stringify(before)} -> ${JSON.stringify(after)}`;
}

class Subscribers {
  readonly #tags = new Subscriber(new TagReplica(), { manyToMany: Object.values(Item.associations) });
  readonly #all: readonly Subscriber[] = [
    new Subscriber(new RowReplica()),
    new Subscriber(new RoomReplica(), { needsBefore: true }),
    this.#tags,
  ];
  events = 0;

  get missed(): number {
    return this.#all.reduce((sum, { missed }) => sum + missed, 0);
  }

  /** On a single connection, what is read within another transaction is not what is committed: all is published before it begins. */
  async restOne(): Promise<void> {
    notifyChanged(Item, [0]);
    await until(() => this.#all.every(({ recording }) => recording.changes.some(({ pk }) => pk === 0)), REST_MS);
    await until(() => !this.#isReading, REST_MS);
    this.#count();
  }

  /** When the workers rest, every subscriber comes to know what is stored. */
  async rest(): Promise<void> {
    const tables = await readTables();
    const differences = () => this.#all.map((one) => one.difference(tables)).filter((difference) => difference !== undefined);
    await until(() => differences().length === 0, REST_MS).catch(() => undefined);
    await until(() => !this.#isReading, REST_MS);
    this.#count();
    expect(differences()[0]).toBeUndefined();
    expect(this.#all.flatMap((one) => one.takeFaults())[0]).toBeUndefined();
  }

  end(): void {
    for (const { recording } of this.#all) recording.end();
  }

  get #isReading(): boolean {
    return this.#tags.replica.isReading || this.#all.some(({ isReading }) => isReading);
  }

  #count(): void {
    for (const { recording } of this.#all) this.events += recording.changes.splice(0).filter(({ pk }) => pk !== 0).length;
  }
}

/** Hooks in short, to see that they are as before. */
function hooks(sequelize: Sequelize): readonly unknown[] {
  const ofModels = [Item, Tag, ItemTag].map((model: ModelStatic<Model>) => ({ ...model.options.hooks }));
  return [...ofModels, JSON.stringify(Reflect.get(Reflect.get(sequelize, 'options'), 'hooks'))];
}

/** Rows as they are whatever the order in which the workers got their turn: without keys and versions. */
async function ownRows(): Promise<readonly string[]> {
  const items = await Item.findAll({ order: ['code'] });
  const { tags } = await readTables();
  return items.map(({ id, code, worker, room, n, late }) => JSON.stringify([code, worker, room, n, late, tags.get(id)]));
}

onEachDatabase(
  (database) => {
    const { name, sequelize, statements } = database;
    beforeAll(async () => {
      // Sequelize warns of each COMMIT that the database refuses.
      jest.spyOn(console, 'warn').mockImplementation();
      defineItems(sequelize());
      await findDeadlocksAtOnce(sequelize());
    });
    afterAll(() => {
      jest.restoreAllMocks();
    });

    const run = async (rounds: readonly Round[], isOwn: boolean, subscribe?: () => Subscribers) => {
      await within(REST_MS, 'to create the tables', createItems(sequelize()));
      const workers = new Workers(database, isOwn, subscribe !== undefined);
      const subscribers = subscribe?.();
      for (const round of rounds) {
        await workers.run(round, async () => subscribers?.restOne());
        await subscribers?.rest();
        statements.length = 0;
      }
      subscribers?.end();
      return { workers, subscribers, rows: await ownRows() };
    };

    const compare = async (random: Random, isOwn: boolean): Promise<void> => {
      // A file is locked by one transaction, and which of many is next is a matter of chance.
      const rounds = planned(random, STEPS, STEPS_PER_ROUND, name === 'SQLite in a file' ? 6 : 16);
      const twin = await run(rounds, isOwn);
      const before = hooks(sequelize());
      const { workers, subscribers, rows } = await run(rounds, isOwn, () => new Subscribers());

      process.stderr.write(
        `${name}, ${isOwn ? 'own' : 'shared'} rows: SEED=${random.seed}, ${STEPS} steps, ${workers.committed} commits, ` +
          `${workers.retries} retries (unobserved ${twin.workers.retries}), ${subscribers?.events ?? 0} events, ` +
          `${subscribers?.missed ?? 0} missed, longest wait ${workers.longest.ms} ms (unobserved ${twin.workers.longest.ms} ms)\n`,
      );
      // What was to be committed is committed, and nothing else; of own rows the outcome is the same to the last one.
      expect(workers.report().find((line, step) => line !== twin.workers.report()[step])).toBeUndefined();
      if (isOwn) expect(rows).toEqual(twin.rows);
      if (workers.longest.ms > MAX_WAIT_MS + 2 * twin.workers.longest.ms)
        throw new Error(`${workers.longest.of} took ${workers.longest.ms} ms, unobserved ${twin.workers.longest.ms} ms at most.`);
      // Nothing is left behind: no hooks, and no connections beside those of the pool.
      expect(hooks(sequelize())).toEqual(before);
      const { using, size } = poolOf(sequelize());
      await until(async () => using() === 0 && (await countConnections(sequelize())) <= size());
    };

    test.each(['own', 'shared'] as const)(
      `subscribers know what is stored, after ${STEPS} random transactions and writes of parallel workers on %s rows`,
      async (kind) => {
        const random = seeded(`parallel changes of ${kind} rows on ${name}`);
        try {
          await compare(random, kind === 'own');
        } catch (error) {
          throw new Error(`SEED=${random.seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
        }
      },
      60_000 + STEPS * 200,
    );
  },
  // With sqlite3, writers that wait hold the threads that the one needs to end: after seconds even without observers.
  { connections: 8, only: ['SQLite in memory', 'SQLite in a file', 'PostgreSQL', 'MariaDB', 'MariaDB by mysql2'] },
);

/** How many connections the pool has; SQLite has none. */
function poolOf(sequelize: Sequelize): Record<'using' | 'size', () => number> {
  const pool: unknown = Reflect.get(Reflect.get(sequelize, 'connectionManager'), 'pool');
  const count = (name: string) => () => (typeof pool === 'object' && pool !== null ? Number(Reflect.get(pool, name)) : 0);
  return { using: count('using'), size: count('size') };
}

/** How many connections the database has. */
async function countConnections(sequelize: Sequelize): Promise<number> {
  const queries: Record<string, string | undefined> = {
    postgres: 'SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database()',
    mariadb: 'SELECT count(*) AS count FROM information_schema.processlist WHERE db = DATABASE()',
  };
  queries['mysql'] = queries['mariadb'];
  const query = queries[sequelize.getDialect()];
  if (query === undefined) return 0;
  const [row] = await sequelize.query<{ count: number | string }>(query, { type: QueryTypes.SELECT });
  return Number(row?.count);
}
