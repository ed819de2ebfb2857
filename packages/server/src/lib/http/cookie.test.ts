import { describe, expect, it } from 'vitest';
import { formatCookies, type Cookie } from './cookie.ts';

describe('formatCookies', () => {
  it('formatCookies writes a record of names and percent-encoded values', () => {
    expect(formatCookies({ a: '1', b: 'x; y\r\nz="é"' })).toEqual([
      'a=1',
      'b=x%3B%20y%0D%0Az%3D%22%C3%A9%22',
    ]);
  });

  it('formatCookies writes every cookie attribute', () => {
    const cookie: Cookie = {
      name: '__Host-id',
      value: 'v',
      maxAgeSeconds: 0,
      expires: new Date(0),
      path: '/',
      secure: true,
      httpOnly: true,
      sameSite: 'none',
      partitioned: true,
    };
    expect(formatCookies([cookie, { name: 'b', value: '', domain: 'example.org', sameSite: 'lax' }])).toEqual(
      [
        '__Host-id=v; Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=None; Partitioned',
        'b=; Domain=example.org; SameSite=Lax',
      ],
    );
  });

  it.each<[string, Record<string, unknown>]>([
    ['an empty name', { name: '' }],
    ['a line break in its name', { name: 'a\r\nx: y' }],
    ['an equals sign in its name', { name: 'a=b' }],
    ['a value that is not a string', { value: 1 }],
    ['a lone surrogate in its value', { value: '\ud800' }],
    ['a semicolon in its path', { path: '/; Domain=evil.example' }],
    ['a line break in its domain', { domain: 'a\nb' }],
    ['a fractional maxAgeSeconds', { maxAgeSeconds: 1.5 }],
    ['an invalid expires date', { expires: new Date(Number.NaN) }],
    ['an unknown sameSite mode', { sameSite: 'toString' }],
    ['sameSite none without secure', { sameSite: 'none' }],
    ['partitioned without secure', { partitioned: true }],
    ['the prefix __Secure- without secure', { name: '__Secure-a' }],
    ['the prefix __Host- with a domain', { name: '__Host-a', secure: true, path: '/', domain: 'a.b' }],
    ['the prefix __Host- without the root path', { name: '__Host-a', secure: true }],
  ])('a cookie with %s is refused', (_, fields) => {
    expect(() => formatCookies([{ name: 'a', value: 'v', ...fields }])).toThrow(
      expect.objectContaining({ code: 'invalid_option' }),
    );
  });
});
