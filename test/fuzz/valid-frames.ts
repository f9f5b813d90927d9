import { type Kind, SLOTS } from './consumers.js';
import type { Draw } from './draw.js';
import { ITEMS } from './models.js';

export type Frame = Record<string, unknown>;

/** A frame that a client might well send to a kind of consumer. */
export function validFrame(draw: Draw, kind: Kind, lane: number): Frame {
  const frame = draw.pick(MAKERS[kind])(draw, lane);
  if (draw.chance(0.9)) frame['request_id'] = draw.requestId();
  return frame;
}

type Make = (draw: Draw, lane: number) => Frame;

/** Where rows are lowest, they are most often there. */
const slot: (draw: Draw, lane: number) => number = (draw, lane) => lane * 1_000 + draw.integer(1, draw.chance(0.8) ? 15 : SLOTS);
const pk: Make = (draw, lane) => {
  const number = slot(draw, lane);
  return { pk: draw.chance(0.2) ? String(number) : number };
};
const page: Make = (draw) => ({
  ...(draw.chance(0.5) && { limit: draw.integer(1, 12) }),
  ...(draw.chance(0.5) && { offset: draw.integer(0, 9) }),
});

const COLUMNS: readonly ((draw: Draw) => Frame)[] = [
  (draw) => ({ slug: draw.chance(0.1) ? null : `s-${draw.integer(0, 500)}` }),
  (draw) => ({ email: `${draw.integer(0, 9)}@example.com` }),
  (draw) => ({ rating: draw.integer(0, 5) }),
  (draw) => ({ price: draw.pick(['1.50', '0', 12, '999999.99', 0.25]) }),
  (draw) => ({ open: draw.chance(0.5) }),
  (draw) => ({ due: draw.pick([null, '2024-02-29', '2024-02-29T12:00:00.123+02:00']) }),
  (draw) => ({ meta: draw.pick<unknown>([{ a: [1, { b: null }] }, 'text', 7, [], true]) }),
  (draw) => ({ authorId: draw.pick([1, 2, 3, null]) }),
  (draw) => ({ secret: draw.word(), lane: 1, id: 5, pk: 7 }),
];
const some: (draw: Draw) => Frame = (draw) => someOf(draw, COLUMNS);
const thing: (draw: Draw) => Frame = (draw) => ({ name: draw.word(), ...some(draw) });

const SAMPLES: readonly ((draw: Draw) => Frame)[] = [
  () => ({ short: 'abcde' }),
  (draw) => ({ text: draw.word() }),
  (draw) => ({ small: draw.pick([-32768, 32767, '12']) }),
  (draw) => ({ whole: draw.integer(-5, 5) }),
  (draw) => ({ big: draw.pick<unknown>(['9223372036854775807', 1, '-1']) }),
  (draw) => ({ real: draw.next() }),
  (draw) => ({ double: draw.pick<unknown>([1e300, '1.5e3', -1]) }),
  (draw) => ({ exact: draw.pick(['0.1', '123456789.987654321']) }),
  (draw) => ({ flag: draw.pick<unknown>([true, 'false']) }),
  () => ({ moment: '2024-02-29T12:00:00Z' }),
  () => ({ day: '2024-02-29' }),
  () => ({ clock: '12:30:59' }),
  (draw) => ({ color: draw.pick(['red', 'green']) }),
  () => ({ key: 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11' }),
  (draw) => ({ data: draw.pick<unknown>([{ a: [1] }, [], 'text', 0, false]) }),
];
const sample: (draw: Draw) => Frame = (draw) => someOf(draw, SAMPLES);
const anyRow: (draw: Draw) => number = (draw) => draw.integer(1, 40);

const request: Make = (draw) => ({
  ...(draw.chance(0.3) && { query: { q: draw.word(), list: [1, 'b', true] } }),
  ...(draw.chance(0.3) && { data: draw.pick<unknown>([{ name: draw.word() }, [1, 2], {}]) }),
});
const named: (...names: readonly string[]) => Make =
  (...names) =>
  (draw) => ({ action: draw.pick(names), ...request(draw, 0) });

const MAKERS: Readonly<Record<Kind, readonly Make[]>> = {
  router: [
    named('list', 'create'),
    (draw) => ({ action: draw.pick(['retrieve', 'patch', 'remove']), pk: draw.word(), ...request(draw, 0) }),
    (draw) => ({ action: draw.pick(['retrieve', 'patch']), parameters: { pk: draw.integer(0, 99) }, ...request(draw, 0) }),
    (draw) => ({ action: 'part', parameters: { pk: draw.word(), part: draw.chance(0.5) }, ...request(draw, 0) }),
    named('teapot', 'problems', 'text', 'bytes', 'pieces', 'empty', 'redirect', 'nobody'),
    named('throws', 'rejects', 'list', 'list'),
  ],
  actions: [
    (draw) => ({ action: 'echo', text: draw.word(), value: draw.odd(), [draw.key()]: draw.word() }),
    (draw) => ({ action: 'add', a: draw.integer(-9, 9), b: draw.next() }),
    (draw) => ({ action: 'wait', tag: draw.word() }),
    (draw) => ({ action: draw.pick(['none', 'three', 'count', 'count', 'rollback', 'shout', 'refused', 'coded', 'fails']) }),
  ],
  things: [
    (draw, lane) => ({ action: 'list', ...page(draw, lane) }),
    (draw, lane) => ({ action: 'retrieve', ...pk(draw, lane) }),
    (draw) => ({ action: 'create', data: thing(draw) }),
    (draw) => ({ action: 'create', data: thing(draw) }),
    (draw, lane) => ({ action: 'update', ...pk(draw, lane), data: thing(draw) }),
    (draw, lane) => ({ action: 'patch', ...pk(draw, lane), data: some(draw) }),
    (draw, lane) => ({ action: 'delete', ...pk(draw, lane) }),
    (draw, lane) => ({ action: 'rename', ...pk(draw, lane), name: draw.word() }),
  ],
  items: [
    (draw, lane) => ({ action: 'list', ...page(draw, lane) }),
    (draw) => ({ action: 'retrieve', slug: `item-${draw.integer(1, ITEMS)}` }),
    () => ({ action: 'list_cancel' }),
  ],
  samples: [
    (draw) => ({ action: 'list', limit: draw.integer(1, 9), ...(draw.chance(0.5) && { after: anyRow(draw) }) }),
    (draw) => ({ action: 'retrieve', pk: anyRow(draw) }),
    (draw) => ({ action: 'create', data: sample(draw) }),
    (draw) => ({ action: draw.pick(['update', 'patch']), pk: anyRow(draw), data: sample(draw) }),
    (draw) => ({ action: 'delete', pk: anyRow(draw) }),
  ],
  members: [(draw) => ({ action: 'echo', text: draw.word() })],
};

function someOf(draw: Draw, makers: readonly ((draw: Draw) => Frame)[]): Frame {
  return Object.fromEntries(makers.filter(() => draw.chance(0.35)).flatMap((make) => Object.entries(make(draw))));
}
