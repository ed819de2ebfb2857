import { describe, expect, it } from 'vitest';
import { joinVary } from './http.ts';
import { readHead, type HeadOptions } from './head.ts';

const headersOf = (options: Parameters<typeof readHead>[0]): Record<string, string> =>
  Object.fromEntries(readHead(options).headers);

describe('the head of an event stream', () => {
  it('the head has content-type, cache-control and x-accel-buffering by default', () => {
    expect(readHead({})).toEqual({
      status: 200,
      headers: [
        ['content-type', 'text/event-stream; charset=utf-8'],
        ['cache-control', 'no-store, no-transform'],
        ['x-accel-buffering', 'no'],
      ],
    });
  });

  it.each([
    ['a record', { 'X-One': '1', 'CACHE-control': 'no-cache', 'x-left-out': undefined, 'x-two': 2 }],
    [
      'pairs',
      [
        ['X-One', '1'],
        ['CACHE-control', 'no-cache'],
        ['x-two', '2'],
      ] as const,
    ],
    ['Headers', new Headers({ 'X-One': '1', 'CACHE-control': 'no-cache', 'x-two': '2' })],
  ])('headers given as %s override defaults, with case-insensitive names', (_, headers) => {
    expect(headersOf({ headers })).toEqual({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
      'x-one': '1',
      'x-two': '2',
    });
  });

  it('values of Set-Cookie accumulate, and values of Vary are joined', () => {
    const { headers } = readHead({
      headers: { 'Set-Cookie': ['a=1', 'b=2'], vary: ['Origin', 'cookie'] },
      cookies: [{ name: 'c', value: '3', httpOnly: true }],
    });
    expect(headers.filter(([name]) => name === 'set-cookie').map(([, value]) => value)).toEqual([
      'a=1',
      'b=2',
      'c=3; HttpOnly',
    ]);
    expect(headers.filter(([name]) => name === 'vary')).toEqual([['vary', 'Origin, cookie']]);
    expect(joinVary('Origin, Accept', 'accept, Cookie')).toBe('Origin, Accept, Cookie');
  });

  it.each([
    'content-type',
    'Content-Length',
    'CONNECTION',
    'Keep-Alive',
    'transfer-encoding',
    'Upgrade',
    'Proxy-Connection',
    'http2-settings',
    'TE',
  ])('the header %s is refused with a reason', (name) => {
    expect(() => readHead({ headers: { [name]: '1' } })).toThrow(
      expect.objectContaining({
        code: 'invalid_option',
        message: expect.stringMatching(new RegExp(`${name} cannot be set: .{20,}`)),
      }),
    );
  });

  it.each([
    ['a line break in its value', { 'x-a': 'b\r\nx-c: d' }],
    ['a space in its name', { 'x a': 'b' }],
    ['a character beyond Latin-1 in its value', { 'x-a': '€' }],
    ['a control character in its value', { 'x-a': 'b\u0001' }],
    ['DEL in its value', { 'x-a': 'b\u007f' }],
    ['NUL in one of its values', { 'x-a': ['b', 'c\0'] }],
  ])('a header with %s is refused', (_, headers) => {
    expect(() => readHead({ headers })).toThrow(expect.objectContaining({ code: 'invalid_option' }));
  });

  it('a header value may contain tabs and Latin-1 characters', () => {
    expect(headersOf({ headers: { 'x-a': 'b\tc é' } })['x-a']).toBe('b\tc é');
  });

  it.each([204, 205, 304])('status %i is refused, because it has no body', (status) => {
    expect(() => readHead({ status })).toThrow(/has no body/);
  });

  it.each([0, 101, 199, 600, 200.5, Number.NaN, '200' as unknown as number])(
    'status %s is refused as invalid',
    (status) => {
      expect(() => readHead({ status })).toThrow(/status must be/);
    },
  );

  it('statuses with a body are accepted, such as 201 and 503', () => {
    expect(readHead({ status: 201 }).status).toBe(201);
    expect(readHead({ status: 503 }).status).toBe(503);
  });
});

it.each<[string, HeadOptions['headers']]>([
  [
    'pairs',
    [
      ['Link', '</a>'],
      ['link', '</b>'],
    ],
  ],
  ['an array', { link: ['</a>', '</b>'] }],
])('a header that is given twice as %s is sent with both values', (_, headers) => {
  expect(headersOf({ headers })['link']).toBe('</a>, </b>');
});
