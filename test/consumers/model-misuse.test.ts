import { crud, keyset, limitOffset, modelConsumer, modelSerializer, streamedList } from 'express-channels';
import { DataTypes, Model, Sequelize } from 'sequelize';

import * as sqlite from '../../example-app/src/sqlite.js';

const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
const Post = sequelize.define('Post', {
  title: { type: DataTypes.STRING, allowNull: false, unique: true },
  slug: { type: DataTypes.STRING, unique: true },
  site: { type: DataTypes.INTEGER, allowNull: false, unique: 'place' },
  place: { type: DataTypes.INTEGER, allowNull: false, unique: 'place' },
  code: { type: DataTypes.STRING, allowNull: false },
  data: DataTypes.JSON,
  blob: DataTypes.BLOB,
  upper: { type: DataTypes.VIRTUAL, get: () => 'x' },
}, { indexes: [{ unique: true, fields: ['code'] }] }); // prettier-ignore
const User = sequelize.define('User', {});
const Seat = sequelize.define('Seat', {
  row: { type: DataTypes.INTEGER, primaryKey: true },
  place: { type: DataTypes.INTEGER, primaryKey: true },
});
const Log = sequelize.define('Log', { text: DataTypes.TEXT });
Log.removeAttribute('id');
class Unborn extends Model {}

const serializer = modelSerializer(Post, { fields: ['pk'] });
const serializerOf = (model: typeof Post) =>
  modelSerializer(model, { fields: [...Object.keys(model.getAttributes())].slice(0, 1) });
/** As JavaScript calls it. */
const make = (...given: readonly unknown[]): unknown => Reflect.apply(modelConsumer, undefined, given);
const call = (of: (...given: never) => unknown, ...given: readonly unknown[]): unknown => Reflect.apply(of, undefined, given);

afterAll(() => sequelize.close());

