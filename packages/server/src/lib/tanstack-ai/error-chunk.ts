/** The RUN_ERROR chunk of TanStack AI, and the one of a run that TanStack AI did not end itself. */
import type { StreamChunk } from '@tanstack/ai';
import type { RunEnd } from '../runs/record-state.ts';

// The library's enum would have to be imported at run time.
const RUN_ERROR: string = 'RUN_ERROR';

/** The code of TanStack AI for a run that was cancelled. */
const ABORTED = { message: 'Request aborted', code: 'aborted' };

/** The message of a RUN_ERROR. `undefined`: the chunk is of another type. */
export function errorMessageOf(chunk: StreamChunk): string | undefined {
  const { type, message } = chunk as { readonly type: string; readonly message?: string };
  return type === RUN_ERROR ? (message ?? '') : undefined;
}

/** The end of a run as a chunk. */
export function toErrorChunk({ outcome, error, at }: RunEnd): StreamChunk {
  const { message, code } =
    outcome === 'stopped'
      ? ABORTED
      : (error ?? { message: 'The run was interrupted: its producer is lost.', code: 'run_lost' });
  const chunk: object = { type: RUN_ERROR, timestamp: at, message, code, error: { message, code } };
  return chunk as StreamChunk;
}
