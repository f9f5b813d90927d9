import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import request from 'supertest';
import { postgresMissing, startPostgres, type Postgres } from '../support/postgres.js';
import { describeRequiring } from '../support/requirement.js';

jest.setTimeout(60_000);

const root = resolve(__dirname, '../..');
let folder: string;
const running = new Set<ChildProcess>();

/** Builds the package and the example app as `npm start` does, beside the real ones; the types are checked elsewhere. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'example-app-'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  cpSync(join(root, 'example-app/public'), join(folder, 'example-app/public'), { recursive: true });
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  for (const [project, out] of [
    ['tsconfig.esm.json', 'dist/esm'],
    ['example-app', 'example-app/dist'],
  ] as const) {
    execFileSync(process.execPath, [tsc, '-p', project, '--outDir', join(folder, out), '--noCheck'], { cwd: root });
  }
});

afterEach(async () => {
  for (const program of running) {
    const ended = once(program, 'exit');
    program.kill('SIGKILL');
    await ended;
  }
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function run(env: Record<string, string>): ChildProcess {
  const program = spawn(process.execPath, ['example-app/dist/main.js'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(program);
  program.once('exit', () => running.delete(program));
  return program;
}

function linesOf(program: ChildProcess, stream: 'stdout' | 'stderr'): string[] {
  const lines: string[] = [];
  const readable = program[stream];
  if (readable === null) throw new Error('The program was started without its output.');
  createInterface(readable).on('line', (line) => lines.push(line));
  return lines;
}

/** Starts the program and waits for the address that it prints. */
async function start(env: Record<string, string> = {}): Promise<{ program: ChildProcess; address: string }> {
  const program = run(env);
  const errors = linesOf(program, 'stderr');
  const { stdout } = program;
  if (stdout === null) throw new Error('The program was started without its output.');
  for await (const line of createInterface(stdout)) {
    const [address] = /http:\/\/localhost:\d+/.exec(line) ?? [];
    if (address !== undefined) return { program, address };
  }
  throw new Error(`The program ended:\n${errors.join('\n')}`);
}

async function stop(program: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  const ended = once(program, 'exit');
  program.kill(signal);
  await ended;
  return program.exitCode;
}

async function fails(env: Record<string, string>): Promise<string[]> {
  const program = run(env);
  const errors = linesOf(program, 'stderr');
  await once(program, 'close');
  expect(program.exitCode).toBe(1);
  return errors;
}

describe('the program', () => {
  test('prints its address, serves the page and the API, and ends in good order', async () => {
    const { program, address } = await start();
    await request(address)
      .get('/')
      .expect(200, /express-channels/)
      .expect('content-type', /html/);
    await request(address)
      .get('/api/users')
      .expect(200, /"username":"ada"/);
    expect(await stop(program, 'SIGINT')).toBe(0);
  });

  test('keeps its data and who is logged in, and seeds it once', async () => {
    const env = { DATABASE_URL: `sqlite:${join(folder, 'kept/example.sqlite')}` };
    const first = await start(env);
    await request(first.address).post('/api/users').send({ username: 'emmy' }).expect(201);
    const login = request(first.address).post('/api/auth/login').send({ username: 'grace', password: 'grace-demo' });
    const [cookie = ''] = String((await login).headers['set-cookie']).split(';', 1);
    expect(await stop(first.program, 'SIGTERM')).toBe(0);

    const second = await start(env);
    const { body } = (await request(second.address).get('/api/users')) as { body: { username: string }[] };
    expect(body.map(({ username }) => username)).toEqual(['ada', 'grace', 'alan', 'florence', 'emmy']);
    await request(second.address)
      .get('/api/auth/me')
      .set('Cookie', cookie)
      .expect(200, /"username":"grace"/);
    expect(readdirSync(join(folder, 'kept'))).toEqual(['example.sqlite']);
  });
});

test('the seed script fills an empty database, and leaves another as it is', () => {
  const env = { PATH: process.env['PATH'], DATABASE_URL: `sqlite:${join(folder, 'seeded/example.sqlite')}` };
  const seed = (): string =>
    execFileSync(process.execPath, ['example-app/dist/run-seed.js'], { cwd: folder, env, encoding: 'utf8' }).trim();
  expect(seed()).toBe('The database has its first users and patients.');
  expect(seed()).toBe('The database has users already: it is left as it is.');
});

describeRequiring(postgresMissing, 'the program on PostgreSQL', () => {
  let postgres: Postgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.stop());

  test('takes the database of DATABASE_URL', async () => {
    const { program, address } = await start({ DATABASE_URL: postgres.url });
    await request(address)
      .get('/api/users')
      .expect(200, /"username":"ada"/);
    expect(await stop(program, 'SIGTERM')).toBe(0);
  });
});

describe('what its user can mend is told in one line', () => {
  test('a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    expect(await fails({ PORT: String(port) })).toEqual([
      `Port ${port} is taken. Stop the program that has it, or choose another port: PORT=${port + 1} npm start`,
    ]);
    other.close();
  });

  test.each([
    ['a port that is none', { PORT: 'abc' }, 'PORT must be a number from 0 to 65535, not "abc".'],
    ['a host that is another', { HOST: '192.0.2.1' }, 'HOST must be an address of this machine, not "192.0.2.1".'],
    [
      'another kind of database',
      { DATABASE_URL: 'mysql://localhost/x' },
      'DATABASE_URL must look like postgres://user:password@host:5432/name or like sqlite:/a/file.',
    ],
    [
      'a PostgreSQL that is not there',
      { DATABASE_URL: 'postgres://me:secret@127.0.0.1:1/clinic' },
      'Cannot open the database clinic at 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1',
    ],
    [
      'a file that cannot be written',
      { DATABASE_URL: 'sqlite:/dev/null/example.sqlite' },
      /^Cannot open the database \/dev\/null\/example\.sqlite: E\w+: /,
    ],
    [
      'a folder in place of a file',
      { DATABASE_URL: 'sqlite:/dev' },
      /^Cannot open the database \/dev: Could not open the database/,
    ],
  ])('%s', async (_what, env, line) => {
    const matching: unknown = typeof line === 'string' ? line : expect.stringMatching(line);
    expect(await fails(env)).toEqual([matching]);
  });

  test('a file that is no database', async () => {
    const file = join(folder, 'notes.txt');
    writeFileSync(file, 'Buy milk. '.repeat(500));
    expect(await fails({ DATABASE_URL: `sqlite:${file}` })).toEqual([`Cannot open the database ${file}: file is not a database`]);
  });

  test('a database that another program has locked', async () => {
    const file = join(folder, 'locked.sqlite');
    cpSync(join(folder, 'package.json'), `${file}.lock/holder`);
    expect(await fails({ DATABASE_URL: `sqlite:${file}` })).toEqual([
      `Cannot open the database ${file}: it is locked. Stop the other program that uses it; if there is none, delete the folder ${file}.lock.`,
    ]);
  });
});
