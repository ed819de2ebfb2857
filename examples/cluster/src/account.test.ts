/** The counters of the page, for the cases that it must tell apart. */
import { expect, it } from 'vitest';
import { bookEvent, bookGap, emptyAccount, type Account } from './account.ts';

/** Books numbers of one publisher; `gap` is an announced gap. */
function account(...entries: ReadonlyArray<number | 'gap' | readonly [series: string, n: number]>): Account {
  return entries.reduce<Account>((sum, entry) => {
    if (entry === 'gap') return bookGap(sum, 'alder');
    const [series, n] = typeof entry === 'number' ? ['a', entry] : entry;
    return bookEvent(sum, { by: 'alder', series, n });
  }, emptyAccount);
}

it('numbers without a hole count as received', () => {
  expect(account(5, 6, 7)).toMatchObject({ received: 3, missing: 0, doubled: 0, gaps: 0 });
});

it('a hole without a gap counts as missing', () => {
  expect(account(5, 6, 9)).toMatchObject({ received: 3, missing: 2 });
});

it('a hole after an announced gap does not count as missing, a later hole does', () => {
  expect(account(5, 'gap', 9)).toMatchObject({ missing: 0, gaps: 1 });
  expect(account(5, 'gap', 9, 11)).toMatchObject({ missing: 1, gaps: 1 });
});

it('a number that is received again counts as doubled', () => {
  expect(account(5, 6, 6, 5, 7)).toMatchObject({ received: 5, missing: 0, doubled: 2 });
});

it('another series starts at 1', () => {
  expect(account(5, ['b', 1])).toMatchObject({ missing: 0, doubled: 0 });
  expect(account(5, ['b', 3])).toMatchObject({ missing: 2 });
});

it('publishers are counted separately', () => {
  const first = bookEvent(emptyAccount, { by: 'alder', series: 'a', n: 5 });
  const both = bookEvent(first, { by: 'birch', series: 'b', n: 50 });
  expect(bookEvent(both, { by: 'alder', series: 'a', n: 6 })).toMatchObject({ received: 3, missing: 0 });
});
