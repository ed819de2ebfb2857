/** Where the subscriptions of streams and runs resume. */
import type { AnyChannel } from '@linefeed/shared';
import { END_MARK, parseEventId, readStreamId } from '@linefeed/shared/wire';
import type { AskedEntry, SubscribeRequest } from './subscribe-request.ts';

/** The client's state in a stream. */
export type StreamResume =
  | { readonly type: 'fresh' }
  | { readonly type: 'after'; readonly id: string }
  /** The client received data without ids, so the stream cannot be resumed. */
  | { readonly type: 'begun' }
  | { readonly type: 'ended' };

/** Parses a stream subscription's start: a `~…` mark, a whole id, or an id of the source. */
export function readStreamResume(from: string | undefined): StreamResume {
  if (from === undefined || from === 'now' || from === 'earliest') return { type: 'fresh' };
  if (!from.includes('~')) return { type: 'after', id: from };
  const { mark = '' } = parseEventId(from);
  if (mark === END_MARK) return { type: 'ended' };
  const streamId = readStreamId(mark);
  if (streamId === undefined) return { type: 'fresh' };
  return streamId === '' ? { type: 'begun' } : { type: 'after', id: streamId };
}

/**
 * The entries of a request, in which each stream or run without a `from` of its own starts at the request's last event
 * id.
 */
export function withStreamStarts(
  channel: AnyChannel,
  { entries, lastEventId, isNativeReturn }: SubscribeRequest,
): readonly AskedEntry[] {
  if (lastEventId === undefined && !isNativeReturn) return entries;
  const hasMark = ({ topic }: AskedEntry): boolean => {
    const kind = channel.topics.get(topic)?.kind;
    return kind === 'stream' || kind === 'run';
  };
  const streams = entries.filter(hasMark);
  if (streams.length === 0) return entries;
  const from = sharedStart(entries.length === 1, streams.length, lastEventId, isNativeReturn);
  return entries.map((entry) => (hasMark(entry) ? { ...entry, from: entry.from ?? from } : entry));
}

/**
 * A native EventSource repeats its URL when it reconnects. One id cannot give the positions of several streams or runs.
 * Streams are treated as begun, and do not run twice. Runs are replayed from their start.
 */
function sharedStart(
  alone: boolean,
  streamCount: number,
  lastEventId: string | undefined,
  isNativeReturn: boolean,
): string | undefined {
  if (alone) return lastEventId;
  if (!isNativeReturn) return undefined;
  return streamCount === 1 && lastEventId?.includes('~') === true ? lastEventId : '~';
}
