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
  it('an account counts consecutive numbers as received, whatever the first number is', () => {
    expect(figures(event(7), event(8), event(9))).toEqual({ ...clean, received: 3 });
  });

  it('an account counts skipped numbers as missing and unannounced', () => {
    expect(figures(event(1), event(4))).toEqual({ ...clean, received: 2, missingUnannounced: 2 });
  });

  it('an account counts duplicates but no missing numbers of a topic that keeps only the newest value', () => {
    const latest = (n: number): Entry => ({ ...event(n), skips: true }) as Entry;
    expect(figures(latest(1), latest(4), latest(4))).toEqual({ ...clean, received: 3, doubled: 1 });
  });

  it('an account counts only the numbers skipped at a gap as announced', () => {
    expect(figures(event(1), gap, event(4), event(6))).toEqual({
      ...clean,
      received: 3,
      missingAnnounced: 2,
      missingUnannounced: 1,
      gaps: 1,
    });
  });

  it('an account counts a number that it already received as doubled', () => {
    expect(figures(event(1), event(2), event(2), event(1), event(3))).toEqual({
      ...clean,
      received: 5,
      doubled: 2,
    });
  });

  it('an account expects a new run to start at 1', () => {
    expect(figures(event(9), gap, event(1, 'b'), event(2, 'b'))).toEqual({ ...clean, received: 3, gaps: 1 });
    expect(figures(event(9), event(3, 'b'))).toEqual({ ...clean, received: 2, missingUnannounced: 2 });
    expect(figures(event(9), gap, event(3, 'b'))).toEqual({
      ...clean,
      received: 2,
      missingAnnounced: 2,
      gaps: 1,
    });
  });

  it('an account counts a repeated number as doubled when its run returns after another run', () => {
    expect(figures(event(1), gap, event(1, 'b'), event(1))).toEqual({
      ...clean,
      received: 3,
      doubled: 1,
      gaps: 1,
    });
  });

  it('an account counts each address separately', () => {
    expect(figures(event(1), event(1, 'a', 'notice'), gap, event(4, 'a', 'notice'))).toEqual({
      ...clean,
      received: 3,
      missingUnannounced: 2,
      gaps: 1,
    });
  });

  it('an account counts nothing as missing at a gap that lost no number', () => {
    expect(figures(event(1), gap, event(2))).toEqual({ ...clean, received: 2, gaps: 1 });
  });
});
