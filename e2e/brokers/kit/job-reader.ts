/** A reader of the runs of one address: plain requests that resume by the last event id. It records what it gets. */
import { createParser } from 'eventsource-parser';
import { expect, vi } from 'vitest';

/** `at`: milliseconds since 1970. */
export type JobEntry = { readonly run: string; readonly at: number } & (
  | { readonly type: 'run'; readonly attempt: number }
  | { readonly type: 'event'; readonly number: number; readonly by: string; readonly n: number }
  | { readonly type: 'end'; readonly outcome: string; readonly reason?: string }
);

export interface JobReader {
  readonly entries: readonly JobEntry[];
  /** The numbers of the events of a run, in the order of their arrival. */
  numbers(run: string): number[];
  /** Waits for an end of the run, and expects that it has its events without a hole and a double, before one end. */
  ended(run: string): Promise<Extract<JobEntry, { type: 'end' }>>;
  /** Waits until it has `more` further events of the run. */
  progress(run: string, more: number): Promise<void>;
  close(): void;
}

/** Pause before the next connection. */
const RETRY_MS = 20;

/** @param origins It connects to them in turn. @param from A last event id. Default: the newest run from its beginning. */
export function startJobReader(name: string, origins: readonly string[], from?: string): JobReader {
  const entries: JobEntry[] = [];
  const closing = new AbortController();
  let lastId = from;

  async function connect(origin: string): Promise<void> {
    const response = await fetch(`${origin}/events/job?name=${name}`, {
      headers: { connection: 'close', ...(lastId === undefined ? {} : { 'last-event-id': lastId }) },
      signal: closing.signal,
    });
    const parser = createParser({
      onEvent({ id, event = '', data }) {
        if (id !== undefined) lastId = id;
        const payload = JSON.parse(data) as Record<string, never>;
        const at = Date.now();
        if (event === 'linefeed.run') {
          entries.push({ type: 'run', at, run: payload['run']!, attempt: payload['attempt']! });
        } else if (event === 'linefeed.end') {
          const { run, outcome, reason } = payload;
          entries.push({ type: 'end', at, run: run!, outcome: outcome!, reason: reason! });
        } else if (event.startsWith('job')) {
          const [run = '', number] = id!.slice(id!.indexOf('~') + 1).split('.');
          entries.push({
            type: 'event',
            at,
            run,
            number: Number(number),
            by: payload['by']!,
            n: payload['n']!,
          });
        }
      },
    });
    for await (const text of response.body!.pipeThrough(new TextDecoderStream())) parser.feed(text);
  }

  async function readAll(): Promise<void> {
    for (let turn = 0; !closing.signal.aborted; turn += 1) {
      await connect(origins[turn % origins.length]!).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  void readAll();

  const numbers = (run: string): number[] =>
    entries.flatMap((entry) => (entry.type === 'event' && entry.run === run ? [entry.number] : []));
  return {
    entries,
    numbers,
    async ended(run) {
      const isEnd = (entry: JobEntry): boolean => entry.type === 'end' && entry.run === run;
      await vi.waitFor(() => expect(entries.some(isEnd), describe(entries)).toBe(true), 60_000);
      const found = numbers(run);
      expect(found, describe(entries)).toEqual(found.map((_, index) => index + 1));
      const own = entries.filter((entry) => entry.run === run && entry.type !== 'run');
      expect(own.map(isEnd).indexOf(true), describe(entries)).toBe(own.length - 1);
      return own.at(-1) as Extract<JobEntry, { type: 'end' }>;
    },
    async progress(run, more) {
      const goal = numbers(run).length + more;
      await vi.waitFor(
        () => expect(numbers(run).length, describe(entries)).toBeGreaterThanOrEqual(goal),
        60_000,
      );
    },
    close: () => closing.abort(),
  };
}

/** For the message of a failure. */
function describe(entries: readonly JobEntry[]): string {
  const text = entries.map((entry) =>
    entry.type === 'event' ? String(entry.number) : JSON.stringify({ ...entry, at: undefined }),
  );
  return text.slice(-60).join(' ');
}
