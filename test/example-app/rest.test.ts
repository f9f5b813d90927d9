import type { Express } from 'express';
import request from 'supertest';
import { createApp } from '../../example-app/src/app.js';
import { createLogin } from '../../example-app/src/login.js';
import { Patient } from '../../example-app/src/models.js';
import { onEachDatabase } from './databases.js';

jest.setTimeout(30_000);

const required = ['This field is required.'];
const notAuthenticated = { detail: 'Authentication credentials were not provided.' };
const notFound = { detail: 'Not found.' };
const forbidden = { detail: 'You do not have permission to perform this action.' };
const badDate = ['Not a valid date and time: write it as 2026-11-21T09:30:00Z.'];

const ada = { id: 1, username: 'ada', email: 'ada@example.com' };
const account = { ...ada, role: 'admin', wards: ['North', 'South', 'West'], leads: true };
const newPatient = { first_name: 'Lise', last_name: 'Meitner', admission_date: '2026-11-20T09:30:00.000Z' };

const bodyOf = async (answer: request.Test): Promise<unknown> => (await answer).body as unknown;

onEachDatabase((reset) => {
  let app: Express;
  beforeAll(() => {
    app = createApp(createLogin());
  });
  beforeEach(reset);

  // A login outlives the rows: it takes time on purpose.
  const agents = new Map<string, ReturnType<typeof request.agent>>();

  async function loggedIn(username: string) {
    const known = agents.get(username);
    if (known !== undefined) return known;
    const agent = request.agent(app);
    agents.set(username, agent);
    await agent
      .post('/api/auth/login')
      .send({ username, password: `${username}-demo` })
      .expect(200);
    return agent;
  }

  describe('login', () => {
    test('answers with the user and remembers it', async () => {
      const agent = request.agent(app);
      await agent.get('/api/auth/me').expect(401, notAuthenticated);
      await agent.post('/api/auth/login').send({ username: 'ada', password: 'ada-demo' }).expect(200, account);
      await agent.get('/api/auth/me').expect(200, account);
      await agent.post('/api/auth/logout').expect(204);
      await agent.get('/api/auth/me').expect(401, notAuthenticated);
    });

    test.each([
      ['a wrong password', { username: 'ada', password: 'nope' }, 401, { detail: 'Incorrect authentication credentials.' }],
      ['an unknown user', { username: 'nobody', password: 'nope' }, 401, { detail: 'Incorrect authentication credentials.' }],
      ['nothing', undefined, 400, { username: required, password: required }],
      ['no text', { username: {}, password: [] }, 400, { username: ['Not a valid string.'], password: ['Not a valid string.'] }],
    ])('refuses %s', async (_what, body, status, answer) => {
      await request(app).post('/api/auth/login').send(body).expect(status, answer);
    });

    test('refuses a user without a password', async () => {
      await request(app).post('/api/users').send({ username: 'no-password' }).expect(201);
      await request(app).post('/api/auth/login').send({ username: 'no-password', password: 'undefined' }).expect(401);
    });
  });

  describe('users', () => {
    test('are listed for everybody, without anything secret', async () => {
      const body = await bodyOf(request(app).get('/api/users').expect(200));
      expect(body).toEqual([
        ada,
        { id: 2, username: 'grace', email: 'grace@example.com' },
        { id: 3, username: 'alan', email: 'alan@example.com' },
        { id: 4, username: 'florence', email: 'florence@example.com' },
      ]);
    });

    test('are retrieved', async () => {
      await request(app).get('/api/users/1').expect(200, ada);
    });

    test.each(['post', 'put'] as const)('are created by %s, and can log in', async (method) => {
      const credentials = { username: 'emmy', password: 'noether1918' };
      const emmy = { id: 5, username: 'emmy', email: 'emmy@example.com' };
      const body = { ...credentials, email: emmy.email };
      await request(app)[method]('/api/users').send(body).expect(201, emmy);
      await request(app)
        .post('/api/auth/login')
        .send(credentials)
        .expect(200, { ...emmy, role: 'guest', wards: [], leads: false });
    });

    test('cannot give themselves a role or a ward', async () => {
      const credentials = { username: 'emmy', password: 'noether1918' };
      await request(app)
        .post('/api/users')
        .send({ ...credentials, role: 'admin', ward: 'North' })
        .expect(201);
      const agent = request.agent(app);
      await agent.post('/api/auth/login').send(credentials).expect(200);
      await agent.patch('/api/users/5').send({ role: 'admin' }).expect(403, forbidden);
      await agent.put('/api/users/5').send({ username: 'emmy', ward: 'North' }).expect(403, forbidden);
      await agent.delete('/api/users/1').expect(403, forbidden);
      await agent.get('/api/patients').expect(403, forbidden);
    });

    test('are given a role and a ward by administrators', async () => {
      const agent = await loggedIn('ada');
      await agent
        .patch('/api/users/4')
        .send({ role: 'king', ward: 'East' })
        .expect(400, { role: ['Not one of admin, doctor, nurse, guest.'], ward: ['Not one of North, South, West.'] });
      await agent.patch('/api/users/4').send({ role: 'doctor', ward: 'West' }).expect(200);
      const florence = await loggedIn('florence');
      const me = await bodyOf(florence.get('/api/auth/me').expect(200));
      expect(me).toMatchObject({ role: 'doctor', wards: ['West'], leads: true });
    });

    test('change themselves', async () => {
      const agent = await loggedIn('grace');
      await agent.patch('/api/users/2').send({ email: 'hopper@example.com' }).expect(200, {
        id: 2,
        username: 'grace',
        email: 'hopper@example.com',
      });
      await agent.put('/api/users/2').send({ username: 'hopper', password: 'cobol-1959' }).expect(200, {
        id: 2,
        username: 'hopper',
        email: 'hopper@example.com',
      });
      await request(app).post('/api/auth/login').send({ username: 'hopper', password: 'cobol-1959' }).expect(200);
      await agent.delete('/api/users/2').expect(204);
      await agent.get('/api/auth/me').expect(401);
      agents.delete('grace');
    });

    test.each(['put', 'patch', 'delete'] as const)('are not changed by others: %s', async (method) => {
      await request(app)[method]('/api/users/1').send({ username: 'x' }).expect(401, notAuthenticated);
      const grace = await loggedIn('grace');
      await grace[method]('/api/users/1').send({ username: 'x' }).expect(403, forbidden);
      await grace.get('/api/users/1').expect(200, ada);
    });

    test('are changed by administrators', async () => {
      const agent = await loggedIn('ada');
      await agent.delete('/api/users/2').expect(204);
      await agent.get('/api/users/2').expect(404, notFound);
    });

    test.each([
      ['nothing', {}, { username: required }],
      ['a name that is taken', { username: 'ada' }, { username: ['This value is already in use.'] }],
      ['a blank name', { username: ' ' }, { username: ['This field may not be blank.'] }],
      ['null', { username: null }, { username: ['This field may not be null.'] }],
      ['odd characters', { username: 'a b' }, { username: ['Only letters, digits and @ . + - _ are allowed.'] }],
      ['too long a name', { username: 'a'.repeat(151) }, { username: ['Ensure this field has no more than 150 characters.'] }],
      ['a NUL', { username: 'a\0' }, { username: ['Not a valid string.'] }],
      ['a short password', { username: 'a', password: 'short' }, { password: ['Ensure this field has at least 8 characters.'] }],
      [
        'several mistakes',
        { username: 7, email: 'nope' },
        { username: ['Not a valid string.'], email: ['Enter a valid email address.'] },
      ],
    ])('are not created from %s', async (_what, body, problems) => {
      await request(app).post('/api/users').send(body).expect(400, problems);
    });
  });

  describe('patients', () => {
    test.each([
      ['get', '/api/patients'],
      ['post', '/api/patients'],
      ['get', '/api/patients/1'],
      ['put', '/api/patients/1'],
      ['patch', '/api/patients/1'],
      ['delete', '/api/patients/1'],
    ] as const)('are for those who are logged in: %s %s', async (method, path) => {
      await request(app)[method](path).expect(401, notAuthenticated);
    });

    test('are listed, all or by last name', async () => {
      const agent = await loggedIn('grace');
      const names = async (query: object) => {
        const body = await bodyOf(agent.get('/api/patients').query(query).expect(200));
        return (body as { first_name: string }[]).map(({ first_name }) => first_name);
      };
      expect(await names({})).toEqual(['Marie', 'Rosalind', 'Pierre']);
      expect(await names({ last_name: 'Curie' })).toEqual(['Marie', 'Pierre']);
      expect(await names({ last_name: ['Franklin', 'Curie'] })).toEqual(['Marie', 'Rosalind', 'Pierre']);
      expect(await names({ last_name: 'Nobody' })).toEqual([]);
    });

    test('live from admission to deletion', async () => {
      const agent = await loggedIn('grace');
      const created = await bodyOf(agent.post('/api/patients').send(newPatient).expect(201));
      const now: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/);
      const told = { id: 7, ...newPatient, ward: 'North', note: '', dismissal_date: null };
      expect(created).toEqual({ ...told, updated_at: now, created_at: now });
      await agent.get('/api/patients/7').expect(200, created);

      const dismissed = { ...newPatient, last_name: 'Hahn', dismissal_date: '2026-11-21T10:00:00.000Z' };
      expect((await agent.put('/api/patients/7').send(dismissed).expect(200)).body).toMatchObject(dismissed);
      expect((await agent.patch('/api/patients/7').send({ first_name: 'Otto' }).expect(200)).body).toMatchObject({
        ...dismissed,
        first_name: 'Otto',
      });
      await agent.delete('/api/patients/7').expect(204, {});
      await agent.get('/api/patients/7').expect(404, notFound);
    });

    test.each(['0', '99', '2147483648', '99999999999999999999', '-1', '1.0', 'one', '%00', '1%20', '..%2f1'])(
      'are not found by %s',
      async (pk) => {
        const agent = await loggedIn('grace');
        for (const method of ['get', 'put', 'patch', 'delete'] as const) {
          await agent[method](`/api/patients/${pk}`).expect(404, notFound);
        }
      },
    );

    test.each([
      ['nothing', {}, { first_name: required, last_name: required, admission_date: required }],
      ['a list', [], { detail: ['The body must be a JSON object.'] }],
      ['a text', '"text"', { detail: ['The body must be a JSON object.'] }],
      ['null', 'null', { detail: ['The body must be a JSON object.'] }],
      ['a day that does not exist', { ...newPatient, admission_date: '2026-02-30' }, { admission_date: badDate }],
      ['an hour that does not exist', { ...newPatient, admission_date: '2026-02-03T25:00Z' }, { admission_date: badDate }],
      ['a number for a date', { ...newPatient, admission_date: 1 }, { admission_date: badDate }],
      ['a date before all dates', { ...newPatient, admission_date: '0000-01-01' }, { admission_date: badDate }],
      [
        'a date that leaves the calendar',
        { ...newPatient, admission_date: '9999-12-31T23:00-05:00' },
        { admission_date: badDate },
      ],
      ['null for a date', { ...newPatient, admission_date: null }, { admission_date: ['This field may not be null.'] }],
      ['a blank name', { ...newPatient, last_name: '' }, { last_name: ['This field may not be blank.'] }],
      [
        'too long a name',
        { ...newPatient, last_name: 'x'.repeat(241) },
        { last_name: ['Ensure this field has no more than 240 characters.'] },
      ],
    ])('are not created from %s', async (_what, body, problems) => {
      const agent = await loggedIn('grace');
      await agent.post('/api/patients').type('json').send(body).expect(400, problems);
      expect(await Patient.count()).toBe(6);
    });

    test.each([
      ['2026-11-20', '2026-11-20T00:00:00.000Z'],
      ['2026-11-20T09:30', '2026-11-20T09:30:00.000Z'],
      ['2026-11-20T09:30:15.5+02:00', '2026-11-20T07:30:15.500Z'],
      ['1000-01-01T00:00:00Z', '1000-01-01T00:00:00.000Z'],
      ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
    ])('are admitted at %s', async (written, stored) => {
      const agent = await loggedIn('grace');
      const body = await bodyOf(
        agent
          .post('/api/patients')
          .send({ ...newPatient, admission_date: written })
          .expect(201),
      );
      expect(body).toMatchObject({ admission_date: stored });
      await agent.get('/api/patients/7').expect(200, body as object);
    });

    test('keep every character of a name', async () => {
      const agent = await loggedIn('grace');
      const first_name = `Zoë "Ω" 😀 \\ ' ; -- $1 ?`;
      const body = await bodyOf(
        agent
          .post('/api/patients')
          .send({ ...newPatient, first_name })
          .expect(201),
      );
      expect(body).toMatchObject({ first_name });
    });
  });

  describe('errors', () => {
    test('a body that is no JSON is a 400 in JSON', async () => {
      const body = await bodyOf(request(app).post('/api/users').type('json').send('{"username":').expect(400));
      expect(body).toEqual({ detail: expect.stringContaining('JSON') as unknown });
    });

    test('a path that cannot be decoded is a 400', async () => {
      await request(app).get('/api/users/%ff').expect(400, { detail: "Failed to decode param '%ff'" });
    });

    test('an unknown path is a 404 in JSON', async () => {
      for (const path of ['/api/nothing', '/nothing']) await request(app).get(path).expect(404, notFound);
      await request(app).get('/api/nothing').accept('text/html').expect(404, notFound);
    });

    test('a browser is shown an unknown path as a page', async () => {
      const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
      const { text } = await request(app)
        .get('/deep/nothing')
        .accept(browser)
        .expect(404)
        .expect('content-type', /^text\/html/);
      expect(text).toContain('There is no such page.');
    });

    test('a fault of the server says nothing about itself', async () => {
      const log = jest.spyOn(console, 'error').mockImplementation();
      await Patient.drop();
      const agent = await loggedIn('grace');
      await agent.get('/api/patients').expect(500, { detail: 'A server error occurred.' });
      expect(log).toHaveBeenCalledTimes(1);
      log.mockRestore();
      await Patient.sync();
    });
  });
});
