/** Decides whether a stream still has the messages of a view. */
import type { StreamInfo } from './connection.ts';
import { chainOf } from './message.ts';
import { readMessage, type StreamAddress } from './stream-calls.ts';
import type { View } from './view.ts';

/** `false`: the view must be loaded again. The view may only grow while this runs. */
export async function isSameStream(
  address: StreamAddress,
  view: View,
  { created, state }: StreamInfo,
): Promise<boolean> {
  const { first_seq: first, last_seq: last, messages } = state;
  const { proof, sequence } = view;
  if (created !== view.created || last < sequence || first > sequence + 1) return false;
  if (messages === 0 && last === sequence) {
    view.forgetAll();
    return true;
  }
  // Another program has purged messages that hold events.
  if (view.records.some((record) => record.sequence < first && record.live > 0)) return false;
  if (first > sequence) return true;
  // The same numbers prove nothing: lost messages may have been replaced by others.
  const newest = await readMessage(address, sequence);
  return newest === undefined || chainOf(newest.chain, newest.id) === proof;
}
