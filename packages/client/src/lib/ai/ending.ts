/** Decides how a stream of chunks ends when its run has ended. Pure. */
import type { UIMessageChunk } from 'ai';
import type { RunEnd } from '../subscriptions/types.ts';

/** The types of chunks that end a message. */
export type FinalType = 'finish' | 'abort' | 'error';

/** Returns the type of a chunk that ends a message. */
export function toFinalType({ type }: UIMessageChunk): FinalType | undefined {
  return type === 'finish' || type === 'abort' || type === 'error' ? type : undefined;
}

/** The text of an ending for the user of a page. */
function toErrorText({ outcome, error }: RunEnd): string {
  if (outcome === 'gone') return 'The answer is no longer available.';
  if (outcome === 'lost') return 'The answer was interrupted.';
  return error?.message ?? 'The answer failed.';
}

/**
 * Returns the chunk that ends the stream of a run. `undefined`: the record ends with the same type of chunk.
 *
 * @param last The type of the last final chunk in the record
 */
export function toEndingChunk(
  ending: RunEnd,
  last: FinalType | undefined,
  toText: (ending: RunEnd) => string = toErrorText,
): UIMessageChunk | undefined {
  const { outcome, reason } = ending;
  if (outcome === 'done') return last === undefined ? { type: 'finish' } : undefined;
  // A chat ignores all chunks after an error.
  if (last === 'error') return undefined;
  if (outcome !== 'stopped') return { type: 'error', errorText: toText(ending) };
  if (last === 'abort') return undefined;
  return { type: 'abort', ...(reason !== undefined && { reason }) };
}
