import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { promisify } from 'node:util';

import express, { type RequestHandler } from 'express';
import { createChannels, crud, modelConsumer, modelObserver, modelSerializer, viewAsConsumer } from 'express-channels';
import { DataTypes, Model, Sequelize } from 'sequelize';

import * as sqlite from '../../example-app/src/sqlite.js';
import { portOf } from '../support/socket-client.js';
import { holdSection, thrownBy } from './troubleshooting-page.js';

const app = express();
const users = express.Router();
const answer: RequestHandler = (_req, res) => void res.json('done');
users.get('/', answer).get('/:id', answer);
const requireLogin: RequestHandler = (req, res, next) => {
  if (req.isAuthenticated()) next();
  else res.sendStatus(401);
};
/** As JavaScript would call it. */
const given = (value: unknown) => value as never;

const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
const Post = sequelize.define('Post', { title: DataTypes.STRING, authorId: DataTypes.INTEGER });

const postOf = (database: Sequelize) => database.define('Post', { title: DataTypes.STRING });
/** Enough of a driver to build a Sequelize with. */
const driver = { CLOB: 1, BLOB: 2 };
class Sequelize7 extends Sequelize {
  static readonly version = '7.0.0-alpha.47';
}

/** Two of one program, as processes of their own: an error that nobody listens for ends them. */
async function messageOfTakenPort(): Promise<string> {
  const other = createServer().listen(0, '127.0.0.1');
  const port = await portOf(other);
  const program = `
    import { createChannels } from './lib/index.ts';
    createChannels().listen(${port}, '127.0.0.1');
  `;
  const args = ['--import', './test/wire/typescript.mjs', '--input-type=module', '--eval', program];
  const failure: unknown = await promisify(execFile)(process.execPath, args).catch((error: unknown) => error);
  const [, message = ''] = /^Error: (.*)$/m.exec(String(Reflect.get(Object(failure), 'stderr'))) ?? [];
  other.close();
  return message.replace(String(port), '8000');
}

holdSection('Starting', {
  'The port is taken': messageOfTakenPort,
  'attach() was given the app': () => thrownBy(() => createChannels(app).attach(given(app))),
  'createChannels() was given the server': () => thrownBy(() => createChannels(given(createServer(app)))),
  'attach() was called twice': () => {
    const server = createServer(app);
    return thrownBy(() => createChannels(app).attach(server).attach(server));
  },
  'A path was given to two consumers': () =>
    thrownBy(() => createChannels(app).route('/ws/users', viewAsConsumer(users)).route('/ws/users', viewAsConsumer(users))),
  'A router was given to route()': () => thrownBy(() => createChannels(app).route('/ws/users', given(users))),
  'A router has no routes yet': () => thrownBy(() => viewAsConsumer(express.Router())),
  'An action has no route': () => thrownBy(() => viewAsConsumer(users, { publish: 'POST /:id/publish' })),
  'A guard is no permission': () => thrownBy(() => viewAsConsumer(users, undefined, { permissions: [given(requireLogin)] })),
  'An option is unknown': () => thrownBy(() => createChannels(app, given({ origin: ['https://app.example.com'] }))),
  'A model is not initialised': () => {
    class Post extends Model {}
    return thrownBy(() => modelConsumer(Post, given({ serializer: undefined, actions: crud('list') })));
  },
  'A model has no primary key': () => {
    const Entry = sequelize.define('Entry', { text: DataTypes.STRING });
    Entry.removeAttribute('id');
    return thrownBy(() =>
      modelConsumer(Entry, { serializer: modelSerializer(Entry, { fields: ['text'] }), actions: crud('list') }),
    );
  },
  'A database is not supported': () =>
    thrownBy(() => modelObserver(postOf(new Sequelize({ dialect: 'mssql', dialectModule: driver })))),
  'A model is one of Sequelize 7': () => thrownBy(() => modelObserver(postOf(new Sequelize7({ dialect: 'postgres' })))),
  'crud() does not know the action': () => thrownBy(() => crud(given('lsit'))),
  'A serializer has no such field': () => thrownBy(() => modelSerializer(Post, { fields: ['id', 'title', 'author'] })),
});
