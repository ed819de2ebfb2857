/** One request of TanStack AI and its run: the producer of the run, or a reader of its record. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { StreamDurability } from '@tanstack/ai';
import type { PresentRecord } from '../runs/record-state.ts';
import { formatRunCursor, readRunFrom, viewOf } from '../runs/run-position.ts';
import type { ReadableRuns } from '../runs/run-tail.ts';
import type { ChunkProducer } from './chunk-producer.ts';
import type { ResumeRequest } from './resume-request.ts';
import { notKept, readRun, readSnapshot, type OffsetChunk, type RunOffset } from './run-chunks.ts';

/** A `StreamDurability` over one run. */
export interface RunDurability extends StreamDurability {
  /** The id of the run. `undefined`: the request asks for a run that is not kept. */
  readonly run: string | undefined;
  /** Aborts when the run is stopped. Pass it to `chat()` and to the response. */
  readonly abortController: AbortController;
}

/** Reads the record of the address: only the runs that the request may read. */
export type ReadRecord = () => Promise<PresentRecord>;

interface Parts {
  readonly records: ReadableRuns;
  readonly address: string;
  readonly read: ReadRecord;
}

/** The durability of a request that started the run. */
export function createProducing(
  { records, address }: Parts,
  run: string,
  producer: ChunkProducer,
): RunDurability {
  return {
    run,
    abortController: producer.abortController,
    resumeFrom: () => null,
    append: (chunks) => producer.append(chunks),
    close: () => producer.close(),
    read: (offset, signal) => readRun(records, address, toOwnOffset(run, offset), signal),
    snapshot: () => snapshot(records, address, run),
  };
}

/** The durability of a request that reads a run. */
export async function createReading(
  { records, address, read }: Parts,
  request: ResumeRequest,
): Promise<RunDurability> {
  const from = request.offset === undefined ? undefined : toReadable(request, request.offset, await read());
  return {
    run: from?.run,
    abortController: new AbortController(),
    resumeFrom: () => request.offset ?? null,
    append: () =>
      Promise.reject(new LinefeedError('bad_request', 'This request reads a run: it records nothing.')),
    close: () => Promise.resolve(),
    async *read(offset, signal) {
      const start = offset === request.offset ? from : toReadable(request, offset, await read());
      if (start === undefined) throw notKept();
      yield* readRun(records, address, start, signal);
    },
    snapshot: async () => (from === undefined ? [] : snapshot(records, address, from.run)),
  };
}

/** The parsed offset. `undefined`: its run is not kept, or is not one that the request may read. */
function toReadable(
  { runId }: ResumeRequest,
  offset: string,
  { state, count }: PresentRecord,
): RunOffset | undefined {
  const from = readRunFrom(offset);
  const isOfClient = (key: string | undefined): boolean => runId === undefined || key === runId;
  if (typeof from === 'object') {
    const found = state.runs.find(({ run, key }) => run === from.run && isOfClient(key));
    return found && { run: found.run, after: from.n };
  }
  const newest = state.runs.findLast(({ key }) => isOfClient(key));
  if (newest === undefined) return undefined;
  if (from === 'now') return { run: newest.run, after: newest.end?.count ?? count };
  return offset === '-1' ? { run: newest.run, after: 0 } : undefined;
}

function toOwnOffset(run: string, offset: string): RunOffset {
  const from = readRunFrom(offset);
  if (typeof from !== 'object') return { run, after: 0 };
  if (from.run !== run) throw notKept();
  return { run, after: from.n };
}

async function snapshot(records: ReadableRuns, address: string, run: string): Promise<OffsetChunk[]> {
  const view = viewOf(run, await records.view(address));
  return view === undefined ? [] : readSnapshot(records, address, view);
}

/** The offset before the first chunk of a run. */
export function toStartOffset(run: string): string {
  return formatRunCursor(run, 0);
}
