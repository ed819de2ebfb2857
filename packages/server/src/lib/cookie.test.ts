import { describe, expect, it } from 'vitest';
import { formatCookies, type Cookie } from './cookie.ts';

describe('cookies', () => {
  it('writes names and values, percent-encoded', () => {
    expect(formatCookies({ a: '1', b: 'x; y\r\nz="é"' })).toEqual([
      'a=1',
      'b=x%3B%20y%0D%0Az%3D%22%C3%A9%22',
    ]);
  });

  it('writes every attribute', () => {
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
    ['a name with a break', { name: 'a\r\nx: y' }],
    ['a name with an equals sign', { name: 'a=b' }],
    ['a value that is no string', { value: 1 }],
    ['a lone surrogate', { value: '\ud800' }],
    ['a path that ends the attribute', { path: '/; Domain=evil.example' }],
    ['a domain with a break', { domain: 'a\nb' }],
    ['a broken max age', { maxAgeSeconds: 1.5 }],
    ['an invalid date', { expires: new Date(Number.NaN) }],
    ['an unknown same-site mode', { sameSite: 'toString' }],
    ['sameSite none without secure', { sameSite: 'none' }],
    ['partitioned without secure', { partitioned: true }],
    ['__Secure- without secure', { name: '__Secure-a' }],
    ['__Host- with a domain', { name: '__Host-a', secure: true, path: '/', domain: 'a.b' }],
    ['__Host- without the root path', { name: '__Host-a', secure: true }],
  ])('refuses %s', (_, fields) => {
    expect(() => formatCookies([{ name: 'a', value: 'v', ...fields }])).toThrow(
      expect.objectContaining({ code: 'invalid_option' }),
    );
  });
});
