import { ParseError } from 'express-channels';

import { failure, formatEnvelope, parseObject, success, toActionFrame, toJson } from '../../lib/protocol/envelope.js';

describe('a text frame', () => {
  test.each(['', ' ', '{', '[]', '[{}]', 'null', 'true', '1', '"a"', '{}x', '{"a":NaN}', '{"a":Infinity}', "{'a':1}", '{"a":1,}', '\ufeff{}', '{"a":01}', '{"a":"\n"}'])(
    'that is no JSON object is a ParseError: %j',
    (text) => {
      expect(() => parseObject(text)).toThrow(ParseError);
    },
  ); // prettier-ignore

  test.each([
    ['white space around', ' \n{"a":1}\t', { a: 1 }],
    ['duplicate keys, of which the last wins', '{"a":1,"a":2}', { a: 2 }],
    ['escapes', '{"\\u0061":"\\ud83d\\ude00\\n"}', { a: '😀\n' }],
    ['an empty key', '{"":1}', { '': 1 }],
  ])('may have %s', (_name, text, value) => {
    expect(parseObject(text)).toEqual(value);
  });

  const nested = (depth: number, open: string, close: string): string => `{"a":${open.repeat(depth)}1${close.repeat(depth)}}`;

  test('may be nested as deep as anybody means', () => {
    expect(() => parseObject(nested(127, '[', ']'))).not.toThrow();
    expect(() => parseObject(nested(127, '{"a":', '}'))).not.toThrow();
  });

  test.each([
    ['lists', '[', ']'],
    ['objects', '{"a":', '}'],
    ['both', '[{"a":', '}]'],
  ])('may not be nested deeper, nor exhaust the stack: %s', (_name, open, close) => {
    for (const depth of [128, 5_000, 1_000_000]) {
      expect(() => parseObject(nested(depth, open, close))).toThrow(ParseError);
      expect(() => parseObject(`{"a":${open.repeat(depth)}`)).toThrow(ParseError);
    }
  });

  test('is as deep as its brackets outside of texts', () => {
    const brackets = '['.repeat(10_000);
    expect(parseObject(JSON.stringify({ a: brackets, [brackets]: '\\"[' }))).toEqual({ a: brackets, [brackets]: '\\"[' });
    expect(parseObject(`{"a":[${'[],'.repeat(10_000)}[]]}`)).toMatchObject({ a: expect.any(Array) as unknown });
    expect(() => parseObject(`{"a":"\\\\",${'"b":['.repeat(200)}`)).toThrow('nested too deep');
  });

  test('with keys that every object has changes no object', () => {
    const frame = parseObject('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"action":"a"}');
    expect(Object.getPrototypeOf(frame)).toBe(Object.prototype);
    const { args } = toActionFrame(frame);
    expect(Object.getPrototypeOf(args)).toBe(Object.prototype);
    expect(Object.keys(args)).toEqual(['__proto__', 'constructor']);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });
});

describe('an action frame', () => {
  test('is an action, a request_id, and all other keys', () => {
    const frame = toActionFrame({ action: 'a', request_id: 1, data: 2, errors: 3, type: 4 });
    expect(frame).toEqual({ action: 'a', requestId: 1, args: { data: 2, errors: 3, type: 4 } });
  });

  test.each([0, 1.5, '', 'x', false, true, null, [], [1], {}, { a: { b: 1 } }])('echoes any request_id: %j', (id) => {
    expect(toActionFrame({ action: 'a', request_id: id }).requestId).toEqual(id);
  });

  test('has the request_id null if there is none', () => {
    expect(toActionFrame({ action: 'a' })).toEqual({ action: 'a', requestId: null, args: {} });
  });

  test('may name no action', () => {
    expect(toActionFrame({ request_id: 1, a: 1 })).toEqual({ action: null, requestId: 1, args: { a: 1 } });
    expect(toActionFrame(parseObject('{"__proto__":{"action":"a","request_id":1}}'))).toMatchObject({
      action: null,
      requestId: null,
    });
  });

  test.each([null, 1, true, [], ['a'], {}])('may not name it by anything but a text: %j', (action) => {
    expect(() => toActionFrame({ action })).toThrow(ParseError);
  });
});

describe('an envelope', () => {
  test('has always the same keys in the same order', () => {
    expect(formatEnvelope('a', 1, success({ x: 1 }, 201))).toBe(
      '{"errors":[],"data":{"x":1},"action":"a","response_status":201,"request_id":1}',
    );
    expect(formatEnvelope(null, null, failure(['bad'], 400))).toBe(
      '{"errors":["bad"],"data":null,"action":null,"response_status":400,"request_id":null}',
    );
  });

  test('tells encoding and headers where there are any', () => {
    const outcome = { ...success('AA==', 200), encoding: 'base64' as const, headers: { location: '/x', link: ['a', 'b'] } };
    expect(formatEnvelope('a', 1, outcome)).toBe(
      '{"errors":[],"data":"AA==","action":"a","response_status":200,"request_id":1,"encoding":"base64","headers":{"location":"/x","link":["a","b"]}}',
    );
  });

  test('takes JSON texts as they are', () => {
    expect(formatEnvelope('a', 1, { status: 200, data: '{ "n": 1.0 }', errors: '[ ]' })).toBe(
      '{"errors":[ ],"data":{ "n": 1.0 },"action":"a","response_status":200,"request_id":1}',
    );
  });

  test.each(['"', '\\', '\n', '\u2028', '\ud800', '","errors":[1]', 'é☃😀', '__proto__'])(
    'is JSON whatever the action and the request_id are: %j',
    (text) => {
      const frame: unknown = JSON.parse(formatEnvelope(text, { [text]: [text] }, failure([text], 405)));
      expect(frame).toEqual({
        errors: [text],
        data: null,
        action: text,
        response_status: 405,
        request_id: JSON.parse(JSON.stringify({ [text]: [text] })) as unknown,
      });
    },
  );

  test('of what JSON does not know is null', () => {
    expect([undefined, () => 1, Symbol('s'), NaN].map(toJson)).toEqual(['null', 'null', 'null', 'null']);
  });
});
