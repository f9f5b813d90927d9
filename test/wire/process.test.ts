import { createServer, type Server } from 'node:net';
import { once } from 'node:events';

import { runToEnd, ServerProcess } from './server-process.js';

// A process takes a second to start, on a busy machine several.
jest.setTimeout(30_000);

describe('npm run wire-server', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('serves its port until %s', async (signal) => {
    const server = await ServerProcess.start();
    const answer = await fetch(`http://127.0.0.1:${String(server.port)}/reset`, { method: 'POST' });
    expect([answer.status, await answer.json()]).toEqual([200, {}]);
    expect(await server.stop(signal)).toBe(0);
    expect(server.faults).toBe('It has ended with 0.');
  });

  test.each([[[]], [['65536']], [['80', '81']]])('refuses %j, and says what it expects', async (args) => {
    const { code, printed, told } = await runToEnd(args);
    expect({ code, printed }).toEqual({ code: 1, printed: '' });
    expect(told).toBe(
      `Expected one argument, a port from 0 to 65535, got ${JSON.stringify(args)}: npm run wire-server -- 8000\n`,
    );
  });

  test('says that its port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = portOf(other);
    const { code, printed, told } = await runToEnd([port]);
    other.close();
    expect({ code, printed }).toEqual({ code: 1, printed: '' });
    expect(told).toBe(`Port ${port} is taken: choose another one.\n`);
  });
});

describe('an operation that fails', () => {
  let server: ServerProcess;

  beforeAll(async () => {
    server = await ServerProcess.start();
  });

  afterAll(async () => {
    await server.stop();
  });

  const post = async (path: string, body: unknown): Promise<[status: number, answer: unknown]> => {
    const response = await fetch(`http://127.0.0.1:${String(server.port)}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return [response.status, await response.json()];
  };
  const ann = { op: 'create', model: 'User', values: { username: 'ann' } };
  const lost = { op: 'create', model: 'Comment', values: { text: 'x', user: 99 } };

  test.each([
    ['nope', { ops: [{ op: 'nope' }] }],
    ['a model that is none', { ops: [{ op: 'create', model: 'Nope', values: {} }] }],
    ['a row that is missing', { ops: [{ op: 'delete', model: 'User', pk: 99 }] }],
    ['in a transaction of its own', { ops: [ann, { ...ann, in: 'transaction-commit' }] }],
    ['within a savepoint', { ops: [{ op: 'transaction', ops: [ann, { op: 'transaction', ops: [lost] }] }] }],
    ['operations that are no list', { ops: ann }],
  ])('is answered, and leaves no transaction open: %s', async (_name, body) => {
    expect(await post('/control', body)).toEqual([500, { error: expect.any(String) as string }]);
    expect(await post('/reset', {})).toEqual([200, {}]);
    const fine = { op: 'transaction', ops: [ann, { ...ann, values: { username: 'bob' }, in: 'transaction-rollback' }] };
    expect(await post('/control', { ops: [fine] })).toMatchObject([200, {}]);
    expect(await post('/control', { ops: [{ op: 'rows', model: 'User' }] })).toEqual([
      200,
      { results: [[{ id: 1, username: 'ann', email: '' }]] },
    ]);
  });
});

function portOf(server: Server): string {
  const address = server.address();
  return typeof address === 'object' && address !== null ? String(address.port) : '';
}
