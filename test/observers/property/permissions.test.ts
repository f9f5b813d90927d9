import { type InferCreationAttributes, type ModelStatic, Sequelize, type Transaction } from 'sequelize';

import * as sqlite from '../../../example-app/src/sqlite.js';
import { type Postgres, postgresMissing, startPostgres } from '../../support/postgres.js';
import { type Random, seeded } from '../../support/random.js';
import { describeRequiring } from '../../support/requirement.js';
import { listen, until } from '../../support/socket-client.js';
import { defineDocs, type Doc, LAST_ROOM, serveDocs } from './docs.js';
import { Oracle, type Role, type State } from './oracle.js';
import { Reader } from './reader.js';

type Content = Omit<InferCreationAttributes<Doc>, 'id'>;

/** How many random writes; `npm run bench:permissions` asks for more. */
const WRITES = Number(process.env['PERMISSIONS_WRITES'] ?? 250);
const USERS = 100;
const ROOMS = 8;

/** Random writes, role changes and subscriptions, one after the other, while their events are on the way. */
class Play {
  readonly oracle = new Oracle();
  readonly readers: Reader[] = [];
  readonly faults: string[] = [];
  readonly #docs: ModelStatic<Doc>;
  readonly #sequelize: Sequelize;
  readonly #random: Random;
  readonly #port: number;
  #stamp = 0;
  #lastId = 0;
  writes = 0;
  changes = 0;
  received = 0;

  constructor(docs: ModelStatic<Doc>, sequelize: Sequelize, random: Random, port: number) {
    this.#docs = docs;
    this.#sequelize = sequelize;
    this.#random = random;
    this.#port = port;
  }

