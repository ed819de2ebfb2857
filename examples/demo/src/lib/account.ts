/** Counts numbered events per address: received, missing (announced or not), and duplicates. */

export type Entry =
  | {
      readonly kind: 'event';
      readonly address: string;
      readonly run: string;
      readonly n: number;
      /** With `keep: 'latest'` numbers may be skipped, never repeated. */
      readonly skips?: boolean;
    }
  | { readonly kind: 'gap'; readonly address: string };

interface Line {
  /** The run whose numbers are current. */
  readonly run: string | undefined;
  /** The highest number received from each run. */
  readonly seen: Readonly<Record<string, number>>;
  /** A gap was announced since the last event. */
  readonly announced: boolean;
  readonly received: number;
}

export interface Account {
  readonly received: number;
  readonly missingAnnounced: number;
  readonly missingUnannounced: number;
  readonly doubled: number;
  readonly gaps: number;
  readonly lines: Readonly<Record<string, Line>>;
}

const emptyLine: Line = { run: undefined, seen: {}, announced: false, received: 0 };

export const emptyAccount: Account = {
  received: 0,
  missingAnnounced: 0,
  missingUnannounced: 0,
  doubled: 0,
  gaps: 0,
  lines: {},
};

export function book(account: Account, entry: Entry): Account {
  const line = account.lines[entry.address] ?? emptyLine;
  if (entry.kind === 'gap') {
    return {
      ...account,
      gaps: account.gaps + 1,
      ...withLine(account, entry.address, { ...line, announced: true }),
    };
  }
  const { run, n, skips = false } = entry;
  const received = account.received + 1;
  const last = line.seen[run];
  if (last !== undefined && n <= last) {
    const { doubled } = account;
    return { ...account, received, doubled: doubled + 1, ...withLine(account, entry.address, counted(line)) };
  }
  // The first event of an address defines the start. A run that follows another one starts at 1.
  const missing = skips || (line.run === undefined && last === undefined) ? 0 : n - (last ?? 0) - 1;
  return {
    ...account,
    received,
    missingAnnounced: account.missingAnnounced + (line.announced ? missing : 0),
    missingUnannounced: account.missingUnannounced + (line.announced ? 0 : missing),
    ...withLine(account, entry.address, {
      ...counted(line),
      run,
      seen: { ...line.seen, [run]: n },
      announced: false,
    }),
  };
}

function counted(line: Line): Line {
  return { ...line, received: line.received + 1 };
}

function withLine(account: Account, address: string, line: Line): Pick<Account, 'lines'> {
  return { lines: { ...account.lines, [address]: line } };
}
