import { readTemplates, writePath } from '../../lib/http/route-template.js';

function pathsOf(path: string, values: Record<string, unknown> = {}): readonly string[] | undefined {
  return readTemplates(path)?.map((template) => writePath(template, new Map(Object.entries(values))));
}

describe('a path of Express is written from its parameters', () => {
  const values = { a: 1, b: 'x y', 'c d': 'z', rest: ['p', 'q/r'] };
  const table: [path: string, written: string[]][] = [
    ['/', ['/']],
    ['/static', ['/static']],
    ['/:a', ['/1']],
    ['/:a/parts/:b', ['/1/parts/x%20y']],
    ['/:a-:b.json', ['/1-x%20y.json']],
    ['/:"c d"', ['/z']],
    ['/files/*rest', ['/files/p/q%2Fr']],
    ['/files/*a', ['/files/1']],
    ['/x{/:a}', ['/x/1', '/x']],
    ['{/:a}', ['/1', '/']],
    ['/x{/:a{/:b}}', ['/x/1/x%20y', '/x/1', '/x']],
    ['/x/:a?', ['/x/1', '/x/']],
    ['/:a(\\d+)', ['/1']],
    ['/:a([a-z]{2}\\)|(x))/y', ['/1/y']],
    ['/\\:a/\\{b\\}', ['/:a/{b}']],
    ['/größe/:a', ['/größe/1']],
  ];
  test.each(table)('%s', (path, written) => {
    expect(pathsOf(path, values)).toEqual(written);
  });

  test('and tells which they are', () => {
    const names = readTemplates('/:a/{x-:b/}*rest')?.map(({ parameters }) => parameters);
    expect(names).toEqual([
      ['a', 'b', 'rest'],
      ['a', 'rest'],
    ]);
  });

  test.each(['/(a|b)', '/a+', '/a?b', '/*', '/:', '/{a', '/a}', '/:a(\\d+', '/\\', '/[a]', '{/:a}{/:b}{/:c}{/:d}{/:e}{/:f}{/:g}'])(
    'unless it can be written in no way, or in too many: %s',
    (path) => {
      expect(pathsOf(path, values)).toBeUndefined();
    },
  ); // prettier-ignore
});

describe('a value', () => {
  test.each([
    ['a text', 'é/☃', '/%C3%A9%2F%E2%98%83'],
    ['a number', 1.5, '/1.5'],
    ['a negative number', -1, '/-1'],
    ['a boolean', false, '/false'],
    ['dots that are a name', '...', '/...'],
    ['an encoded text, encoded again', '%2e%2e', '/%252e%252e'],
    ['a character of two halves', '😀', '/%F0%9F%98%80'],
  ])('may be %s', (_name, value, path) => {
    expect(pathsOf('/:a', { a: value })).toEqual([path]);
  });

  test.each([undefined, null, NaN, Infinity, {}, [], ['x'], () => 1, Symbol('s'), 1n, '', '.', '..', '\0', 'x\0', '\ud800', 'x\udc00'])(
    'may not be %p',
    (value) => {
      expect(() => pathsOf('/:a', { a: value })).toThrow(TypeError);
    },
  ); // prettier-ignore

  test.each([[[]], [['..']], [['x', '']], [['x', ['y']]], [[null]], ['..']])('of a wildcard may not be %j', (value) => {
    expect(() => pathsOf('/*a', { a: value })).toThrow(TypeError);
  });
});