  async begin(): Promise<void> {
    this.#lastId = (await this.#docs.create({ ...this.#content(), room: LAST_ROOM, owner: 0 })).id;
    for (let user = 1; user <= USERS; user += 1) {
      this.oracle.roleChanged(user, this.#role());
      this.readers.push(await Reader.open(this.#port, user, this.oracle));
    }
  }

  async step(): Promise<void> {
    const kind = this.#random.integer(1, 14);
    if (kind <= 4) await this.#commit(() => this.#write(null));
    else if (kind <= 6) await this.#transaction();
    else if (kind <= 9) await this.#read();
    else {
      this.changes += 1;
      this.oracle.roleChanged(this.#random.integer(1, USERS), this.#role());
    }
  }

  /** Resolves when everything that was caused so far has arrived. */
  async arrived(): Promise<void> {
    await until(() => this.readers.every(({ isWaiting }) => !isWaiting), 20_000);
    const { stamp, secret } = this.#content();
    await this.#docs.update({ stamp, secret }, { where: { id: this.#lastId } });
    await until(() => this.readers.every(({ last }) => last === stamp), 20_000);
  }

  /** Every row is written once more, so that nobody's knowledge depends on roles of the past. */
  async end(): Promise<void> {
    await this.arrived();
    await this.#commit(() => this.#docs.update(this.#withoutRoom(), { where: { owner: all } }));
    await this.arrived();
    for (const reader of this.readers) this.#leave(reader);
  }

  async #read(): Promise<void> {
    const index = this.#random.integer(0, USERS - 1);
    const reader = this.readers[index];
    if (reader === undefined) return;
    const [open] = reader.open;
    const kind = this.#random.integer(0, 9);
    if (kind === 0) {
      reader.close();
      this.#leave(reader);
      this.readers[index] = await Reader.open(this.#port, reader.user, this.oracle);
    } else if (kind === 1 && open !== undefined) reader.unfollow(open[0], open[1].topic);
    else if (kind < 6) reader.follow({ kind: 'room', room: this.#random.integer(1, ROOMS) });
    else if (kind < 7) reader.follow({ kind: 'own' });
    else reader.follow({ kind: 'instance', id: this.#random.integer(1, Math.max(2, this.#stamp / 2)) });
  }

  #leave({ faults, received }: Reader): void {
    this.faults.push(...faults);
    this.received += received;
  }

  async #transaction(): Promise<void> {
    // SQLite in memory has one connection: what is read meanwhile would be read in the transaction.
    if (this.#sequelize.getDialect() === 'sqlite') await this.arrived();
    const transaction = await this.#sequelize.transaction();
    const written: State[] = [];
    for (let left = this.#random.integer(1, 4); left > 0; left -= 1) {
      written.push(...(await this.#docs.findAll({ raw: true, transaction })));
      if (this.#random.integer(0, 2) === 0) {
        const savepoint = await this.#sequelize.transaction({ transaction });
        await this.#write(savepoint);
        await (this.#random.integer(0, 1) === 0 ? savepoint.rollback() : savepoint.commit());
      } else await this.#write(transaction);
    }
    if (this.#random.integer(0, 2) === 0) await transaction.rollback();
    else await this.#commit(() => transaction.commit(), written);
  }

  async #commit(commit: () => Promise<unknown>, written: readonly State[] = []): Promise<void> {
    await this.oracle.during(async () => {
      await commit();
      return (await this.#docs.findAll({ raw: true })).filter(({ room }) => room !== LAST_ROOM);
    }, written);
  }

  async #write(transaction: Transaction | null): Promise<unknown> {
    this.writes += 1;
    const docs = this.#docs;
    const random = this.#random;
    const options = { transaction };
    const rows = await docs.findAll({ where: { owner: all }, order: ['id'], transaction });
    const [one, other] = [rows[random.integer(0, rows.length - 1)], rows[random.integer(0, rows.length - 1)]];
    if (one === undefined || other === undefined || rows.length < 20) return docs.bulkCreate(this.#contents(5), options);
    const id = [one.id, other.id];
    const where = { id };
    const writes = [
      () => docs.create(this.#content(), options),
      () => docs.bulkCreate(this.#contents(3), options),
      () => one.update(this.#content(), options),
      () => one.update(this.#withoutRoom(), options),
      () => one.set(this.#content()).save(options),
      () => docs.update(this.#content(), { where, ...options }),
      () => docs.update(this.#withoutRoom(), { where: { room: one.room }, ...options }),
      () => docs.upsert({ id: one.id, ...this.#content() }, options),
      () => one.destroy(options),
      () => docs.destroy({ where, ...options }),
    ];
    return writes[random.integer(0, rows.length > 60 ? writes.length - 1 : writes.length - 2)]?.();
  }

  #contents(count: number): Content[] {
    return Array.from({ length: count }, () => this.#content());
  }

  #content(): Content {
    const [room, owner] = [this.#random.integer(1, ROOMS), this.#random.integer(1, USERS)];
    return { room, owner, ...this.#withoutRoom() };
  }

  #withoutRoom(): { stamp: number; secret: string } {
    this.#stamp += 1;
    return { stamp: this.#stamp, secret: `secret ${this.#stamp}` };
  }

  #role(): Role {
    const rooms = Array.from({ length: ROOMS }, (_, index) => index + 1).filter(() => this.#random.integer(0, 2) > 0);
    return { rooms: new Set(rooms), isStaff: this.#random.integer(0, 1) === 1 };
  }
}

const all = Array.from({ length: USERS }, (_, index) => index + 1);

async function play(sequelize: Sequelize): Promise<void> {
  const dialect = sequelize.getDialect();
  const random = seeded(`random roles on ${dialect}`);
  const docs = defineDocs(sequelize);
  await sequelize.sync({ force: true });
  const holder: { oracle?: Oracle } = {};
  const { channels, errors } = serveDocs(docs, (user) => {
    if (holder.oracle === undefined) throw new Error('The play has not begun.');
    return holder.oracle.roleOf(user);
  });
  const game = new Play(docs, sequelize, random, await listen(channels));
  holder.oracle = game.oracle;
  await game.begin();
  while (game.writes < WRITES) await game.step();
  await game.end();
  process.stderr.write(
    `${dialect}: ${game.writes} writes, ${game.changes} changes of roles, ${game.received} frames received, ` +
      `${game.faults.length} of them forbidden\n`,
  );
  expect(game.faults.slice(0, 10)).toEqual([]);
  expect(game.readers.flatMap((reader) => reader.differences()).slice(0, 10)).toEqual([]);
  expect(errors).toEqual([]);
  for (const reader of game.readers) reader.close();
}

const name = `of ${WRITES} random writes nobody receives what is not theirs, and everybody what is`;
const TIMEOUT_MS = 60_000 + WRITES * 100;

describe('on SQLite', () => {
  const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
  afterAll(() => sequelize.close());
  test(name, () => play(sequelize), TIMEOUT_MS);
});

describeRequiring(postgresMissing, 'on PostgreSQL', () => {
  let postgres: Postgres;
  let sequelize: Sequelize;
  beforeAll(async () => {
    postgres = await startPostgres();
    sequelize = new Sequelize(postgres.url, { logging: false });
  }, 30_000);
  afterAll(async () => {
    await sequelize.close();
    await postgres.stop();
  });
  test(name, () => play(sequelize), TIMEOUT_MS);
});
