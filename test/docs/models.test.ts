import { once } from 'node:events';
import type { Server } from 'node:http';

import type { Channels, Consumer } from 'express-channels';
import { connect } from 'express-channels/testing';
import { DataTypes, type Model, type ModelStatic, Sequelize } from 'sequelize';

import * as sqlite from '../../example-app/src/sqlite.js';
import { codeBlocks, runBlock } from './markdown.js';

const PAGE = 'docs/MODELS.md';
const blocks = codeBlocks(PAGE);
const executed = new Set<number>();
const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });

/** The reader's models. */
const User = sequelize.define('User', {
  username: { type: DataTypes.STRING(30), allowNull: false, unique: true },
  email: { type: DataTypes.STRING, allowNull: false, defaultValue: '' },
  password: { type: DataTypes.STRING, allowNull: false },
});
const Post = sequelize.define('Post', {
  title: { type: DataTypes.STRING(80), allowNull: false },
  published: { type: DataTypes.BOOLEAN, allowNull: false, defaultValue: false },
});
const Comment = sequelize.define('Comment', { text: { type: DataTypes.TEXT, allowNull: false } });
Post.belongsTo(User, { as: 'author', foreignKey: { name: 'authorId', allowNull: false } });
Post.hasMany(Comment, { as: 'comments', foreignKey: { name: 'postId', allowNull: false } });

/** What the blocks so far have introduced. */
let known: Record<string, unknown> = {};
const hash = (password: string) => Promise.resolve(`hash of ${password}`);

/** Runs a block with what those before it have introduced; keeps, and returns, what it introduces itself. */
async function run(section: string, index = 0): Promise<Record<string, unknown>> {
  const inSection = blocks.filter((block) => block.section === section && block.language === 'js');
  const block = inSection[index];
  if (block === undefined) throw new Error(`There is no block ${String(index)} in "${section}".`);
  executed.add(blocks.indexOf(block));
  const require = (name: string): unknown =>
    name === './models.js' ? { Comment, Post, sequelize, User } : jest.requireActual(name);
  const code = block.code.replace('channels.listen', 'const server = channels.listen');
  const declared = [...code.matchAll(/^const (\w+) =|^const \[(\w+)\] =|^import \{ ([^}]*) \}|^import (\w+) /gm)];
  const names = declared.flatMap(([, ...groups]) => groups.filter(Boolean).flatMap((group) => group.split(', ')));
  const values = await runBlock({ ...block, code }, { require, hash, ...known }, names);
  known = { ...known, ...values };
  return values;
}

const act = async (consumer: unknown, frame: object, user?: object) => {
  const client = await connect(consumer as Consumer, user === undefined ? {} : { scope: { user } });
  const reply = await client.request(frame);
  await client.close();
  return reply;
};
const make = (model: ModelStatic<Model>, ...rows: readonly object[]) => Promise.all(rows.map((row) => model.create({ ...row })));

beforeEach(async () => {
  await sequelize.sync({ force: true });
  await make(User, { username: 'ada', password: 'x' });
  known = {};
  const { channels, server } = await run('');
  await once(server as Server, 'listening');
  started.push(channels as Channels);
});
const started: Channels[] = [];
afterEach(() => Promise.all(started.splice(0).map((channels) => channels.close())));
afterAll(() => sequelize.close());

test('the first example answers the frames', async () => {
  const index = blocks.findIndex(({ language }) => language === 'text');
  executed.add(index);
  const client = await connect(known['channels'] as Channels, '/ws/posts');
  for (const line of blocks[index]?.code.trim().split('\n') ?? []) {
    if (line.startsWith('> ')) client.send(line.slice(2));
    else expect(await client.receive()).toEqual(JSON.parse(line.slice(2)));
  }
  await client.close();
});

test('rows look as they are said to', async () => {
  await make(Post, { title: 'Hello World', authorId: 1 });
  await make(Comment, { text: 'a', postId: 1 }, { text: 'b', postId: 1 });
  expect(await run('What a row looks like')).toMatchObject({
    page: { pk: 1, title: 'Hello World', author: { id: 1, username: 'ada' }, comments: [1, 2], slug: 'hello-world' },
  });
});

