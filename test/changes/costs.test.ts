import { until } from '../support/socket-client.js';
import { Note, onEachDatabase, record, Room, Thing, User } from './databases.js';

const row = { name: 'b', ownerId: null };

/** What docs/GUARANTEES.md says that a write costs: SELECTs without groups, with groups, and without groups on PostgreSQL. */
const costs: readonly [
  name: string,
  write: (row: Thing) => Promise<unknown>,
  without: number,
  groups: number,
  onPostgres: number,
][] = [
  ['create', () => Thing.create(row), 0, 0, 0],
  ['bulkCreate', () => Thing.bulkCreate([row, row]), 0, 0, 0],
  ['save', (one) => one.update(row), 0, 1, 0],
  ['destroy', (one) => one.destroy(), 1, 1, 1],
  ['upsert', () => Thing.upsert({ id: 1, ...row }), 1, 1, 0],
  ['a static update by the primary key', () => Thing.update(row, { where: { id: [1] } }), 0, 1, 0],
  ['a static update', () => Thing.update(row, { where: { name: 'a' } }), 1, 1, 0],
  ['a static destroy', () => Thing.destroy({ where: { id: 1 } }), 1, 1, 1],
  ['increment', () => Thing.increment('counter', { where: { id: 1 } }), 0, 1, 0],
];

onEachDatabase(({ sequelize, statements, dialect }) => {
  beforeEach(() => Thing.create({ name: 'a', ownerId: null }));

  const extra = (): string[] => statements.filter((sql) => /^(SELECT [`"]|SELECT count|SAVEPOINT)/.test(sql));

  test.each(costs)('%s costs what is said, and a SELECT after the commit', async (_name, write, without, groups, onPostgres) => {
    for (const [needsBefore, cost] of [
      [false, dialect === 'postgres' ? onPostgres : without],
      [true, groups],
    ] as const) {
      await Thing.upsert({ id: 1, name: 'a', ownerId: null });
      const one = await Thing.findByPk(1, { rejectOnEmpty: true });
      const recording = record(Thing, { needsBefore });
      statements.length = 0;
      await write(one);
      await until(() => recording.changes.length > 0);
      expect(extra()).toHaveLength(cost + 1);
      recording.end();
    }
  });

  test('what nobody wants costs no statement', async () => {
    const recording = record(Thing, { needsBefore: true });
    recording.isWanted = false;
    statements.length = 0;
    await Thing.create({ name: 'b', ownerId: null });
    await Thing.update({ name: 'c' }, { where: { counter: 0 } });
    await Thing.increment('counter', { where: { counter: 0 } });
    await Thing.destroy({ where: { counter: 0 } });
    for (let turn = 0; turn < 5; turn += 1) await sequelize().query('SELECT 1');
    expect(extra()).toEqual([]);
  });

  test('a look-up within a transaction costs no savepoint', async () => {
    const recording = record(Thing, { needsBefore: true });
    statements.length = 0;
    await sequelize().transaction((transaction) => Thing.update(row, { where: { name: 'a' }, transaction }));
    await until(() => recording.changes.length > 0);
    expect(extra()).toHaveLength(2);
  });

  test('the rows of all that is committed meanwhile are read by one SELECT', async () => {
    const recording = record(Thing);
    statements.length = 0;
    await Promise.all(Array.from({ length: 30 }, () => Thing.create(row)));
    await until(() => recording.changes.length === 30);
    expect(extra().length).toBeLessThan(15);
  });

  /** Writes of which nobody can say which rows they have changed. */
  const unknown: readonly [name: string, on: 'postgres' | 'others', write: () => Promise<unknown>][] = [
    ['a bulkCreate of which some rows name their key', 'others', () => Thing.bulkCreate([{ id: 9, ...row }, row])],
    [
      'a bulkCreate with ignoreDuplicates of which some rows have nothing unique',
      'others',
      () => Thing.bulkCreate([{ id: 1, ...row }, row], { ignoreDuplicates: true }),
    ],
    ['a create whose key is not returned', 'postgres', () => Thing.create(row, { returning: false })],
    ['a bulkCreate whose keys are not returned', 'postgres', () => Thing.bulkCreate([row], { returning: false })],
  ];

  test.each(unknown.filter(([, on]) => on === (dialect === 'postgres' ? 'postgres' : 'others')))(
    '%s is told as a gap',
    async (_name, _on, write) => {
      const recording = record(Thing);
      await write();
      await until(() => recording.missedTimes === 1);
      expect(recording).toMatchObject({ changes: [], errors: [] });
    },
  );

  test.each([1, 2])(
    'a SELECT of ours that fails as number %i spoils no write, is reported, and is told as a gap',
    async (which) => {
      const recording = record(Note);
      let selects = 0;
      sequelize().addHook('beforeQuery', 'mine', (options) => {
        if (Reflect.get(options, 'type') === 'SELECT' && (selects += 1) === which) throw new Error('no SELECT');
      });
      await Note.upsert({ text: 'n' });
      await until(() => recording.missedTimes > 0);
      sequelize().removeHook('beforeQuery', 'mine');
      expect(await Note.count()).toBe(1);
      expect(recording.errors.map(String)).toEqual(['Error: no SELECT']);
    },
  );

  test('a failed write of a list does not keep later ones back', async () => {
    const [lobby] = await Promise.all([Room.create({ name: 'lobby' }), User.create({ username: 'ann' })]);
    const recording = record(Room, { manyToMany: Object.values(Room.associations) });
    await lobby.addUsers([1]);
    const link = Reflect.get(Room.associations['users'] ?? {}, 'through') as { model: typeof Room };
    await expect(link.model.update({ UserId: null } as never, { where: {}, validate: false })).rejects.toThrow();
    await lobby.removeUsers([1]);
    await until(() => recording.changes.length === 2);
  });
});
