/** Makes a view from the messages of the stream. */
import type { DEFAULT_BOUNDS } from '../bounds.ts';
import { chainOf, hashOf, isForeign, type SnapshotPart, type StreamMessage } from './message.ts';
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
  const start = startOf(received);
  const first = received[start];
  const snapshot = newestSnapshot(received, start);
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

/**
 * The first message that tells the state before it. A message of another program does not, nor one of another history:
 * no later message continues its chain.
 */
function startOf(received: readonly Received[]): number {
  if (received[0]?.sequence === 1 && !isForeign(received[0].message)) return 0;
  const isOurs = ({ message }: Received): boolean => !isForeign(message);
  const continued = received.findIndex((one, index) => isOurs(one) && isContinued(received, index));
  return continued === -1 ? received.findIndex(isOurs) : continued;
}

/** Whether a later message has the chain that a message begins. */
function isContinued(received: readonly Received[], index: number): boolean {
  let chain = received[index]!.message.chain;
  for (let end = index; end < received.length; end += 1) {
    const { message } = received[end]!;
    if (end > index && message.chain === chain) return true;
    chain = chainOf(chain, message.id);
  }
  return false;
}

/** The newest complete snapshot of this history. A process that ended early leaves an incomplete one. */
function newestSnapshot(
  received: readonly Received[],
  start: number,
): { parts: SnapshotPart[]; message: StreamMessage } | undefined {
  const [oldest] = received;
  let chain = received[start]?.message.chain;
  let parts: SnapshotPart[] = [];
  let newest: { parts: SnapshotPart[]; message: StreamMessage } | undefined;
  for (const { message } of received.slice(Math.max(0, start))) {
    const { snapshot } = message;
    if (snapshot === undefined || message.chain !== chain) parts = [];
    else {
      if (snapshot.index === 0) parts = [];
      parts = [...parts, snapshot];
      if (parts.length !== snapshot.index + 1 || parts[0]!.group !== snapshot.group) parts = [];
      // Otherwise the messages between its base and the oldest one are missing.
      const isWhole = parts.length === snapshot.count && snapshot.base >= oldest!.sequence;
      if (isWhole) newest = { parts, message };
    }
    chain = chainOf(chain ?? '', message.id);
  }
  return newest;
}
