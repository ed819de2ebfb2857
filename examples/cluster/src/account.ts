/** Counts the numbered events of each publisher: received, missing without a gap, doubled. */

export interface Numbered {
  readonly by: string;
  /** The run of numbers that `n` belongs to. It continues over a restart of the publisher. */
  readonly series: string;
  readonly n: number;
}

interface Line {
  readonly series: string;
  readonly last: number;
}

export interface Account {
  readonly received: number;
  /** Numbers that were skipped without an announced gap. */
  readonly missing: number;
  readonly doubled: number;
  /** Announced gaps. */
  readonly gaps: number;
  /** The newest number of each publisher. */
  readonly lines: Readonly<Record<string, Line>>;
  /** Publishers with an announced gap and no event since. */
  readonly announced: readonly string[];
}

export const emptyAccount: Account = {
  received: 0,
  missing: 0,
  doubled: 0,
  gaps: 0,
  lines: {},
  announced: [],
};

export function bookEvent(account: Account, { by, series, n }: Numbered): Account {
  const line = account.lines[by];
  const received = account.received + 1;
  const isSame = line?.series === series;
  if (isSame && n <= line.last) return { ...account, received, doubled: account.doubled + 1 };
  // The first event defines the start. Another series starts at 1.
  const expected = line === undefined ? n : isSame ? line.last + 1 : 1;
  const skipped = account.announced.includes(by) ? 0 : n - expected;
  return {
    ...account,
    received,
    missing: account.missing + skipped,
    lines: { ...account.lines, [by]: { series, last: n } },
    announced: account.announced.filter((name) => name !== by),
  };
}

export function bookGap(account: Account, by: string): Account {
  return { ...account, gaps: account.gaps + 1, announced: [...account.announced, by] };
}
