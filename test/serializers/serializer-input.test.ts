import { Op } from 'sequelize';
import * as v from 'valibot';
import { z } from 'zod';

import { modelSerializer } from '../../lib/serializers/serializer.js';
import { ValidationError } from '../../lib/protocol/errors.js';
import { Message, onEachDatabase, Room, Sample, User } from './serializer-models.js';
import { refusal } from './serializer-refusal.js';

onEachDatabase(({ statements }) => {
  const samples = () => modelSerializer(Sample, { exclude: [] });
  const users = () => modelSerializer(User, { fields: ['id', 'username', 'email', 'password'], writeOnly: ['password'] });
  const messages = () => modelSerializer(Message, { fields: ['pk', 'text', 'user', 'room', 'created_at'] });
  const rooms = () => modelSerializer(Room, { fields: ['pk', 'name', 'host', 'current_users'] });

  const alice = () => User.create({ username: 'alice', password: 'secret' });

  describe('a value', () => {
    const day = '2024-01-02';
    const uuid = '11111111-2222-4333-8444-555555555555';
    const moment = '2024-01-02T03:04:05.678Z';
    const accepted: [field: string, value: unknown, shown: unknown][] = [
      ['short', ' a ', 'a'],
      ['short', 5, '5'],
      ['short', 'é☃😀😀😀', 'é☃😀😀😀'],
      ['text', 'x'.repeat(5000), 'x'.repeat(5000)],
      ['whole', 12, 12],
      ['whole', ' -12 ', -12],
      ['whole', '+12', 12],
      ['whole', 5.0, 5],
      ['whole', 2147483647, 2147483647],
      ['whole', -2147483648, -2147483648],
      ['small', 32767, 32767],
      ['real', '1.5', 1.5],
      ['double', '-1e-5', -0.00001],
      ['double', 1e300, 1e300],
      ['price', 12, '12.00'],
      ['price', '-0012.5', '-12.50'],
      ['price', 9999.99, '9999.99'],
      ['flag', true, true],
      ['flag', 'True', true],
      ['flag', ' false', false],
      ['moment', moment, moment],
      ['moment', '2024-01-02T03:04:05.678901+02:00', '2024-01-02T01:04:05.678Z'],
      ['moment', '2024-01-02 03:04', '2024-01-02T03:04:00.000Z'],
      ['moment', '2024-01-02T03:04:05-0130', '2024-01-02T04:34:05.000Z'],
      ['moment', day, '2024-01-02T00:00:00.000Z'],
      ['day', day, day],
      ['day', '2024-02-29', '2024-02-29'],
      ['color', 'red', 'red'],
      ['key', uuid.toUpperCase(), uuid],
      ['data', { a: [1, null, { b: 'é😀' }] }, { a: [1, null, { b: 'é😀' }] }],
      ['data', [], []],
      ['short', null, null],
      ['whole', null, null],
      ['data', null, null],
    ];
    it.each(accepted)('of %s may be %j', async (field, value, shown) => {
      const serializer = samples();
      const stored = await serializer.create({ [field]: value });
      expect(await serializer.serialize(stored)).toHaveProperty(field, shown);
      await stored.reload();
      expect(await serializer.serialize(stored)).toHaveProperty(field, shown);
    });

    const refused: [field: string, text: string, ...values: unknown[]][] = [
      ['short', 'Not a valid string.', true, {}, [], ['a']],
      ['short', 'This field may not be blank.', '', '  '],
      ['short', 'Ensure this field has no more than 5 characters.', 'abcdef', '😀😀😀😀😀😀', 123456],
      ['short', 'Null characters are not allowed.', 'a\0b'],
      ['text', 'Not a valid string.', false, { a: 1 }],
      ['whole', 'A valid integer is required.', 1.5, '1.5', 'abc', '', '1e3', '0x10', true, [], {}, [1]],
      ['whole', 'Ensure this value is less than or equal to 2147483647.', 2147483648, '2147483648', 1e300],
      ['whole', 'Ensure this value is greater than or equal to -2147483648.', -2147483649],
      ['small', 'Ensure this value is less than or equal to 32767.', 32768],
      ['big', 'Ensure this value is less than or equal to 9223372036854775807.', '9223372036854775808'],
      ['positive', 'Validation min on positive failed', 0],
      ['double', 'A valid number is required.', 'abc', '', '1e999', true, [], {}, 'Infinity', 'NaN'],
      ['real', 'A valid number is required.', 1e300, 1e-60],
      ['price', 'A valid number is required.', 'abc', '', true, {}, [], '1e3'],
      ['price', 'Ensure that there are no more than 2 decimal places.', '1.234', 0.001],
      ['price', 'Ensure that there are no more than 4 digits before the decimal point.', 12345],
      ['flag', 'Must be a valid boolean.', 'yes', 1, 0, '', {}, []],
      [
        'moment',
        'Datetime has wrong format.',
        'x',
        '',
        5,
        '2024-02-30T00:00Z',
        '2024-13-01',
        '2024-01-01T25:00',
        '0000-01-01',
        {},
        [],
      ],
      ['moment', 'Datetime has wrong format.', '0001-01-01T00:00+05:00', '9999-12-31T23:00-05:00'],
      ['day', 'Date has wrong format.', '2023-02-29', moment, '2024-1-2', 5, true, {}, '0000-01-01'],
      ['clock', 'Time has wrong format.', '24:00', '1:2', 5, {}],
      ['color', '"blue" is not a valid choice.', 'blue'],
      ['color', '["red"] is not a valid choice.', ['red']],
      ['key', 'Must be a valid UUID.', 'x', '', 5, {}, `${uuid}0`],
      ['data', 'Value must be valid JSON.', 'a\0', { 'a\0': 1 }, [{ b: '\ud800' }]],
    ];
    it.each(refused.flatMap(([field, text, ...values]) => values.map((value) => [field, value, text] as const)))(
      'of %s may not be %j',
      async (field, value, text) => {
        const stem = text.startsWith('"[') ? text.slice(1) : text;
        const detail = await refusal(() => samples().create({ [field]: value }));
        expect(detail).toEqual({ [field]: [expect.stringContaining(stem.replace('["red"] is', '["red"]" is'))] });
        expect(await Sample.count()).toBe(0);
      },
    );

    it('of a BIGINT keeps all of its digits', async () => {
      const stored = await samples().create({ big: '-9223372036854775808' });
      expect(String(stored.big)).toBe('-9223372036854775808');
      expect(String((await samples().create({ big: 12 })).big)).toBe('12');
    });

    it('of a TIME is a time of the day', async () => {
      const stored = await samples().create({ clock: '23:59:59' });
      expect((await stored.reload()).clock).toBe('23:59:59');
    });
  });

  describe('data', () => {
    it.each([null, undefined, 'x', 1, true, [{ username: 'a' }]])('is refused if it is %j', async (data) => {
      expect(await refusal(() => users().create(data))).toEqual({ non_field_errors: [expect.any(String)] });
    });

    it('is told all of its faults at once', async () => {
      await alice();
      const detail = await refusal(() => users().create({ username: 'alice', email: 'nobody' }));
      expect(detail).toEqual({
        username: ['user with this username already exists.'],
        email: ['Enter a valid email address.'],
        password: ['This field is required.'],
      });
      expect(await refusal(() => users().create({ username: null, email: null, password: '' }))).toEqual({
        username: ['This field may not be null.'],
        email: ['This field may not be null.'],
        password: ['This field may not be blank.'],
      });
    });

    it('may leave out what has a default, or be empty where that is the default', async () => {
      expect((await users().create({ username: 'bob', password: 'x' })).email).toBe('');
      expect((await users().create({ username: 'eve', password: 'x', email: ' ' })).email).toBe('');
    });

    it('sets nothing but fields that take input', async () => {
      const serializer = modelSerializer(User, {
        fields: ['pk', 'id', 'username', 'password', 'shout', 'email'],
        readOnly: ['email'],
        computed: { shout: ({ username }) => username.toUpperCase() },
      });
      const data: unknown = JSON.parse(
        '{"pk":9,"id":9,"email":"x@y","shout":"x","isNewRecord":false,"rooms":[{"name":"x"}],"__proto__":{"email":"p@q"},"username":"a","password":"b"}',
      );
      const user = await serializer.create(data);
      expect({ ...user.get() }).toEqual({ id: 1, username: 'a', password: 'b', email: '' });
      await serializer.update(user, { ...Object(data), username: 'c' });
      expect((await User.findAll()).map((row) => ({ ...row.get() }))).toEqual([
        { id: 1, username: 'c', password: 'b', email: '' },
      ]);
      expect(await Room.count()).toBe(0);
    });

    it('does not set timestamps', async () => {
      const user = await alice();
      const room = await Room.create({ name: 'hall' });
      const message = await messages().create({ text: 'x', user: user.id, room: room.id, created_at: '2001-01-01' });
      expect(message.created_at.getFullYear()).not.toBe(2001);
    });

    it('never becomes a condition', async () => {
      await alice();
      for (const value of [{ [Op.ne]: null }, { ne: null }, { $ne: null }, ['alice'], [1]]) {
        expect(await refusal(() => rooms().create({ name: 'x', host: value }))).toEqual({
          host: [expect.stringContaining('Incorrect type. Expected pk value, received ')],
        });
        expect(await refusal(() => users().create({ username: value, password: 'x' }))).toEqual({
          username: ['Not a valid string.'],
        });
      }
    });

    it.each([
      ['user', 9],
      ['user', '9'],
      ['user', -1],
      ['user', 99999999999999],
      ['user', 'alice'],
      ['user', '1 OR 1=1'],
      ['room', 9],
    ])('names no row that does not exist: %s %j', async (field, key) => {
      await alice();
      await Room.create({ name: 'hall' });
      expect(await refusal(() => messages().create({ text: 'x', user: 1, room: 1, [field]: key }))).toEqual({
        [field]: [`Invalid pk "${String(key)}" - object does not exist.`],
      });
    });

    it('sets a foreign key by its relation or by its column, as the serializer calls it', async () => {
      const { id } = await alice();
      expect((await rooms().create({ name: 'a', host: String(id) })).host_id).toBe(id);
      expect((await rooms().create({ name: 'b', host: null })).host_id).toBeNull();
      const byColumn = modelSerializer(Room, { fields: ['name', 'host_id', 'host'] });
      expect((await byColumn.create({ name: 'c', host_id: id, host: 77 })).host_id).toBe(id);
      expect(await refusal(() => byColumn.create({ name: 'd', host_id: 77 }))).toEqual({
        host_id: ['Invalid pk "77" - object does not exist.'],
      });
    });

    it('takes no nested rows', async () => {
      const { id } = await alice();
      const nesting = modelSerializer(Room, { fields: ['name', 'host', 'host_id'], nested: { host: users() } });
      const room = await nesting.create({ name: 'a', host: { username: 'x', password: 'y' }, host_id: id });
      expect(room.host_id).toBe(id);
      expect(await User.count()).toBe(1);
    });
  });

  describe('an update', () => {
    it('needs the required fields, and leaves an omitted optional one as it is', async () => {
      const user = await users().create({ username: 'alice', email: 'a@example.com', password: 'x' });
      expect(await refusal(() => users().update(user, { email: 'b@example.com' }))).toEqual({
        username: ['This field is required.'],
        password: ['This field is required.'],
      });
      await users().update(user, { username: 'alicia', password: 'y' });
      expect({ ...(await user.reload()).get() }).toEqual({ id: 1, username: 'alicia', email: 'a@example.com', password: 'y' });
    });

    it('that is partial checks what is given alone, which may be nothing', async () => {
      const user = await alice();
      await users().update(user, { email: 'a@example.com' }, { partial: true });
      await users().update(user, {}, { partial: true });
      expect({ ...(await user.reload()).get() }).toEqual({
        id: 1,
        username: 'alice',
        email: 'a@example.com',
        password: 'secret',
      });
      expect(await refusal(() => users().update(user, { username: '' }, { partial: true }))).toEqual({
        username: ['This field may not be blank.'],
      });
      expect(await refusal(() => users().update(user, null, { partial: true }))).toHaveProperty('non_field_errors');
    });

    it('may keep its own unique value, and may not take that of another row', async () => {
      const user = await alice();
      await User.create({ username: 'bob', password: 'x' });
      await users().update(user, { username: 'alice', password: 'y' });
      expect(await refusal(() => users().update(user, { username: 'bob' }, { partial: true }))).toEqual({
        username: ['user with this username already exists.'],
      });
      expect(user.username).toBe('alice');
    });

    it('leaves the instance as it is when it is refused', async () => {
      const user = await alice();
      await refusal(() => users().update(user, { username: 'bob', email: 'nobody' }, { partial: true }));
      expect(user.changed()).toBe(false);
      expect(user.username).toBe('alice');
    });

    it('answers numbers as a later read does', async () => {
      const sample = await samples().create({});
      await samples().update(sample, { price: '1.5', whole: '7', big: '12', double: 1 });
      const shown = await samples().serialize(sample);
      expect(await samples().serialize(await sample.reload())).toEqual(shown);
    });
  });

  describe('own functions', () => {
    it('hash a password, on create and on update', async () => {
      const hash = (password: string) => `#${password}`;
      const serializer = modelSerializer(User, {
        fields: ['id', 'username', 'password'],
        writeOnly: ['password'],
        create: ({ password, ...values }, options) => User.create({ ...values, password: hash(password) }, options),
        update: (user, { password, ...values }, { partial, ...options }) => {
          expect(partial).toBe(true);
          return user.update({ ...values, ...(password !== undefined && { password: hash(password) }) }, options);
        },
      });
      const user = await serializer.create({ username: 'alice', password: 'one' });
      expect(user.password).toBe('#one');
      await serializer.update(user, { password: 'two' }, { partial: true });
      expect((await user.reload()).password).toBe('#two');
      expect(await serializer.serialize(user)).toStrictEqual({ id: 1, username: 'alice' });
    });

    it('validate values that are right each by itself, and may change them', async () => {
      const serializer = modelSerializer(User, {
        fields: ['username', 'email', 'password'],
        validate: async (values, { instance, partial }) => {
          if (values.password !== undefined && values.password === values.username)
            throw new ValidationError({ password: ['That is your name.'] });
          if (instance !== undefined && !partial) throw new ValidationError('Only in part.');
          return Promise.resolve({
            ...values,
            ...(values.username !== undefined && { username: values.username.toLowerCase() }),
          });
        },
      });
      expect(await refusal(() => serializer.create({ username: 'a', password: 'a' }))).toEqual({
        password: ['That is your name.'],
      });
      expect(await refusal(() => serializer.create({ username: 'a' }))).toEqual({ password: ['This field is required.'] });
      const user = await serializer.create({ username: 'ALICE', password: 'a' });
      expect(user.username).toBe('alice');
      expect(await refusal(() => serializer.update(user, { username: 'B', password: 'a' }))).toBe('Only in part.');
      expect((await serializer.update(user, { email: 'a@b' }, { partial: true })).username).toBe('alice');
    });

    it('store by hand what was checked', async () => {
      const { id } = await alice();
      const serializer = modelSerializer(Room, { fields: ['name'] });
      expect(await Room.count()).toBe(0);
      const values = await serializer.validate({ name: ' hall ', host_id: 9 });
      expect(values).toEqual({ name: 'hall' });
      const room = await Room.create({ ...values, host_id: id });
      expect(await serializer.validate({}, { instance: room, partial: true })).toEqual({});
      expect(await refusal(() => serializer.validate({}, { instance: room }))).toEqual({ name: ['This field is required.'] });
    });
  });

  describe('a schema', () => {
    const schemas = {
      zod: z.object({
        username: z
          .string()
          .min(3)
          .transform((name) => name.toLowerCase()),
        email: z.string().optional(),
        password: z.string(),
      }),
      valibot: v.object({
        username: v.pipe(v.string(), v.minLength(3), v.toLowerCase()),
        email: v.optional(v.string()),
        password: v.string(),
      }),
    };
    it.each(Object.entries(schemas))('of %s comes first', async (_name, schema) => {
      const serializer = modelSerializer(User, { fields: ['username', 'email', 'password'], schema });
      expect(await refusal(() => serializer.create({ username: 'Al', email: 5 }))).toEqual({
        username: [expect.any(String)],
        email: [expect.any(String)],
        password: [expect.any(String)],
      });
      const user = await serializer.create({ username: 'ALICE', password: 'x' });
      expect(user.username).toBe('alice');

      // The rest of the row completes a part of it.
      await serializer.update(user, { username: 'BOB' }, { partial: true });
      expect({ ...(await user.reload()).get() }).toEqual({ id: 1, username: 'bob', email: '', password: 'x' });
      expect(await refusal(() => serializer.update(user, { username: 'al' }, { partial: true }))).toEqual({
        username: [expect.any(String)],
      });
    });
  });

  describe('a transaction', () => {
    it('is where all is checked and stored', async () => {
      const { sequelize } = User;
      if (sequelize === undefined) throw new Error('There is no database.');
      const transaction = await sequelize.transaction();
      const user = await users().create({ username: 'alice', password: 'x' }, { transaction });
      const room = await rooms().create({ name: 'hall', host: user.id }, { transaction });
      await rooms().update(room, { name: 'attic' }, { transaction });
      expect(await refusal(() => users().create({ username: 'alice', password: 'x' }, { transaction }))).toHaveProperty(
        'username',
      );
      await transaction.rollback();
      expect([await User.count(), await Room.count()]).toEqual([0, 0]);
    });
  });

  it('asks the database for what only it knows', async () => {
    const { id } = await alice();
    statements.length = 0;
    await samples().create({ whole: 1 });
    expect(statements).toHaveLength(1);
    statements.length = 0;
    await rooms().create({ name: 'x', host: id });
    expect(statements).toHaveLength(3);
  });
});
