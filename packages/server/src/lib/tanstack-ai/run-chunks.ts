/** Reads the chunks of one run from its record, and waits for later ones until the run has ended. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { RunView } from '../runs/record-state.ts';
import { formatRunCursor, viewOf } from '../runs/run-position.ts';
import { PAGE_LIMIT } from '../runs/run-store.ts';
import type { ReadableRuns } from '../runs/run-tail.ts';
import { errorMessageOf, toErrorChunk } from './error-chunk.ts';
import type { StreamChunk } from '@tanstack/ai';

/** A chunk, and the offset from which a reader resumes after it. */
export interface OffsetChunk {
  readonly offset: string;
  readonly chunk: StreamChunk;
}

export interface RunOffset {
  readonly run: string;
  /** Number of the last chunk that the reader has. */
  readonly after: number;
}

/**
 * The chunks after an offset, until the run has ended or the signal aborts. A run that was stopped, has failed or is lost
 * ends with a RUN_ERROR: its offset is that of the end.
 *
 * @throws LinefeedError `run_lost` if the record of the run is deleted
 */
export async function* readRun(
  records: ReadableRuns,
  address: string,
  { run, after }: RunOffset,
  signal: AbortSignal | undefined,
): AsyncGenerator<OffsetChunk, void, void> {
  let views: readonly RunView[] | undefined;
  let wake = (): void => {};
  const unfollow = records.follow(address, (change) => {
    views = change.views;
    wake();
  });
  const onAbort = (): void => wake();
  signal?.addEventListener('abort', onAbort);
  let n = after;
  let last: StreamChunk | undefined;
  try {
    while (signal?.aborted !== true) {
      const view: RunView | undefined = views && viewOf(run, views);
      if (views !== undefined && view === undefined) throw notKept();
      if (view !== undefined && n < view.count) {
        const page = await records.read(address, run, n, PAGE_LIMIT);
        // The record may have been deleted since the view.
        if (page.length === 0) views = await records.view(address);
        for (const json of page) {
          n += 1;
          last = JSON.parse(json) as StreamChunk;
          yield { offset: formatRunCursor(run, n), chunk: last };
        }
      } else if (view?.end !== undefined) {
        if (n > view.count || view.end.outcome === 'done') return;
        last ??= await readLast(records, address, view);
        if (last !== undefined && errorMessageOf(last) !== undefined) return;
        yield { offset: formatRunCursor(run, n + 1), chunk: toErrorChunk(view.end) };
        return;
      } else {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    unfollow();
  }
}

/** The chunks that are recorded now. Waits for nothing. */
export async function readSnapshot(
  records: ReadableRuns,
  address: string,
  { run, count }: RunView,
): Promise<OffsetChunk[]> {
  const chunks: OffsetChunk[] = [];
  while (chunks.length < count) {
    const page = await records.read(address, run, chunks.length, PAGE_LIMIT);
    if (page.length === 0) break;
    for (const json of page) {
      const offset = formatRunCursor(run, chunks.length + 1);
      chunks.push({ offset, chunk: JSON.parse(json) as StreamChunk });
    }
  }
  return chunks;
}

/** The last recorded chunk of a run that has ended. */
async function readLast(
  records: ReadableRuns,
  address: string,
  { run, count }: RunView,
): Promise<StreamChunk | undefined> {
  if (count === 0) return undefined;
  const [json] = await records.read(address, run, count - 1, { events: 1, bytes: 1 });
  return json === undefined ? undefined : (JSON.parse(json) as StreamChunk);
}

/** The same for a run that never was, that is deleted, and of another user. */
export function notKept(): LinefeedError {
  return new LinefeedError('run_lost', 'The run of this offset is not kept here.');
}
