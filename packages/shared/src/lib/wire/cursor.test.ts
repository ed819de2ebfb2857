import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BEGINNING,
  comparePositions,
  END_MARK,
  formatCursor,
  formatEndMark,
  formatStreamId,
  parseCursor,
  parseEventId,
  parseNextCursor,
  readStreamId,
} from './cursor.ts';

const number = fc.bigInt({ min: 0n, max: 36n ** 12n });
const position = number.map((value) => value.toString(36));
const epoch = fc.stringMatching(/^[0-9a-z]{1,16}$/);

describe('comparePositions', () => {
  test('comparePositions orders positions as base-36 numbers', () => {
    fc.assert(
      fc.property(number, number, (a, b) => {
        const order = Math.sign(comparePositions(a.toString(36), b.toString(36)));
        expect(order).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });

  test('comparePositions sorts 9 before a, z before 10, and the beginning first', () => {
    expect(['10', 'z', '9', 'a', BEGINNING, '1'].toSorted(comparePositions)).toEqual([
      '0',
      '1',
      '9',
      'a',
      'z',
      '10',
    ]);
  });
});

describe('a cursor', () => {
  test('parseCursor reads back a formatted cursor', () => {
    fc.assert(
      fc.property(epoch, position, fc.option(position, { nil: undefined }), (of, at, prev) => {
        expect(parseCursor(formatCursor(of, at, prev))).toEqual({ epoch: of, position: at, prev });
      }),
    );
  });

  test.for([
    '',
    '.',
    'e',
    'e.',
    '.1',
    'e.01',
    'e.1.',
    'e.1.00',
    'e.1.2.3',
    'E.1',
    'e.A',
    'e.1 ',
    ' e.1',
    'e.1\n',
    'e.-1',
    'e.1~',
    'é.1',
    '1٣.1',
  ])('%j is not a cursor', (text) => {
    expect(parseCursor(text)).toBeUndefined();
  });

  test('a cursor has at most 64 bytes', () => {
    expect(parseCursor(`${'e'.repeat(62)}.1`)).toEqual({
      epoch: 'e'.repeat(62),
      position: '1',
      prev: undefined,
    });
    expect(parseCursor(`${'e'.repeat(63)}.1`)).toBeUndefined();
  });
});

describe('parseNextCursor', () => {
  test('parseNextCursor agrees with parseCursor after every previous cursor', () => {
    fc.assert(
      fc.property(
        epoch,
        position,
        fc.option(epoch),
        position,
        fc.option(position),
        (e, at, other, next, prev) => {
          const text = formatCursor(other ?? e, next, prev ?? at);
          expect(parseNextCursor(text, { epoch: e, position: at })).toEqual(parseCursor(text));
        },
      ),
    );
  });

  test('parseNextCursor agrees with parseCursor on malformed text, and reads a cursor without prev', () => {
    const at = { epoch: 'ab', position: '5' };
    for (const text of ['', 'ab', 'ab.', 'ab..5', 'ab-6.5', 'abc', '~', 'x.Y.5']) {
      expect(parseNextCursor(text, at), text).toEqual(parseCursor(text));
    }
    expect(parseNextCursor('ab.5', at)).toEqual({ epoch: 'ab', position: '5', prev: undefined });
  });
});

describe('an event id', () => {
  const cursor = { epoch: 'e', position: '1', prev: undefined };

  test('the id of a logged event is its cursor', () => {
    expect(parseEventId('e.1.0')).toEqual({
      cursor: { epoch: 'e', position: '1', prev: '0' },
      mark: undefined,
    });
  });

  test('an event id of a stream is read back for every id of the source', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.constantFrom('', 'e.1'), (id, at) => {
        const text = formatStreamId(at, id);
        expect(text).toMatch(/^[\x20-\x7e]*$/);
        const { cursor: place, mark } = parseEventId(text);
        expect(place).toEqual(at === '' ? undefined : cursor);
        expect(mark).not.toBe(END_MARK);
        expect(readStreamId(mark!)).toBe(id);
      }),
    );
  });

  test('the event id of a stream without ids has an empty mark', () => {
    expect(formatStreamId('e.1', undefined)).toBe('e.1~');
    expect(parseEventId('e.1~')).toEqual({ cursor, mark: '~' });
    expect(parseEventId('~')).toEqual({ cursor: undefined, mark: '~' });
    expect(readStreamId('~')).toBe('');
  });

  test('the end mark in an event id ends its stream', () => {
    expect(formatEndMark('e.1')).toBe('e.1~!');
    expect(parseEventId('e.1~!')).toEqual({ cursor, mark: '~!' });
    expect(parseEventId('~!')).toEqual({ cursor: undefined, mark: '~!' });
  });

  test('an id of a source cannot be read as an end mark or as another stream', () => {
    expect(formatStreamId('', '!')).toBe('~%21');
    expect(formatStreamId('', 'a~b')).toBe('~a%7Eb');
    expect(readStreamId('~%21')).toBe('!');
  });

  test('an event id with an invalid cursor still has its stream mark', () => {
    expect(parseEventId('nonsense~7')).toEqual({ cursor: undefined, mark: '~7' });
  });

  test('an event id with an invalid stream mark has no stream id', () => {
    expect(readStreamId('~%')).toBeUndefined();
    expect(parseEventId('e.1~%')).toEqual({ cursor, mark: '~%' });
  });

  test('parseEventId never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (before, behind) => {
        expect(() => parseEventId(before)).not.toThrow();
        expect(() => parseEventId(`${before}~${behind}`)).not.toThrow();
      }),
    );
  });
});
