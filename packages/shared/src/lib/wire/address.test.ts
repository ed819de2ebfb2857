import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, encodeAddress, encodeEntry, parseAddress, parseEntry } from './address.ts';

describe('encodeAddress', () => {
  test('the address of a topic without params is the topic name', () => {
    expect(encodeAddress('notice')).toBe('notice');
    expect(encodeAddress('notice', {})).toBe('notice');
  });

  test('the params of an address are sorted by code units', () => {
    expect(encodeAddress('t', { b: '2', a: '1', B: '3', é: '4', _: '5' })).toBe('t?B=3&_=5&a=1&b=2&%C3%A9=4');
    expect(encodeAddress('t', { a10: 'x', a9: 'y' })).toBe('t?a10=x&a9=y');
  });

  test('keys that look like integers are sorted as text in an address', () => {
    expect(encodeAddress('t', { 10: 'a', 9: 'b', 1: 'c' })).toBe('t?1=c&10=a&9=b');
  });

  test('string params of an address are plain text, and other values are JSON', () => {
    expect(encodeAddress('t', { a: 'true', b: true, c: 1.5, d: null, e: '' })).toBe(
      't?a=true&b=true&c=1.5&d=null&e=',
    );
  });

  test('undefined is omitted from an address at every depth', () => {
    expect(encodeAddress('t', { a: undefined, b: { c: undefined, d: 1 } })).toBe('t?b=%7B%22d%22%3A1%7D');
  });

  test('an object in a param gives the same address for every order of its keys', () => {
    const one = encodeAddress('t', { at: { y: 1, x: [{ d: 1, c: 2 }] } });
    const other = encodeAddress('t', { at: { x: [{ c: 2, d: 1 }], y: 1 } });
    expect(one).toBe(other);
    expect(decodeURIComponent(one)).toBe('t?at={"x":[{"c":2,"d":1}],"y":1}');
  });

  test('characters with a meaning in a URL or on the wire are percent-encoded', () => {
    expect(encodeAddress('t', { q: 'a&b=c?d#e+f g%h\r\n~' })).toBe(
      't?q=a%26b%3Dc%3Fd%23e%2Bf%20g%25h%0D%0A~',
    );
    expect(encodeAddress('t', { 'a&b=': 'x' })).toBe('t?a%26b%3D=x');
  });

  test('text outside ASCII is encoded as UTF-8', () => {
    expect(encodeAddress('t', { q: 'ß€😀' })).toBe('t?q=%C3%9F%E2%82%AC%F0%9F%98%80');
  });

  test('a lone surrogate in a param is refused, because U+FFFD would give the same address', () => {
    expect(() => encodeAddress('t', { q: '\ud800' })).toThrow(
      expect.objectContaining({ code: 'invalid_params', cause: expect.any(URIError) }),
    );
  });

  test.for([1n, () => 1, Symbol('q')])('a param that JSON cannot represent is refused: %s', (q) => {
    expect(() => encodeAddress('t', { q })).toThrow(
      expect.objectContaining({ code: 'invalid_params', message: expect.stringContaining('"q"') }),
    );
  });

  test('a URL parser does not change an address, except for an apostrophe', () => {
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
  test('parseAddress reads back every topic and all string params', () => {
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

  test('parseAddress reads back other values as their JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(typeof value !== 'string');
        const text = parseAddress(encodeAddress('t', { value }))?.params[0]?.[1];
        expect(text).toBe(canonicalJson(value));
        expect(JSON.parse(text!)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('parseAddress reads a plus in params as a space', () => {
    expect(parseAddress('room?name=tea+time&a%2Bb=c%2Bd')).toEqual({
      topic: 'room',
      params: [
        ['name', 'tea time'],
        ['a+b', 'c+d'],
      ],
    });
  });

  test('parseAddress keeps a plus in a topic', () => {
    expect(parseAddress('a+b')).toEqual({ topic: 'a+b', params: [] });
  });

  test('parseAddress splits at the first question mark and the first equals sign only', () => {
    expect(parseAddress('t?a=b?c=d')).toEqual({ topic: 't', params: [['a', 'b?c=d']] });
  });

  test('parseAddress skips empty pairs, and gives a key without an equals sign the empty string', () => {
    expect(parseAddress('t?')).toEqual({ topic: 't', params: [] });
    expect(parseAddress('t?&&a&')).toEqual({ topic: 't', params: [['a', '']] });
  });

  test.for(['%', 't?a=%', 't?%ZZ=1', '%C3?a=1', 't?a=%FF', 't?a=%ED%A0%80', 't?a=1&a=2', 't?a=1&%61=2'])(
    'parseAddress returns undefined for the malformed address %s',
    (address) => {
      expect(parseAddress(address)).toBeUndefined();
    },
  );

  test('parseAddress never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(() => parseAddress(text)).not.toThrow();
      }),
    );
  });

  test('parseAddress treats a key such as __proto__ as any other key', () => {
    expect(parseAddress('t?__proto__=1&constructor=2')?.params).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
    ]);
  });
});

describe('encodeEntry and parseEntry', () => {
  test('parseEntry reads back an encoded entry, in every order of params, from and key', () => {
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
  test('canonicalJson gives the same text for equal values', () => {
    expect(canonicalJson({ b: [{ z: 1, a: 2 }], a: null })).toBe('{"a":null,"b":[{"a":2,"z":1}]}');
  });

  test('canonicalJson sorts keys that look like integers as text', () => {
    expect(canonicalJson({ 9: 'a', 10: 'b', a: { 2: 1, 10: 2 } })).toBe(
      '{"10":"b","9":"a","a":{"10":2,"2":1}}',
    );
  });

  test('canonicalJson keeps the order of arrays', () => {
    expect(canonicalJson([3, 1, 2])).toBe('[3,1,2]');
  });

  test('canonicalJson represents the same values as JSON.stringify', () => {
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