describe('what cannot be meant is told at start-up', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['no model', () => make(undefined, {}), /^Expected the model of modelConsumer\(\) to be a Sequelize model after its `init` or `define`, got undefined\.$/], // prettier-ignore
    ['an object for a model', () => make({}, {}), /to be a Sequelize model/],
    ['a model before its init', () => make(Unborn, { serializer }), /after its `init` or `define`, got \[Function: Unborn\]/],
    [
      'no definition',
      () => make(Post),
      /^Expected a definition such as \{ serializer, actions \} for modelConsumer\(\), got undefined\.$/,
    ],
    ['a serializer for a definition', () => make(Post, serializer), /./],
    [
      'no serializer',
      () => make(Post, { actions: {} }),
      /^Expected `serializer` to be a modelSerializer\(Post, …\), got undefined\.$/,
    ],
    [
      'a function for a serializer',
      () => make(Post, { serializer: () => 1 }),
      /`serializer` to be a modelSerializer\(Post, …\), got \[Function/,
    ],
    [
      'a serializer of another model',
      () => make(User, { serializer }),
      /^Expected `serializer` to be one of User, got one of Post\.$/,
    ],
    [
      'a serializer of the table of another schema',
      () => make(Post.schema('other'), { serializer }),
      /^Expected `serializer` to be one of Post/,
    ],
    [
      'an unknown option',
      () => make(Post, { serializer, querySet: () => ({}) }),
      /^Unknown option `querySet` for modelConsumer\(\)\. Options are: .*queryset/,
    ],
    [
      'a queryset that is no function',
      () => make(Post, { serializer, queryset: {} }),
      /^Expected `queryset` to be a function, got \{\}\.$/,
    ],
    [
      'a pagination that is no function',
      () => make(Post, { serializer, pagination: { limit: 2 } }),
      /^Expected `pagination` to be a function/,
    ],
    [
      'a pagination that was not called',
      () => make(Post, { serializer, pagination: limitOffset }),
      /the options of limitOffset\(\) to be an object/,
    ],
    [
      'a pagination that makes nothing',
      () => make(Post, { serializer, pagination: () => undefined }),
      /^Expected what `pagination` returns to be a function/,
    ],
    [
      'actions that were not called',
      () => make(Post, { serializer, actions: crud }),
      /^Expected `actions` to be an object, got \[Function: crud\]\.$/,
    ],
    ['a list of actions', () => make(Post, { serializer, actions: ['list'] }), /^Expected `actions` to be an object/],
    ['handlers of groups that are none', () => make(Post, { serializer, on: [] }), /^Expected `on` to be an object/],
    [
      'an action that is none',
      () => make(Post, { serializer, actions: { publish: 'publish' } }),
      /`actions\.publish` to be a function/,
    ],
    [
      'a look-up by no column',
      () => make(Post, { serializer, lookupField: 'name' }),
      /^Expected `lookupField` to be a column of Post .*, got "name"\. It has id, title/,
    ],
    [
      'a look-up by a column of no database',
      () => make(Post, { serializer, lookupField: 'upper' }),
      /a column of Post that a text or a number is compared with/,
    ],
    [
      'a look-up by JSON',
      () => make(Post, { serializer, lookupField: 'data' }),
      /that a text or a number is compared with, got "data"/,
    ],
    [
      'a look-up by bytes',
      () => make(Post, { serializer, lookupField: 'blob' }),
      /that a text or a number is compared with, got "blob"/,
    ],
    ...['', 'action', 'request_id', 'data', 7].map((lookupKey): [string, () => unknown, RegExp] => [
      `the look-up key ${JSON.stringify(lookupKey)}`,
      () => make(Post, { serializer, lookupKey }),
      /^Expected `lookupKey` to be a key of the frame other than/, // prettier-ignore
    ]),
    [
      'a primary key of two columns',
      () => make(Seat, { serializer: serializerOf(Seat) }),
      /^Expected Seat to have a primary key of one column, or a `lookupField`, got row and place together\.$/,
    ],
    [
      'no primary key',
      () => make(Log, { serializer: serializerOf(Log) }),
      /^Expected Log to have a primary key of one column, or a `lookupField`, got none\.$/,
    ],
    [
      'no names for crud',
      () => crud(),
      /^Expected the names for crud\(\) to be some of list, retrieve, create, update, patch, delete/,
    ],
    ['an unknown name for crud', () => call(crud, 'list', 'lst'), /some of list.*, got 'lst'\.$/],
    [
      'a limit of no rows',
      () => limitOffset({ limit: 0 }),
      /^Expected `limit` of limitOffset\(\) to be a positive integer, got 0\.$/,
    ],
    [
      'a limit that is a text',
      () => call(limitOffset, { limit: '3' }),
      /`limit` of limitOffset\(\) to be a positive integer, got '3'/,
    ],
    ['half a row', () => limitOffset({ max: 1.5 }), /`max` of limitOffset\(\)/],
    [
      'a limit above the maximum',
      () => limitOffset({ limit: 9, max: 3 }),
      /^Expected `limit` of limitOffset\(\) to be at most `max`, 3, got 9\.$/,
    ],
    [
      'an unknown option of limitOffset',
      () => call(limitOffset, { size: 3 }),
      /^Unknown option `size` for limitOffset\(\)\. Options are: limit, max\.$/,
    ],
    [
      'an unknown option of keyset',
      () => call(keyset, { order: 'id' }),
      /^Unknown option `order` for keyset\(\)\. Options are: limit, max, by, descending\.$/,
    ],
    ['keys above the maximum', () => keyset({ limit: 9, max: 3 }), /`limit` of keyset\(\) to be at most `max`/],
    ...['slug', 'site', 'name', 'data'].map((by): [string, () => unknown, RegExp] => [
      `pages by ${by}`,
      () => make(Post, { serializer, pagination: keyset({ by }) }),
      /^Expected `by` of keyset\(\) for Post to be a column that is unique and never null, got /, // prettier-ignore
    ]),
    [
      'pages by a part of a key',
      () => make(Seat, { serializer: serializerOf(Seat), lookupField: 'row', pagination: keyset() }),
      /a column that is unique and never null, got 'row'/,
    ],
    ...[-1, NaN, Infinity, '5'].map((pauseMs): [string, () => unknown, RegExp] => [
      `a pause of ${String(pauseMs)}`,
      () => call(streamedList, { pauseMs }),
      /^Expected `pauseMs` to be a number of milliseconds, got /, // prettier-ignore
    ]),
    [
      'an unknown option of streamedList',
      () => call(streamedList, { pause: 5 }),
      /^Unknown option `pause` for streamedList\(\)\. Options are: pauseMs\.$/,
    ],
  ])('%s', (_what, misuse, message) => {
    expect(misuse).toThrow(TypeError);
    expect(misuse).toThrow(message);
  });
});

it('what can be meant is taken', () => {
  for (const by of ['id', 'title', 'code']) make(Post, { serializer, pagination: keyset({ by, max: 5 }) });
  make(Post.scope([]), { serializer, actions: crud('list') });
  make(Post, { serializer: modelSerializer(Post.unscoped(), { fields: ['pk'] }) });
  make(Log, { serializer: serializerOf(Log), lookupField: 'text', actions: { ...crud('list'), ...streamedList() } });
});
