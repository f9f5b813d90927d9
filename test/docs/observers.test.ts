import type { EventEmitter } from 'node:events';

import { type Channels, type Consumer, defineConsumer } from 'express-channels';
import { connect } from 'express-channels/testing';
import { DataTypes, Sequelize } from 'sequelize';

import * as sqlite from '../../example-app/src/sqlite.js';
import { codeBlocks, runBlock } from './markdown.js';

const PAGE = 'docs/OBSERVERS.md';
const blocks = codeBlocks(PAGE).filter(({ language }) => language === 'js');
const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });

/** The reader's models. */
const Post = sequelize.define(
  'Post',
  { title: { type: DataTypes.STRING, allowNull: false } },
  { tableName: 'posts', timestamps: false },
);
const Comment = sequelize.define('Comment', { text: { type: DataTypes.TEXT, allowNull: false } });
Post.hasMany(Comment, { foreignKey: { name: 'postId', allowNull: false } });
const Employee = sequelize.define('Employee', { name: DataTypes.STRING, salary: DataTypes.INTEGER });

let known: Record<string, unknown> = {};
const executed = new Set<string>();

/** Runs the only block of a section, with what those before it have introduced. */
async function run(section: string, names: readonly string[], more: object = {}): Promise<Readonly<Record<string, unknown>>> {
  const [block, ...others] = blocks.filter((one) => one.section === section);
  if (block === undefined || others.length > 0) throw new Error(`Expected one block in "${section}".`);
  executed.add(section);
  const require = (name: string): unknown => (name === './models.js' ? { Comment, Post } : jest.requireActual(name));
  const values = await runBlock(block, { require, sequelize, Employee, Post, ...known, ...more }, names);
  known = { ...known, ...values };
  return values;
}

beforeAll(() => sequelize.sync());
afterAll(async () => {
  await (known['channels'] as Channels).close();
  await sequelize.close();
});

it('the example follows the comments of a post, from their present state on, as the transcript shows', async () => {
  const { channels } = await run('Rows of a model, in groups', ['channels', 'modelObserver']);
  const transcript = codeBlocks(PAGE).find(({ language }) => language === 'text')?.code ?? '';
  const [sent = '', ...expected] = transcript
    .trim()
    .split('\n')
    .map((line) => line.slice(2));
  for (let id = 1; id <= 5; id += 1) await Post.create({ id, title: 'x' });
  const client = await connect(channels as Channels, '/ws/posts');
  client.send(sent);
  expect([await client.receive(), await client.receive()]).toEqual(
    expected.slice(0, 2).map((line) => JSON.parse(line) as unknown),
  );
  await Comment.create({ postId: 5, text: 'Hello' });
  expect(await client.receive()).toEqual(JSON.parse(expected[2] ?? ''));
  await client.close();
});

it('a signal goes to its owner', async () => {
  const { jobs, Jobs } = await run('Signals', ['jobs', 'Jobs']);
  const client = await connect(Jobs as Consumer, { scope: { user: { id: 7 } } });
  await client.request({ action: 'follow', request_id: 1 });
  (jobs as EventEmitter).emit('finished', { id: 1, owner: 8 });
  (jobs as EventEmitter).emit('finished', { id: 2, owner: 7 });
  expect(await client.receive()).toMatchObject({ action: 'finished', data: { id: 2 }, request_id: 1 });
  await client.close();
});

it('accountants see salaries, others do not', async () => {
  const { salaries } = await run('Who may see what', ['salaries']);
  const { subscribe } = salaries as { subscribe: (ctx: object) => Promise<unknown> };
  const Staff = defineConsumer({ actions: { follow: (ctx) => subscribe.call(salaries, ctx) } });
  const clients = await Promise.all(['accountant', 'cook'].map((role) => connect(Staff, { scope: { user: { role } } })));
  for (const client of clients) await client.request({ action: 'follow', request_id: 1 });
  await Employee.create({ name: 'Ada', salary: 5 });
  const seen = await Promise.all(clients.map((client) => client.receive()));
  expect(seen.map(({ data }) => data)).toEqual([
    { pk: 1, name: 'Ada', salary: 5 },
    { pk: 1, name: 'Ada' },
  ]);
  for (const client of clients) await client.close();
});

it('rows that were written past the ORM are told by notify', async () => {
  const client = await connect(known['channels'] as Channels, '/ws/posts');
  await client.request({ action: 'subscribe_instance', request_id: 1, pk: 5 });
  await run('Writes past the ORM', []);
  expect(await client.receive()).toMatchObject({ action: 'update', data: { pk: 5, title: 'News' } });
  await client.close();
});

it('all blocks were executed', () => {
  expect(blocks.map(({ section }) => section)).toEqual([...executed]);
});
