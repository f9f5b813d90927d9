import { difference } from './match.js';
import { play } from './runner.js';
import type { ExpectedFrame, Json, Step } from './scenario.js';
import { startWireServer, type WireServer } from './wire-server.js';

const LATEST_MS = 400;

let server: WireServer;

beforeAll(async () => {
  server = await startWireServer();
});

afterAll(async () => {
  await server.close();
});

function playing(...steps: readonly Step[]): Promise<void> {
  return play({ name: 'a play', consumer: 'ws/view/kinds', steps }, server.port, LATEST_MS);
}

function get(kind: string, request_id: Json = kind): Json {
  return { action: 'get', request_id, query: { kind } };
}

function answered(data: Json, request_id: Json, conn = 'a'): ExpectedFrame {
  return { conn, frame: { errors: [], data, action: 'get', response_status: 200, request_id } };
}

const list = answered(['test1', 'test2'], 'list');
const scalar = answered(42, 'scalar');
const both: Step = { send: [get('list'), get('scalar')], burst: true };

describe('a play passes', () => {
  const plays: [name: string, steps: Step[]][] = [
    ['when all is as listed', [{ ...both, expect: [list, scalar] }]],
    ['in any order, if it says so', [{ ...both, expect: [scalar, list], unordered: true }]],
    ['when each request_id keeps its order, if it says so', [{ ...both, expect: [scalar, list], order: 'request_id' }]],
    [
      'when a later step lists the frames',
      [
        { send: get('list'), pipelined: true },
        { send: get('scalar'), expect: [list, scalar] },
      ],
    ],
    [
      'when what comes meanwhile is listed',
      [
        { send: get('list'), pipelined: true },
        { wait: 300, expect: [list] },
      ],
    ],
    ['when the server closes as listed', [{ sendParts: [['x', 2_000_000]], expect: [], closed: [{ conn: 'a', code: 1009 }] }]],
  ];
  test.each(plays)('%s', async (_name, steps) => {
    await playing(...steps);
  });
});

describe('a play fails', () => {
  const plays: [name: string, steps: Step[], message: RegExp][] = [
    ['for a frame that does not come', [{ send: get('list'), expect: [list, scalar] }], /expected 2 frames, got 1/],
    ['for one frame too many', [{ ...both, expect: [list] }, { wait: 50 }], /expected [01] frames, got [12]/],
    ['for a frame that nobody asked for, at its end', [{ send: get('list') }], /expected 0 frames, got 1/],
    ['for a frame where silence is asked for', [{ send: get('list'), expect: [] }], /expected 0 frames, got 1/],
    ['for another order', [{ ...both, expect: [scalar, list] }], /frame.data: expected 42/],
    ['for another order of one request_id', [{ send: [get('list', 1), get('scalar', 1)], burst: true, expect: [answered(42, 1), answered(['test1', 'test2'], 1)], order: 'request_id' }], /frame.data: expected 42/],
    ['for other frames in any order', [{ ...both, expect: [scalar, scalar], unordered: true }], /in any order/],
    ['for the frame of another connection', [{ connect: 'b', accepted: true }, { send: get('list'), expect: [{ ...list, conn: 'b' }] }], /Connection a: expected 0 frames/],
    ['for another value', [{ send: get('list'), expect: [answered(['test1'], 'list')] }], /frame.data: expected \["test1"\], got \["test1","test2"\]/],
    ['for a binary frame that is text', [{ send: get('list'), expect: [{ conn: 'a', binary: 'AA==' }] }], /unexpected frame/],
    ['for a handshake that is refused', [{ connect: 'b', consumer: 'ws/nope', accepted: true }], /refused with 404/],
    ['for a handshake that is accepted', [{ connect: 'b', accepted: false, handshake: { status: 403 } }], /was accepted/],
    ['for another status of the refusal', [{ connect: 'b', consumer: 'ws/nope', accepted: false, handshake: { status: 403 } }], /expected 403, got 404/],
    ['for a close that nobody expects', [{ sendParts: [['x', 2_000_000]] }, { wait: 50 }], /expected no close, got 1009/],
    ['for another code', [{ sendParts: [['x', 2_000_000]], expect: [], closed: [{ conn: 'a', code: 1000 }] }], /expected close 1000, got 1009/],
    ['for other rows', [{ op: { op: 'rows', model: 'Thing' }, rows: [{ id: 1 }] }], /rows: expected \[{"id":1}\], got \[\]/],
    ['for an operation that the server does not know', [{ op: { op: 'nope', model: 'Thing' } }], /Unknown operation nope/],
  ]; // prettier-ignore
  test.each(plays)('%s', async (_name, steps, message) => {
    await expect(playing(...steps)).rejects.toThrow(message);
  });
});

describe('a value matches', () => {
  const table: [expected: Json, matching: unknown[], differing: unknown[]][] = [
    [1, [1, 1.0], ['1', true, null, undefined, 2]],
    [null, [null], [undefined, 0, {}, []]],
    [[1, 2], [[1, 2]], [[2, 1], [1], [1, 2, 3], { 0: 1, 1: 2 }]],
    [{ a: 1, b: [] }, [{ b: [], a: 1 }], [{ a: 1 }, { a: 1, b: [], c: 1 }, { a: 1, b: {} }, null, 'a']],
    [{ $any: true }, [null, 0, '', {}, undefined], []],
    [{ a: { $any: true } }, [{ a: null }], [{}]],
    [{ $nonEmpty: true }, [[null], 'x'], [[], '', {}, { length: 1 }, null, 1]],
    [{ $text: true }, ['x'], ['', ['x'], 1, null]],
    [{ $status: '4xx' }, [400, 499], [200, 500, 399, '404']],
    [{ $status: [400, 422] }, [400, 422], [401, '400']],
    [{ $partial: { a: { $text: true } } }, [{ a: 'x' }, { a: 'x', b: 1 }], [{ a: '' }, { b: 1 }, [], null]],
  ];
  test.each(table)('%j', (expected, matching, differing) => {
    for (const actual of matching) expect(difference(expected, actual)).toBeUndefined();
    for (const actual of differing) expect(difference(expected, actual)).toEqual(expect.any(String));
  });

  test('no unknown matcher', () => {
    expect(() => difference({ $status5: true }, 1)).toThrow('Unknown matcher');
  });
});
