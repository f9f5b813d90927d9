import { DataTypes, type Model, type ModelStatic, ValidationError as SequelizeValidationError } from 'sequelize';

import { toActionError } from '../../lib/serializers/constraint-errors.js';
import { modelSerializer } from '../../lib/serializers/serializer.js';
import { NotFound, ValidationError } from '../../lib/protocol/errors.js';
import { refusal } from './serializer-refusal.js';
import { Message, onEachDatabase, Room, User } from './serializer-models.js';

onEachDatabase(({ dialect, sequelize }) => {
  /** A model of one test, with its table. */
  const define = async (...[name, attributes, options]: Parameters<ReturnType<typeof sequelize>['define']>) => {
    const model = sequelize().define(name, attributes, { timestamps: false, ...options });
    await model.sync({ force: true });
    return model;
  };
  const forget = async (model: ModelStatic<Model>) => {
    await model.drop();
    sequelize().modelManager.removeModel(model);
  };
  const alice = () => User.create({ username: 'alice', password: 'secret' });

  describe('values that must be unique together', () => {
    const seat = { row: { type: DataTypes.INTEGER }, place: { type: DataTypes.STRING(3), field: 'seat_place' } };
    it.each([
      ['by an index of columns', seat, { indexes: [{ unique: true, fields: ['row', 'seat_place'] }] }],
      ['by an index with names', seat, { indexes: [{ unique: true, fields: [{ name: 'row' }, { name: 'seat_place' }] }] }],
      ['by a name', { row: { ...seat.row, unique: 'seat' }, place: { ...seat.place, unique: 'seat' } }, {}],
    ])('are told as such: %s', async (_how, attributes, options) => {
      const Seat = await define('Seat', attributes, options);
      const serializer = modelSerializer(Seat, { fields: ['id', 'row', 'place'] });
      const text = { non_field_errors: ['The fields row, place must make a unique set.'] };
      const first = await serializer.create({ row: 1, place: 'a' });
      const second = await serializer.create({ row: 1, place: 'b' });
      await serializer.create({ row: 1, place: null });
      await serializer.create({ row: 1 });
      expect(await refusal(() => serializer.create({ row: 1, place: 'a' }))).toEqual(text);
      expect(await refusal(() => serializer.update(second, { place: 'a' }, { partial: true }))).toEqual(text);
      await serializer.update(first, { row: 1, place: 'a' });
      await forget(Seat);
    });
  });

  it('finds the unique values of rows that are deleted softly, or out of scope', async () => {
    const Page = await define(
      'Page',
      { slug: { type: DataTypes.STRING, unique: true }, live: DataTypes.BOOLEAN },
      { timestamps: true, paranoid: true, defaultScope: { where: { live: true } } },
    );
    const serializer = modelSerializer(Page, { fields: ['slug', 'deletedAt'] });
    await (await serializer.create({ slug: 'home', deletedAt: '2024-01-01' })).destroy();
    expect(await refusal(() => serializer.validate({ slug: 'home' }))).toEqual({ slug: ['page with this slug already exists.'] });
    await forget(Page);
  });

  it('leaves to Sequelize the columns that it keeps by itself, and no others of the same names', async () => {
    const now = '2001-01-01T00:00:00.000Z';
    const Kept = await define(
      'Kept',
      { label: DataTypes.STRING },
      { timestamps: true, updatedAt: 'changed', version: 'revision' },
    );
    const kept = modelSerializer(Kept, { exclude: ['id'] });
    const stored = await kept.create({ label: 'a', createdAt: now, changed: now, revision: 7 });
    const { createdAt, changed, ...row } = await kept.serialize(stored);
    expect(row).toEqual({ label: 'a', revision: 0 });
    expect(createdAt).not.toBe(now);
    expect(changed).toBe(createdAt);
    await forget(Kept);

    const Own = await define('Own', { createdAt: DataTypes.DATE, deletedAt: DataTypes.DATE, version: DataTypes.INTEGER });
    const own = modelSerializer(Own, { exclude: ['id'] });
    const given = { createdAt: now, deletedAt: now, version: 7 };
    expect(await own.serialize(await own.create(given))).toEqual(given);
    await forget(Own);
  });

  describe('what the database refuses after all', () => {
    it('is told as if it had been found before: a unique value', async () => {
      await alice();
      const serializer = modelSerializer(User, {
        fields: ['username', 'password'],
        create: (values) => User.create({ ...values, username: 'alice' }),
        update: (user) => user.update({ username: 'alice' }),
      });
      const taken = { username: ['user with this username already exists.'] };
      expect(await refusal(() => serializer.create({ username: 'bob', password: 'x' }))).toEqual(taken);
      const bob = await User.create({ username: 'bob', password: 'x' });
      expect(await refusal(() => serializer.update(bob, {}, { partial: true }))).toEqual(taken);
    });

    it('is told to the slower of two writers', async () => {
      const serializer = modelSerializer(User, { fields: ['username', 'password'] });
      const outcomes = await Promise.allSettled([1, 2, 3].map(() => serializer.create({ username: 'alice', password: 'x' })));
      const reasons = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }): unknown => reason);
      const told = { status: 400, detail: { username: ['user with this username already exists.'] } };
      expect(reasons).toMatchObject([told, told]);
    });

    it('is told as if it had been found before: a foreign key', async () => {
      const { id } = await alice();
      const room = await Room.create({ name: 'hall' });
      const serializer = modelSerializer(Message, {
        fields: ['text', 'user', 'room'],
        create: (values) => Message.create({ ...values, userId: 77 }),
      });
      // SQLite does not say which key it was.
      const field = dialect === 'postgres' ? 'user' : 'non_field_errors';
      expect(await refusal(() => serializer.create({ text: 'x', user: id, room: room.id }))).toEqual({
        [field]: [
          expect.stringContaining(dialect === 'postgres' ? 'Invalid pk "77" - object does not exist.' : 'does not exist'),
        ],
      });
    });

    it('names columns as the client does', async () => {
      const Person = await define('Person', { name: { type: DataTypes.STRING, field: 'person_name', unique: true } });
      const serializer = modelSerializer(Person, {
        fields: ['name'],
        create: () => Person.create({ name: 'a' }),
      });
      await serializer.create({ name: 'b' });
      expect(await refusal(() => serializer.create({ name: 'c' }))).toEqual({ name: ['person with this name already exists.'] });
      await forget(Person);
    });

    it('is told without a field where a CHECK refuses it', async () => {
      const Level = await define('Level', { height: DataTypes.INTEGER }, { tableName: 'levels' });
      await Level.drop();
      const id = dialect === 'postgres' ? 'SERIAL' : 'INTEGER';
      await sequelize().query(`CREATE TABLE levels (id ${id} PRIMARY KEY, height INTEGER CHECK (height < 10))`);
      const serializer = modelSerializer(Level, { fields: ['height'] });
      expect(await refusal(() => serializer.create({ height: 10 }))).toEqual({
        non_field_errors: ['These values are not allowed.'],
      });
      await forget(Level);
    });
  });

  describe("Sequelize's own errors become actions' errors", () => {
    it('where a row refers to the one that is deleted', async () => {
      const { id } = await alice();
      const room = await Room.create({ name: 'hall' });
      await Message.create({ text: 'x', userId: id, room_id: room.id });
      const error = await User.destroy({ where: { id } }).then(() => undefined, toActionError);
      expect(error).toBeInstanceOf(ValidationError);
      expect(JSON.stringify(error)).not.toMatch(/DELETE|violates|constraint/i);
    });

    it('where a row is missing', async () => {
      const error = await User.findByPk(9, { rejectOnEmpty: true }).then(() => undefined, toActionError);
      expect(error).toBeInstanceOf(NotFound);
      expect(error).toMatchObject({ detail: 'Not found', status: 404 });
    });

    it('where a model refuses, each field by its column if nothing else is known', async () => {
      const error = await sequelize()
        .model('User')
        .create({ password: 'b', email: 'nobody' })
        .then(() => undefined, toActionError);
      expect(error).toMatchObject({
        status: 400,
        detail: { username: ['This field may not be null.'], email: ['Enter a valid email address.'] },
      });
      await alice();
      expect(await alice().then(() => undefined, toActionError)).toMatchObject({
        detail: { username: ['row with this username already exists.'] },
      });
    });

    it('and all others stay what they are', async () => {
      const failed = await sequelize()
        .query('SELECT nothing FROM nowhere')
        .then(
          () => undefined,
          (error: unknown) => error,
        );
      expect(toActionError(failed)).toBe(failed);
      for (const other of [new Error('x'), new TypeError('y'), 'text', null, undefined, new NotFound()])
        expect(toActionError(other)).toBe(other);
    });
  });

  describe("the model's validators", () => {
    const contact = async (attributes: object, options: object = {}) => {
      const model = await define(
        'Contact',
        {
          email: { type: DataTypes.STRING, validate: { isEmail: true } },
          code: { type: DataTypes.STRING, validate: { is: { args: /^[a-z]+$/, msg: 'Small letters only.' }, len: [2, 4] } },
          first: DataTypes.INTEGER,
          last: DataTypes.INTEGER,
          ...attributes,
        },
        {
          validate: {
            inOrder(this: Model) {
              if (Number(this.get('first')) > Number(this.get('last'))) throw new Error('The first comes before the last.');
            },
          },
          ...options,
        },
      );
      return { model, serializer: modelSerializer(model, { exclude: ['id'] }) };
    };

    it('are asked about fields that are given, and their texts are told', async () => {
      const { model, serializer } = await contact({});
      expect(await refusal(() => serializer.create({ email: 'nobody', code: '12345' }))).toEqual({
        email: ['Enter a valid email address.'],
        code: ['Small letters only.', 'Validation len on code failed'],
      });
      const stored = await serializer.create({ email: null, code: 'ab' });
      await model.update({ email: 'nobody' }, { where: {}, validate: false });
      await stored.reload();
      await serializer.update(stored, { code: 'abc' }, { partial: true });
      await forget(model);
    });

    it('of the whole row are asked about the row as it would be', async () => {
      const { model, serializer } = await contact({});
      const detail = { non_field_errors: ['The first comes before the last.'] };
      expect(await refusal(() => serializer.create({ first: 2, last: 1 }))).toEqual(detail);
      const stored = await serializer.create({ first: 1, last: 3 });
      expect(await refusal(() => serializer.update(stored, { last: 0 }, { partial: true }))).toEqual(detail);
      expect(await refusal(() => serializer.update(stored, { last: 0, first: 'x' }))).toEqual({
        first: ['A valid integer is required.'],
      });
      await serializer.update(stored, { last: 2 }, { partial: true });
      await forget(model);
    });

    it('run their hooks once, when the row is stored', async () => {
      const hook = jest.fn();
      const { model, serializer } = await contact({}, { hooks: { beforeValidate: hook } });
      await serializer.create({ code: 'ab' });
      expect(hook).toHaveBeenCalledTimes(1);
      await forget(model);
    });

    it('that fail by themselves are no news for the client', async () => {
      const { model, serializer } = await contact({
        email: {
          type: DataTypes.STRING,
          validate: {
            async isKnown() {
              await sequelize().query('SELECT secret FROM nowhere');
            },
          },
        },
      });
      const error = await serializer.create({ email: 'a@b' }).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(Error);
      expect(error).not.toBeInstanceOf(ValidationError);
      expect(error).not.toBeInstanceOf(SequelizeValidationError);
      await forget(model);
    });
  });

  it('shows what the database filled in by itself', async () => {
    const Stamp = await define('Stamp', { at: { type: DataTypes.DATE, defaultValue: sequelize().literal('CURRENT_TIMESTAMP') } });
    const serializer = modelSerializer(Stamp, { fields: ['pk', 'at'], readOnly: ['at'] });
    const { pk, at } = await serializer.serialize(await serializer.create({}));
    expect(pk).toBe(1);
    expect(at).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    await forget(Stamp);
  });

  it('takes input for virtual columns that have a setter, by their type', async () => {
    const Account = await define('Account', {
      hash: DataTypes.STRING,
      password: {
        type: new DataTypes.VIRTUAL(DataTypes.STRING(8)),
        allowNull: false,
        set(this: Model, value: unknown) {
          this.setDataValue('password', value);
          this.setDataValue('hash', `#${String(value)}`);
        },
      },
      size: {
        type: DataTypes.VIRTUAL,
        get(this: Model) {
          return String(this.getDataValue('hash')).length;
        },
      },
    });
    const serializer = modelSerializer(Account, {
      fields: ['password', 'size', 'hash'],
      writeOnly: ['password'],
      readOnly: ['hash'],
    });
    const account = await serializer.create({ password: 'abc', size: 9, hash: 'x' });
    expect(await serializer.serialize(account)).toStrictEqual({ size: 4, hash: '#abc' });
    expect(await refusal(() => serializer.create({}))).toEqual({ password: ['This field is required.'] });
    expect(await refusal(() => serializer.create({ password: '123456789' }))).toEqual({
      password: ['Ensure this field has no more than 8 characters.'],
    });
    await forget(Account);
  });

  it('refers to keys that are no numbers and no primary keys', async () => {
    const Country = await define('Country', { code: { type: DataTypes.STRING(2), unique: true }, name: DataTypes.STRING });
    const City = sequelize().define('City', { name: DataTypes.STRING }, { timestamps: false });
    City.belongsTo(Country, { as: 'country', foreignKey: 'country_code', targetKey: 'code' });
    await City.sync({ force: true });
    await Country.bulkCreate([
      { code: 'at', name: 'Austria' },
      { code: 'ch', name: 'Switzerland' },
    ]);
    const serializer = modelSerializer(City, { fields: ['name', 'country'] });
    const city = await serializer.create({ name: 'Wien', country: 'at' });
    expect(await serializer.serialize(city)).toEqual({ name: 'Wien', country: 'at' });
    for (const key of ['xx', 'xxx', ''])
      expect(await refusal(() => serializer.create({ name: 'x', country: key }))).toEqual({
        country: [`Invalid pk "${key}" - object does not exist.`],
      });
    const nesting = modelSerializer(City, {
      fields: ['country'],
      nested: { country: modelSerializer(Country, { fields: ['pk', 'name'] }) },
    });
    expect(await nesting.serialize(city)).toEqual({ country: { pk: 1, name: 'Austria' } });
    await forget(City);
    await forget(Country);
  });

  it('checks no foreign key that several relations share, but one by the name of its relation', async () => {
    const Like = await define('Like', { thing_id: DataTypes.INTEGER });
    Like.belongsTo(User, { as: 'person', foreignKey: 'thing_id', constraints: false });
    Like.belongsTo(Room, { as: 'place', foreignKey: 'thing_id', constraints: false });
    await alice();
    expect((await modelSerializer(Like, { exclude: [] }).create({ thing_id: 7 })).get()).toMatchObject({ thing_id: 7 });
    const people = modelSerializer(Like, { fields: ['person'] });
    expect(await refusal(() => people.create({ person: 7 }))).toEqual({ person: ['Invalid pk "7" - object does not exist.'] });
    expect((await people.create({ person: 1 })).get()).toMatchObject({ thing_id: 1 });
    await forget(Like);
  });

  it('tells rows with a primary key of two columns apart', async () => {
    const Place = await define('Place', {
      hall: { type: DataTypes.INTEGER, primaryKey: true },
      seat: { type: DataTypes.INTEGER, primaryKey: true },
      label: { type: DataTypes.STRING, unique: true },
    });
    const serializer = modelSerializer(Place, { fields: ['label'] });
    const first = await Place.create({ hall: 1, seat: 1, label: 'a' });
    const second = await Place.create({ hall: 1, seat: 2, label: 'b' });
    await serializer.update(first, { label: 'a' });
    expect(await refusal(() => serializer.update(second, { label: 'a' }))).toEqual({
      label: ['place with this label already exists.'],
    });
    await forget(Place);
  });

  if (dialect === 'postgres') {
    it('takes lists for arrays, each item by its type', async () => {
      const Tagged = await define('Tagged', {
        tags: DataTypes.ARRAY(DataTypes.STRING(3)),
        sizes: DataTypes.ARRAY(DataTypes.INTEGER),
      });
      const serializer = modelSerializer(Tagged, { exclude: [] });
      const stored = await serializer.create({ tags: [' a ', 5], sizes: ['1', 2] });
      expect(await serializer.serialize(await stored.reload())).toEqual({ id: 1, tags: ['a', '5'], sizes: [1, 2] });
      expect(await refusal(() => serializer.create({ tags: ['abcd'], sizes: 'x' }))).toEqual({
        tags: ['Ensure this field has no more than 3 characters.'],
        sizes: ['Expected a list of items but got a string.'],
      });
      expect(await refusal(() => serializer.create({ tags: [null], sizes: [{}] }))).toEqual({
        tags: ['This field may not be null.'],
        sizes: ['A valid integer is required.'],
      });
      await forget(Tagged);
    });

    it('keeps BIGINT keys in order of their value', async () => {
      const Big = await define('Big', { id: { type: DataTypes.BIGINT, primaryKey: true }, ownerId: DataTypes.INTEGER });
      const Owner = await define('Owner', {});
      Owner.hasMany(Big, { as: 'bigs', foreignKey: 'ownerId', constraints: false });
      const owner = await Owner.create({});
      await Big.bulkCreate(['10', '9', '9223372036854775807'].map((id) => ({ id, ownerId: 1 })));
      expect(await modelSerializer(Owner, { fields: ['bigs'] }).serialize(owner)).toEqual({
        bigs: ['9', '10', '9223372036854775807'],
      });
      await forget(Big);
      await forget(Owner);
    });
  }
});