test('input is checked and stored as it is said to be', async () => {
  await run('Input');
  const { modelConsumer, crud, Account } = known as Record<string, (...given: readonly unknown[]) => unknown>;
  const accounts = modelConsumer?.(User, { serializer: Account, actions: crud?.('create', 'patch') });
  const data = { username: 'eve', password: 'y', email: 'eve@example.org', id: 9 };
  expect(await act(accounts, { action: 'create', data: { ...data, password: 'eve' } })).toMatchObject({
    errors: [{ password: ['Not your name.'] }],
  });
  const shown = { id: 2, username: 'eve', email: '' };
  expect(await act(accounts, { action: 'create', data })).toMatchObject({ data: shown, response_status: 201 });
  expect(await User.findByPk(2)).toMatchObject({ password: 'hash of y' });
  expect(await act(accounts, { action: 'patch', pk: 2, data: { password: 'z' } })).toMatchObject({ data: shown });
  expect(await User.findByPk(2)).toMatchObject({ password: 'hash of z' });
});

test('the queryset holds rows back', async () => {
  const { OwnPosts } = await run('Which rows exist');
  await make(User, { username: 'eve', password: 'x' });
  await make(Post, { title: 'b', authorId: 1 });
  await make(Post, { title: 'a', authorId: 1 });
  await make(Post, { title: 'c', authorId: 2 });
  const list = async (more: object, user?: object) => (await act(OwnPosts, { action: 'list', ...more }, user))['data'];
  expect(await list({}, { id: 1 })).toMatchObject([{ title: 'a' }, { title: 'b' }]);
  expect(await list({ search: 'b' }, { id: 1 })).toMatchObject([{ title: 'b' }]);
  expect(await list({})).toEqual([]);
  expect(await act(OwnPosts, { action: 'list', search: { ne: '' } }, { id: 1 })).toMatchObject({ response_status: 400 });
  expect(await act(OwnPosts, { action: 'retrieve', pk: 3 }, { id: 1 })).toMatchObject({ response_status: 404 });
});

test('actions of one’s own do what they say', async () => {
  const { Desk } = await run('Actions of your own');
  await make(Post, { title: 'a', authorId: 1 });
  await make(Post, { title: 'b', authorId: 1 });
  expect(await act(Desk, { action: 'publish', pk: 1 })).toMatchObject({ data: { id: 1, published: true } });
  expect(await act(Desk, { action: 'publish', pk: 7 })).toMatchObject({ response_status: 404 });
  expect(await act(Desk, { action: 'comment', pk: 2, text: 'hi' })).toMatchObject({ data: { id: 2, published: true } });
  expect(await act(Desk, { action: 'comment', pk: 2 })).toMatchObject({ response_status: 400 });
  expect(await Comment.count()).toBe(1);
});

test('rows are looked up by a name', async () => {
  await run('What a row looks like');
  const { Profiles } = await run('Looking up');
  expect(await act(Profiles, { action: 'retrieve', name: 'ada' })).toMatchObject({ data: { id: 1, username: 'ada' } });
});

test('lists have pages, and are streamed', async () => {
  const { PagedPosts, LatestComments } = await run('Pages');
  const { byNumber } = await run('Pages', 1);
  const { Feed } = await run('Streamed lists');
  await make(Post, { title: 'a', authorId: 1 });
  for (const text of ['a', 'b', 'c']) await make(Comment, { text, postId: 1 });
  expect(await act(PagedPosts, { action: 'list', limit: 500 })).toMatchObject({ data: { count: 1, limit: 100, offset: 0 } });
  expect(await act(LatestComments, { action: 'list', after: 3 })).toMatchObject({
    data: { results: [{ id: 2 }, { id: 1 }], limit: 50, next: null },
  });
  const { modelConsumer, crud, PostSerializer } = known as Record<string, (...given: readonly unknown[]) => unknown>;
  const numbered = modelConsumer?.(Post, { serializer: PostSerializer, actions: crud?.('list'), pagination: byNumber });
  expect(await act(numbered, { action: 'list' })).toMatchObject({ data: { page: 1, of: 1, results: [{ id: 1 }] } });
  const client = await connect(Feed as Consumer);
  expect(await client.request({ action: 'list' })).toMatchObject({ data: { results: [{ id: 1 }, { id: 2 }], next: 2 } });
  expect(await client.receive()).toMatchObject({ data: { results: [{ id: 3 }], next: null } });
  await client.close();
});

test('every block of the page is executed', () => {
  expect(blocks.filter((_block, index) => !executed.has(index)).map(({ section }) => section)).toEqual([]);
});
