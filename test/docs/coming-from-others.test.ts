import type { RequestHandler } from 'express';
import type { Channels } from 'express-channels';
import { connect } from 'express-channels/testing';
import { DataTypes, Sequelize } from 'sequelize';

import * as sqlite from '../../example-app/src/sqlite.js';
import { type CodeBlock, codeBlocks, runBlock } from './markdown.js';
import { playTranscript } from './transcript.js';

const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
const User = sequelize.define('User', { name: DataTypes.STRING });
const Message = sequelize.define('Message', { text: DataTypes.STRING, roomId: DataTypes.INTEGER });

/** The reader's login: Ada is in room 1. */
const login: RequestHandler = (req, _res, next) => {
  Object.assign(req, { user: { id: 1, rooms: [1] } });
  next();
};

const globals = {
  login,
  require: (name: string): unknown => (name === './models.js' ? { Message, User } : jest.requireActual(name)),
};

beforeAll(async () => {
  await sequelize.sync();
  await User.create({ name: 'Ada' });
});
const opened: Channels[] = [];

afterEach(() => Promise.all(opened.splice(0).map((channels) => channels.close({ timeoutMs: 1 }))));
afterAll(() => sequelize.close());

/** Runs an example, whose channels are closed behind the test. */
async function serve(example: CodeBlock): Promise<Channels> {
  const { channels } = await runBlock(example, globals, ['channels']);
  opened.push(channels as Channels);
  return channels as Channels;
}

/** The blocks that are ours, and the transcripts; the others show what the reader comes from. */
function ours(page: string): readonly CodeBlock[] {
  const blocks = codeBlocks(page);
  const known = blocks.filter(({ language, code }) => language === 'text' || code.startsWith('// express-channels'));
  const theirs = blocks.filter((block) => !known.includes(block) && !/^\/\/ (Sails|Feathers|express-ws)\b/.test(block.code));
  expect(theirs).toEqual([]);
  return known;
}

test.each([
  { page: 'docs/COMING-FROM-EXPRESS-WS.md', path: '/chat/lobby' },
  { page: 'docs/COMING-FROM-FEATHERS.md', path: '/ws/messages' },
])('$page: the example answers as it is shown', async ({ page, path }) => {
  const [example, transcript, ...others] = ours(page);
  if (example === undefined || transcript === undefined) throw new Error(`Expected an example and a transcript in ${page}.`);
  expect(others).toEqual([]);
  const client = await connect(await serve(example), path);
  await playTranscript(client, transcript.code);
  await client.receiveNothing();
});

test('docs/COMING-FROM-SAILS.md: the examples answer as they are shown', async () => {
  const [users, transcript, room, ...others] = ours('docs/COMING-FROM-SAILS.md');
  if (users === undefined || transcript === undefined || room === undefined) throw new Error('Expected three blocks.');
  expect(others).toEqual([]);
  const channels = await serve(users);
  const client = await connect(channels, '/ws/users');
  await playTranscript(client, transcript.code);
  await client.receiveNothing();

  await runBlock(room, { ...globals, channels }, []);
  const said = await connect(channels, '/ws/say');
  expect(await said.request({ action: 'hello', request_id: 1 })).toMatchObject({ data: { anyData: 'we want to send back' } });
  expect(await said.receive()).toMatchObject({ action: 'hello', data: { howdy: 'hi there!' } });
});
