/** Makes a view from the messages of the stream. */
import type { DEFAULT_BOUNDS } from '../bounds.ts';
import { hashOf, isForeign, type SnapshotPart, type StreamMessage } from './message.ts';
import { View, type Owner, type Received } from './view.ts';

export interface LoadOptions {
  readonly bounds: typeof DEFAULT_BOUNDS;
  readonly owner: Owner;
  /** Time at which the stream was created. */
  readonly created: string;
  /** Newest sequence of a stream without messages. */
  readonly emptyThrough: number;
  readonly wallNow: number;
}

/** Messages that follow each other without a hole, from the first of the stream on. */
export function makeView(received: readonly Received[], options: LoadOptions): View {
  const { bounds, owner, created, emptyThrough, wallNow } = options;
  const [oldest] = received;
  const before = oldest === undefined ? emptyThrough : oldest.sequence - 1;
  // A stream that was created anew, or purged, has another epoch by itself.
  const epoch = hashOf(before === 0 ? created : `${created} ${before}`);
  const view = new View(bounds, created, epoch, owner);
  // A message of another program does not tell the state before it.
  const first = received.find(({ message }) => !isForeign(message));
  const snapshot = newestSnapshot(received);
  if (snapshot !== undefined) view.restore(snapshot.parts, snapshot.message);
  else if (first !== undefined && first.sequence > 1) view.startAt(first.sequence, first.message);
  else view.sequence = before;
  for (const one of received) {
    if (one.sequence <= view.sequence) continue;
    view.apply({ ...one, appendedAt: Math.min(one.appendedAt, wallNow) });
  }
  view.evict(wallNow);
  return view;
}

/** The newest complete snapshot. A process that ended early leaves an incomplete one. */
function newestSnapshot(
  received: readonly Received[],
): { parts: SnapshotPart[]; message: StreamMessage } | undefined {
  for (let end = received.length - 1; end >= 0; end -= 1) {
    const { message } = received[end]!;
    const { snapshot } = message;
    if (snapshot === undefined || snapshot.index !== snapshot.count - 1) continue;
    // The messages between its base and the oldest one are missing.
    if (snapshot.base < received[0]!.sequence) continue;
    const parts = received
      .slice(Math.max(0, end - snapshot.index), end + 1)
      .map((one) => one.message.snapshot)
      .filter((part): part is SnapshotPart => part?.group === snapshot.group);
    if (parts.length === snapshot.count) return { parts, message };
  }
  return undefined;
}
