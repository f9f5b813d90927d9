import { Random } from '../support/random.js';

/** A token that goes into the frame as it stands, where JSON.stringify would change it: see {@link print}. */
const raw = (token: string): string => `RAW<${token}>`;

const WORDS = ['a', 'Ada', 'name 7', 'é☃', 'item-2', 'red', '12', '2024-02-29', '2024-02-29T12:00:00Z', '12:30', 'x@example.com'];

const TEXTS = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  'a\udfff',
  '\ufeff',
  '\u202Eabc',
  '👩‍👩‍👧',
  '__proto__',
  'constructor',
  '..',
  '.',
  '/',
  '../admin',
  '%2e%2e',
  '%2e%2e%2fadmin',
  '%00',
  '%',
  '?a=b',
  '1?_method=DELETE',
  '#',
  '\\',
  '1/secret',
  '//admin',
  ';a=b',
  '\r\nX-Admin: 1',
  "' or 1=1 --",
  "1'; drop table Things; --",
  '1e3',
  '0x10',
  '99999999999999999999',
  '-1',
  '+5',
  ' 5 ',
  '٣',
  'true',
  'null',
  '[object Object]',
  '$1',
  ':name',
  '?',
  'Infinity',
  'NaN',
  '0000-00-00',
  '+275760-09-13',
  '99:99',
  '00000000-0000-0000-0000-000000000000',
];

const NUMBERS: readonly unknown[] = [
  0,
  raw('-0'),
  -1,
  0.1,
  1.5,
  1e21,
  5e-324,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 53,
  2 ** 63,
  raw('9223372036854775807'),
  raw('123456789012345678901234567890'),
  raw('1e999'),
  raw('-1e999'),
  raw('1e-999'),
  raw('1E+2'),
];

const SHAPES: readonly unknown[] = [
  { $gt: 0 },
  { or: [] },
  { 'Symbol(gt)': 1 },
  { $col: 'secret' },
  { fn: 'random', args: [] },
  { val: '1=1' },
  { attribute: 'secret', comparator: '=', logic: 1 },
  { toJSON: 1, toString: 1, valueOf: 1 },
  { then: 1 },
  { length: 1e9 },
  { type: 'Buffer', data: [1, 2] },
  { '': { '': '' } },
  [],
  [[]],
  [null],
  ['1', 2, { a: 3 }],
  {},
];

/** Keys that mean something to JavaScript, to Express or to Sequelize. */
const KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
  'toJSON',
  'then',
  'length',
  '0',
  '',
  '_method',
  'method',
  'url',
  'path',
  'headers',
  'cookie',
  'where',
  'include',
  'attributes',
  'order',
  'transaction',
  'secret',
  'lane',
  'id',
  'pk',
  'data',
  'query',
  'parameters',
  'params',
  'limit',
  'offset',
  'after',
  'action',
  'request_id',
  'stream',
  'payload',
];

/** Draws of all that a frame may hold, the same for the same seed. */
export class Draw extends Random {
  pick<T>(list: readonly T[]): T {
    const item = list[this.integer(0, list.length - 1)];
    if (item === undefined) throw new TypeError('Expected something to pick from.');
    return item;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  word(): string {
    return this.chance(0.5) ? this.pick(WORDS) : `w${this.integer(0, 9_999)}`;
  }

  key(): string {
    return this.pick(KEYS);
  }

  /** A value that nobody expects. */
  odd(): unknown {
    const sort = this.integer(0, 9);
    if (sort < 3) return this.pick(TEXTS);
    if (sort < 5) return this.pick(NUMBERS);
    if (sort < 7) return structuredClone(this.pick(SHAPES));
    if (sort === 7) return this.pick([null, true, false]);
    if (sort === 8) return { [this.key()]: this.pick(TEXTS), own: JSON.parse(`{"__proto__":{"polluted":true}}`) as unknown };
    return this.chance(0.7) ? nest(this.integer(2, 100)) : this.pick(['x', 'é', '\0', '😀']).repeat(this.pick([256, 10_000]));
  }

  /** What clients send to have it echoed. */
  requestId(): unknown {
    return this.chance(0.7) ? this.integer(0, 1e6) : this.chance(0.5) ? this.odd() : `id-${this.integer(0, 99)}`;
  }
}

function nest(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

/** JSON text in which the raw tokens stand bare. */
export function print(value: unknown): string {
  return JSON.stringify(value).replace(/"RAW<([^>"]*)>"/g, '$1');
}
