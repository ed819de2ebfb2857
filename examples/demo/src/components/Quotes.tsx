/** The quote board: one address per symbol; only its newest value matters. */
import type { Payload } from '@linefeed/shared';
import type { Board } from '../../channel.ts';
import { symbols } from '../../symbols.ts';
import { toCurve } from '../lib/curve.ts';
import { useFollowing } from '../lib/desk.ts';
import { toPrice, toSigned } from '../lib/format.ts';
import { useTopic } from '../lib/link.ts';
import { Panel } from './Panel.tsx';

type Quote = Payload<Board, 'price'>;

const none: readonly Quote[] = [];
const keptQuotes = 40;
/** Minimum range of a trace's height, as a part of the bid. */
const leastRange = 0.02;
const width = 120;
const height = 32;

export function Quotes() {
  return (
    <Panel name="quotes" title="Quotes">
      <p className="quotes-note">
        Invented. The log keeps only the newest quote of each symbol. A client that reconnects gets this one,
        and none of the older ones.
      </p>
      <ul className="quotes-list">
        {symbols.map((symbol) => (
          <Row key={symbol} symbol={symbol} />
        ))}
      </ul>
    </Panel>
  );
}

function Row({ symbol }: { readonly symbol: (typeof symbols)[number] }) {
  const { start, pass } = useFollowing(`price?symbol=${symbol}`, none);
  const { data: quotes } = useTopic('price', {
    params: { symbol },
    ...start,
    reduce: (before, quote, event) => pass(quote, event, [...before, quote].slice(-keptQuotes), true),
  });

  const newest = quotes.at(-1);
  if (newest === undefined) {
    return (
      <li className="quote">
        <b>{symbol}</b>
        <span className="quote-line" />
        <span className="quote-bid">–</span>
        <span className="quote-change" />
      </li>
    );
  }
  const change = (newest.bid / newest.open - 1) * 100;
  const direction = Math.abs(change) < 0.005 ? 'flat' : change > 0 ? 'up' : 'down';
  return (
    <li className={`quote is-${direction}`}>
      <b>{symbol}</b>
      <svg
        className="quote-line"
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        aria-hidden="true"
      >
        <path d={toTrace(quotes)} />
      </svg>
      <span className="quote-bid">{toPrice(newest.bid)}</span>
      <span className="quote-change">
        <span aria-hidden="true">{{ up: '▲', down: '▼', flat: '■' }[direction]}</span> {toSigned(change)} %
      </span>
    </li>
  );
}

/** The received quotes, evenly spaced, on a scale on which a small move looks small. */
function toTrace(quotes: readonly Quote[]): string {
  const bids = quotes.map(({ bid }) => bid);
  const low = Math.min(...bids);
  const high = Math.max(...bids);
  const range = Math.max(high - low, high * leastRange);
  const bottom = (low + high - range) / 2;
  const step = width / (keptQuotes - 1);
  return toCurve(
    bids.map((bid, i) => ({ x: i * step, y: height - 3 - ((bid - bottom) / range) * (height - 6) })),
  );
}
