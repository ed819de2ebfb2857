/** The page's part of a chaos run: subscribes to everything, and counts. */
import { createClient, eventSourceTransport, fetchTransport } from '@linefeed/client';
import type { Board } from '../../kit/board.ts';

export type Via = 'fetch' | 'EventSource';

/** The received numbers of one subscription; the expected ones are 1, 2, 3, … */
export interface Counter {
  last: number;
  /** The first few numbers out of sequence. */
  readonly wrong: string[];
}

export interface ChaosReport {
  readonly notice: Counter;
  readonly room: Counter;
  readonly steps: Counter;
  /** Gaps and errors: there should be none. */
  readonly trouble: readonly string[];
  readonly connections: number;
  /** Every topic was accepted: all later events must arrive. */
  readonly ready: boolean;
}

const reports: Array<() => ChaosReport> = [];
const MAX_KEPT = 20;

/** Starts a client whose requests name their transport. */
export function start(via: Via): void {
  const trouble: string[] = [];
  const keep = (list: string[], line: string): void => void (list.length < MAX_KEPT && list.push(line));
  const counter = (): Counter => ({ last: 0, wrong: [] });
  const [notice, room, steps] = [counter(), counter(), counter()];
  const count = (counter: Counter, n: number): void => {
    if (n !== counter.last + 1) keep(counter.wrong, `${n} after ${counter.last}`);
    counter.last = n;
  };
  const client = createClient<Board>({
    url: `/events?via=${via}`,
    transport: via === 'fetch' ? fetchTransport() : eventSourceTransport(),
    retry: { baseMs: 20, floorMs: 10, capMs: 200 },
    connectTimeoutMs: 2_000,
    onGap: ({ address, reason }) => keep(trouble, `gap of ${address}: ${reason}`),
    onError: ({ code, message }) => keep(trouble, `${code}: ${message}`),
  });
  const subscriptions = [
    client.subscribe('notice', ({ n }) => count(notice, n)),
    client.subscribe('room', { name: 'a' }, ({ n }) => count(room, n)),
    client.subscribe('report', { steps: 1_000_000 }, ({ step }) => count(steps, step)),
  ];
  let ready = false;
  void Promise.all(subscriptions.map((each) => each.ready)).then(() => (ready = true));
  reports.push(() => {
    const { connectionCount: connections } = client.connection.getSnapshot();
    return { notice, room, steps, trouble, connections, ready };
  });
}

/** In the order of the starts. */
export function report(): ChaosReport[] {
  return reports.map((each) => each());
}
