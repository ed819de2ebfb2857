/** Quotes of invented companies: a random walk, pulled back to its start. */
import { symbols } from '../symbols.ts';

export type Symbol = (typeof symbols)[number];

export interface Quote {
  readonly symbol: Symbol;
  readonly bid: number;
  /** The bid at the start of the walk, in the first run of the server. */
  readonly open: number;
}

const opening: Record<Symbol, number> = { ACME: 41.2, BOLT: 128.75, CRUX: 9.04, DYNE: 73.5 };
/** Size of one move, as a part of the bid. */
const widestMove = 0.006;
const pull = 0.02;
/** Probability that a bid moves when asked. */
const restlessness = 0.6;

/**
 * Returns a function that gives the quotes that moved. A symbol that is not in `last` is returned first, with its
 * opening bid.
 */
export function createQuotes(
  last: Iterable<readonly [Symbol, number]> = [],
  random: () => number = Math.random,
): () => readonly Quote[] {
  const bids = new Map(last);
  return () =>
    symbols.flatMap((symbol) => {
      const open = opening[symbol];
      const before = bids.get(symbol);
      if (before !== undefined && random() > restlessness) return [];
      const move = before === undefined ? 0 : (random() * 2 - 1) * widestMove + (open / before - 1) * pull;
      const bid = Number(((before ?? open) * (1 + move)).toFixed(2));
      bids.set(symbol, bid);
      return bid === before ? [] : [{ symbol, bid, open }];
    });
}
