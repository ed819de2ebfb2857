import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, encodeAddress, encodeEntry, parseAddress, parseEntry } from './address.ts';

describe('encodeAddress', () => {
  test('a topic without params is its own address', () => {
    expect(encodeAddress('notice')).toBe('notice');
    expect(encodeAddress('notice', {})).toBe('notice');
  });

  test('params stand in the order of their code units, however they were written', () => {
    expect(encodeAddress('t', { b: '2', a: '1', B: '3', é: '4', _: '5' })).toBe('t?B=3&_=5&a=1&b=2&%C3%A9=4');
    expect(encodeAddress('t', { a10: 'x', a9: 'y' })).toBe('t?a10=x&a9=y');
  });

  test('keys that look like integers are sorted as text, too', () => {
    expect(encodeAddress('t', { 10: 'a', 9: 'b', 1: 'c' })).toBe('t?1=c&10=a&9=b');
  });

  test('strings stand bare, everything else as JSON', () => {
    expect(encodeAddress('t', { a: 'true', b: true, c: 1.5, d: null, e: '' })).toBe(
      't?a=true&b=true&c=1.5&d=null&e=',
    );
  });

  test('undefined is left out at every depth', () => {
    expect(encodeAddress('t', { a: undefined, b: { c: undefined, d: 1 } })).toBe('t?b=%7B%22d%22%3A1%7D');
  });

  test('objects within params are the same text for every order of their keys', () => {
    const one = encodeAddress('t', { at: { y: 1, x: [{ d: 1, c: 2 }] } });
    const other = encodeAddress('t', { at: { x: [{ c: 2, d: 1 }], y: 1 } });
    expect(one).toBe(other);
    expect(decodeURIComponent(one)).toBe('t?at={"x":[{"c":2,"d":1}],"y":1}');
  });

  test('everything that means something in a URL or on the wire is encoded', () => {
    expect(encodeAddress('t', { q: 'a&b=c?d#e+f g%h\r\n~' })).toBe(
      't?q=a%26b%3Dc%3Fd%23e%2Bf%20g%25h%0D%0A~',
    );
    expect(encodeAddress('t', { 'a&b=': 'x' })).toBe('t?a%26b%3D=x');
  });

  test('text beyond ASCII is UTF-8', () => {
    expect(encodeAddress('t', { q: 'ß€😀' })).toBe('t?q=%C3%9F%E2%82%AC%F0%9F%98%80');
  });

  test('a lone surrogate is refused: it would share its address with U+FFFD', () => {
    expect(() => encodeAddress('t', { q: '\ud800' })).toThrow(
      expect.objectContaining({ code: 'invalid_params', cause: expect.any(URIError) }),
    );
  });

  test.for([1n, () => 1, Symbol('q')])('a param that JSON does not know is refused: %s', (q) => {
    expect(() => encodeAddress('t', { q })).toThrow(
      expect.objectContaining({ code: 'invalid_params', message: expect.stringContaining('"q"') }),
    );
  });

  test('a URL parser leaves it as it is, up to an apostrophe, so that the server reads what the client wrote', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(fc.dictionary(text, text), (params) => {
        const address = encodeAddress('t', params);
        const { pathname, search } = new URL(`http://host/events/${address}`);
        expect(pathname + search).toBe(`/events/${address.replaceAll("'", '%27')}`);
      }),
      { examples: [[{ "'": "o'clock" }]] },
    );
    expect(parseAddress('t?%27=o%27clock')).toEqual(parseAddress(encodeAddress('t', { "'": "o'clock" })));
  });
});

describe('parseAddress', () => {
  test('reads back every topic and all params of strings', () => {
    const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_./-]*$/);
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(name, fc.dictionary(text, text), (topic, params) => {
        const parsed = parseAddress(encodeAddress(topic, params));
        expect(parsed?.topic).toBe(topic);
        expect(new Map(parsed?.params)).toEqual(new Map(Object.entries(params)));
      }),
    );
  });

  test('reads back everything else as the JSON it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(typeof value !== 'string');
        const text = parseAddress(encodeAddress('t', { value }))?.params[0]?.[1];
        expect(text).toBe(canonicalJson(value));
        expect(JSON.parse(text!)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('a plus is a space, as forms and URLSearchParams write it', () => {
    expect(parseAddress('room?name=tea+time&a%2Bb=c%2Bd')).toEqual({
      topic: 'room',
      params: [
        ['name', 'tea time'],
        ['a+b', 'c+d'],
      ],
    });
  });

  test('a plus in a topic is a plus', () => {
    expect(parseAddress('a+b')).toEqual({ topic: 'a+b', params: [] });
  });

  test('only the first question mark and the first equals sign separate', () => {
    expect(parseAddress('t?a=b?c=d')).toEqual({ topic: 't', params: [['a', 'b?c=d']] });
  });

  test('empty pairs are passed over, and a key without equals sign has the empty text', () => {
    expect(parseAddress('t?')).toEqual({ topic: 't', params: [] });
    expect(parseAddress('t?&&a&')).toEqual({ topic: 't', params: [['a', '']] });
  });

  test.for(['%', 't?a=%', 't?%ZZ=1', '%C3?a=1', 't?a=%FF', 't?a=%ED%A0%80', 't?a=1&a=2', 't?a=1&%61=2'])(
    '%s is malformed',
    (address) => {
      expect(parseAddress(address)).toBeUndefined();
    },
  );

  test('it never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(() => parseAddress(text)).not.toThrow();
      }),
    );
  });

  test('a key such as __proto__ is a key like any other', () => {
    expect(parseAddress('t?__proto__=1&constructor=2')?.params).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
    ]);
  });
});

describe('an entry of a list in a URL', () => {
  test('reads back as it was written, however its params, from and key are ordered', () => {
    const entry = fc.record(
      {
        address: fc.constantFrom('notice', 'price?symbol=A%26B', 'room?floor=1&name=tea%20time'),
        from: fc.string({ unit: 'grapheme' }),
        key: fc.string({ unit: 'grapheme' }),
      },
      { requiredKeys: ['address'] },
    );
    fc.assert(
      fc.property(entry, (given) => {
        const text = encodeEntry(given);
        const expected = { from: undefined, key: undefined, ...given };
        expect(parseEntry(text)).toMatchObject(expected);
        const [path, query] = text.split('?');
        if (query === undefined) return;
        const reversed = parseEntry(`${path}?${query.split('&').toReversed().join('&')}`);
        expect(reversed).toMatchObject({ from: expected.from, key: expected.key });
      }),
    );
  });
});

describe('canonicalJson', () => {
  test('equal values are equal text', () => {
    expect(canonicalJson({ b: [{ z: 1, a: 2 }], a: null })).toBe('{"a":null,"b":[{"a":2,"z":1}]}');
  });

  test('keys that look like integers stand where their text belongs', () => {
    expect(canonicalJson({ 9: 'a', 10: 'b', a: { 2: 1, 10: 2 } })).toBe(
      '{"10":"b","9":"a","a":{"10":2,"2":1}}',
    );
  });

  test('arrays keep their order', () => {
    expect(canonicalJson([3, 1, 2])).toBe('[3,1,2]');
  });

  test('it carries what JSON.stringify carries', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // Keys such as "__proto__" occur. Some matchers of vitest do not compare those as own keys.
        expect(isDeepStrictEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)))).toBe(
          true,
        );
      }),
    );
  });
});
