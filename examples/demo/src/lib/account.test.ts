/** Tests of the account: each kind of fault raises its own figure and no other. */
import { describe, expect, it } from 'vitest';
import { book, emptyAccount, type Account, type Entry } from './account.ts';

function event(n: number, run = 'a', address = 'host'): Entry {
  return { kind: 'event', address, run, n };
}

const gap: Entry = { kind: 'gap', address: 'host' };

function figures(...entries: readonly Entry[]): Omit<Account, 'lines'> {
  const { lines: _, ...rest } = entries.reduce(book, emptyAccount);
  return rest;
}

const clean = { missingAnnounced: 0, missingUnannounced: 0, doubled: 0, gaps: 0 };

describe('account', () => {
  it('counts an unbroken run from wherever it came in', () => {
    expect(figures(event(7), event(8), event(9))).toEqual({ ...clean, received: 3 });
  });

  it('counts skipped numbers as missing and unannounced', () => {
    expect(figures(event(1), event(4))).toEqual({ ...clean, received: 2, missingUnannounced: 2 });
  });

  it('counts nothing as missing where only the newest value is kept, but still what comes twice', () => {
    const latest = (n: number): Entry => ({ ...event(n), skips: true }) as Entry;
    expect(figures(latest(1), latest(4), latest(4))).toEqual({ ...clean, received: 3, doubled: 1 });
  });

  it('counts skipped numbers behind a gap as announced, and only those', () => {
    expect(figures(event(1), gap, event(4), event(6))).toEqual({
      ...clean,
      received: 3,
      missingAnnounced: 2,
      missingUnannounced: 1,
      gaps: 1,
    });
  });

  it('counts a number that came before as doubled', () => {
    expect(figures(event(1), event(2), event(2), event(1), event(3))).toEqual({
      ...clean,
      received: 5,
      doubled: 2,
    });
  });

  it('expects a new run to start at 1', () => {
    expect(figures(event(9), gap, event(1, 'b'), event(2, 'b'))).toEqual({ ...clean, received: 3, gaps: 1 });
    expect(figures(event(9), event(3, 'b'))).toEqual({ ...clean, received: 2, missingUnannounced: 2 });
    expect(figures(event(9), gap, event(3, 'b'))).toEqual({
      ...clean,
      received: 2,
      missingAnnounced: 2,
      gaps: 1,
    });
  });

  it('knows the numbers of a run that comes back', () => {
    expect(figures(event(1), gap, event(1, 'b'), event(1))).toEqual({
      ...clean,
      received: 3,
      doubled: 1,
      gaps: 1,
    });
  });

  it('keeps addresses apart', () => {
    expect(figures(event(1), event(1, 'a', 'notice'), gap, event(4, 'a', 'notice'))).toEqual({
      ...clean,
      received: 3,
      missingUnannounced: 2,
      gaps: 1,
    });
  });

  it('takes a needless gap for what it is', () => {
    expect(figures(event(1), gap, event(2))).toEqual({ ...clean, received: 2, gaps: 1 });
  });
});
