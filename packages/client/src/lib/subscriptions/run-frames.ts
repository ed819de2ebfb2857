/** Applies the control frames of runs to the entries of their address. Each function returns the calls of subscribers. */
import { parseEventId, type End, type RunBegin, type RunStart } from '@linefeed/shared/wire';
import { parsePlace } from '../base/cursor.ts';
import { accept, endRun, enterRun, isAccepted, isDropping, stall, type Entry } from './entry.ts';
import type { Subscriber } from './types.ts';

type Calls = () => void;

/** The server accepts an entry whose address has runs. */
export function acceptRun(entry: Entry, event: string, run: RunStart, nowMs: number): Calls {
  const acceptedTail = parsePlace(run.tail);
  accept(entry, event, { is: 'run', cursor: parsePlace(run.cursor), acceptedTail }, nowMs);
  const { position, subscribers } = entry;
  const { cursor } = position;
  return () => subscribers.forEach((subscriber) => subscriber.accept(acceptedTail, cursor));
}

export function onRun(entries: readonly Entry[], begin: RunBegin): Calls {
  return apply(
    entries,
    (entry) => enterRun(entry, begin),
    ({ run }) => run(begin),
  );
}

export function onRunEnd(entries: readonly Entry[], end: End, id: string): Calls {
  const place = parsePlace(parseEventId(id).mark?.slice(1));
  return apply(
    entries,
    (entry) => endRun(entry, place),
    ({ runEnd }) => runEnd(end, place!),
  );
}

export function onCaughtUp(entries: readonly Entry[]): Calls {
  return apply(
    entries,
    () => true,
    ({ caughtUp }) => caughtUp(),
  );
}

/** A slow handler without room gets the frame later, with the dropped events before it. */
function hasRoom(entry: Entry): boolean {
  if (isAccepted(entry) && isDropping(entry)) stall(entry);
  return isAccepted(entry);
}

/** `call` is for the subscribers of each entry that takes the frame. */
function apply(
  entries: readonly Entry[],
  isNew: (entry: Entry) => boolean,
  call: (subscriber: Subscriber) => void,
): Calls {
  const subscribers = entries
    .filter((entry) => entry.position.is === 'run' && hasRoom(entry) && isNew(entry))
    .flatMap((entry) => entry.subscribers);
  return () => subscribers.forEach(call);
}
