/** Tests of the quotes: the start of a walk, and its continuation in a later run of the server. */
import { expect, it } from 'vitest';
import { createQuotes } from './quotes.ts';

/** Always the middle value: each bid moves when asked, by its pull alone. */
const even = () => 0.5;

it('createQuotes starts every symbol at its opening bid', () => {
  const read = createQuotes([], even);
  expect(read().map(({ symbol, bid, open }) => [symbol, bid === open])).toEqual([
    ['ACME', true],
    ['BOLT', true],
    ['CRUX', true],
    ['DYNE', true],
  ]);
  expect(read()).toEqual([]);
});

it('createQuotes continues from the last bids', () => {
  const read = createQuotes([['ACME', 50]], even);
  expect(read()[0]).toEqual({ symbol: 'ACME', bid: 49.82, open: 41.2 });
});
