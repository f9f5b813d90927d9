import { DataTypes, Model, Sequelize } from 'sequelize';

import * as sqlite from '../../example-app/src/sqlite.js';
import { modelSerializer } from '../../lib/serializers/serializer.js';

const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
const User = sequelize.define('User', { name: DataTypes.STRING, photo: DataTypes.BLOB }, { timestamps: false });
const Room = sequelize.define('Room', { title: DataTypes.STRING }, { timestamps: false });
Room.belongsTo(User, { as: 'host', foreignKey: 'host_id' });
const users = modelSerializer(User, { fields: ['pk', 'name'] });
class Uninitialised extends Model {}

afterAll(() => sequelize.close());

const HAS = 'User has the attributes id, name, photo, and the relations none.';

/** As JavaScript would call it. */
const given = (options: unknown) => options as never;

it.each([
  [
    'no options',
    () => modelSerializer(User, given(undefined)),
    'Expected the options of modelSerializer() to be an object, got undefined.',
  ],
  [
    'an unknown option, lest a password be shown',
    () => modelSerializer(User, given({ fields: ['id', 'name'], writeonly: ['name'] })),
    'Unknown option `writeonly` for modelSerializer(). Options are: fields, exclude, readOnly, writeOnly, nested, depth, computed, ' +
      'schema, validate, create, update.',
  ],
  [
    'a text for the list of fields',
    () => modelSerializer(User, { fields: given('__all__') }),
    "Serializer of User: expected `fields` to be a list of names, got '__all__'",
  ],
  [
    'neither fields nor exclude',
    () => modelSerializer(User, {}),
    'Serializer of User: expected either `fields` or `exclude`, got none of them',
  ],
  ['both', () => modelSerializer(User, { fields: ['id'], exclude: [] }), 'expected either `fields` or `exclude`, got both'],
  [
    'an unknown field',
    () => modelSerializer(User, { fields: ['id', 'nmae'] }),
    `Serializer of User: expected \`fields\` to name attributes, relations, \`pk\` or computed fields, got "nmae". ${HAS}`,
  ],
  ['a property of every object', () => modelSerializer(User, { fields: ['constructor'] }), 'got "constructor"'],
  [
    'an unknown field to exclude',
    () => modelSerializer(User, { exclude: ['nmae'] }),
    `expected \`exclude\` to name fields, got "nmae". ${HAS}`,
  ],
  [
    'what is not shown among readOnly',
    () => modelSerializer(User, { fields: ['id'], readOnly: ['name'] }),
    'expected `readOnly` to name fields of the serializer, got "name"',
  ],
  [
    'what is not shown among writeOnly',
    () => modelSerializer(User, { fields: ['id'], writeOnly: ['name'] }),
    'expected `writeOnly` to name fields of the serializer, got "name"',
  ],
  [
    'what takes no input among writeOnly',
    () => modelSerializer(User, { fields: ['id', 'name'], writeOnly: ['id'] }),
    'expected `writeOnly` to name fields that take input, got "id"',
  ],
  [
    'one field both read-only and write-only',
    () => modelSerializer(User, { fields: ['name'], readOnly: ['name'], writeOnly: ['name'] }),
    'expected `writeOnly` to name fields that take input, got "name"',
  ],
  [
    'a nested field that is no relation',
    () => modelSerializer(Room, { fields: ['title'], nested: { title: users } }),
    'Serializer of Room: expected `nested` to name relations, got "title". Room has the attributes id, title, host_id, and the relations host.',
  ],
  [
    'a nested serializer of another model',
    () => modelSerializer(Room, { fields: ['host'], nested: { host: modelSerializer(Room, { fields: ['pk'] }) } }),
    'expected `nested.host` to be a serializer of User, got one of Room',
  ],
  [
    'a nested field that is not listed',
    () => modelSerializer(Room, { fields: ['title'], nested: { host: users } }),
    'expected `fields` to list "host", which is nested or computed, got [title]',
  ],
  [
    'a computed field that is not listed',
    () => modelSerializer(User, { fields: ['id'], computed: { shout: () => 'x' } }),
    'expected `fields` to list "shout", which is nested or computed, got [id]',
  ],
  [
    'input for a type that JSON has no form for',
    () => modelSerializer(User, { fields: ['photo'] }),
    'Serializer of User: expected field "photo" to be in `readOnly`, because there is no JSON for its type, got BLOB',
  ],
  [
    'a schema that is none',
    // @ts-expect-error: it has no validate
    () => modelSerializer(User, { fields: ['name'], schema: { '~standard': {} } }),
    'Expected `schema` to follow Standard Schema',
  ],
  [
    'a model before its init',
    () => modelSerializer(Uninitialised, { fields: ['id'] }),
    'Expected a model of Sequelize after its `init` or `define`',
  ],
])('refuses %s at start-up', (_what, define, message) => {
  expect(define).toThrow(TypeError);
  expect(define).toThrow(message);
});

it('takes types without a form in JSON as read-only, and nests rows that have them', async () => {
  await sequelize.sync({ force: true });
  const user = await User.create({ name: 'a', photo: Buffer.from('hi') });
  const room = await Room.create({ title: 'b', host_id: 1 });
  const shown = { id: 1, name: 'a', photo: 'aGk=' };
  expect(await modelSerializer(User, { exclude: [], readOnly: ['photo'] }).serialize(user)).toEqual(shown);
  expect(await modelSerializer(Room, { exclude: ['id', 'title'], depth: 1 }).serialize(room)).toEqual({ host: shown });
});
