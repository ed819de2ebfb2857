/** Applies the control frames of runs to the entries of their address. Each function returns the calls of subscribers. */
import { parseEventId, type End, type RunBegin, type RunStart } from '@linefeed/shared/wire';
import { isAtOrBefore, parseRunCursor, type AnyCursor } from '../base/cursor.ts';
import { accept, endRun, enterRun, isAccepted, isDropping, stall, type Entry } from './entry.ts';
import type { Subscriber } from './types.ts';

type Calls = () => void;

/** The server accepts an entry whose address has runs. */
export function acceptRun(entry: Entry, event: string, run: RunStart, nowMs: number): Calls {
  const acceptedTail = parseRunCursor(run.tail);
  accept(entry, event, { is: 'run', cursor: parseRunCursor(run.cursor), acceptedTail }, nowMs);
  const { position, subscribers } = entry;
  const { cursor } = position;
  return () => subscribers.forEach((subscriber) => subscriber.accept(acceptedTail, cursor));
}

export function onRun(entries: readonly Entry[], begin: RunBegin): Calls {
  const start = { epoch: begin.run, position: '0', isRun: true };
  const tellGone = endMissed(
    entries,
    begin.address,
    (at) => at?.epoch !== begin.run && isAtOrBefore(at, start),
  );
  const tellRun = apply(
    entries,
    (entry) => enterRun(entry, begin),
    ({ run }) => run(begin),
  );
  return () => {
    tellGone();
    tellRun();
  };
}

/**
 * Delivery begins at the earliest entry of an address, and then passes the deleted runs of the others without an end.
 * `isMissed`: whether delivery has passed the run of this cursor.
 */
function endMissed(
  entries: readonly Entry[],
  address: string,
  isMissed: (cursor: AnyCursor | undefined) => boolean,
): Calls {
  const calls = entries.map((entry) => {
    const { subscribers, position } = entry;
    const end = isAccepted(entry) && isMissed(position.cursor) ? missEnd(entry) : undefined;
    return (
      end &&
      (() => subscribers.forEach(({ runEnd }) => runEnd({ address, run: end.epoch, outcome: 'gone' }, end)))
    );
  });
  return () => calls.forEach((call) => call?.());
}

/** The run of the entry was deleted before its end came. Returns the cursor of that end. */
function missEnd(entry: Entry): AnyCursor | undefined {
  const { is, cursor } = entry.position;
  if (is !== 'run' || !cursor || cursor.prev) return undefined;
  const end = { ...cursor, position: String(Number(cursor.position) + 1), prev: 'end' };
  return endRun(entry, end) ? end : undefined;
}

export function onRunEnd(entries: readonly Entry[], end: End, id: string): Calls {
  const cursor = runCursorOf(id);
  return apply(
    entries,
    (entry) => endRun(entry, cursor),
    ({ runEnd }) => runEnd(end, cursor!),
  );
}

export function onCaughtUp(entries: readonly Entry[], address: string, id: string): Calls {
  const reached = runCursorOf(id);
  // Everything that is recorded is delivered, and it does not contain the run of the entry.
  const isMissed = (cursor: AnyCursor | undefined): boolean =>
    Boolean(reached && reached.epoch !== cursor?.epoch);
  const tellGone = endMissed(entries, address, isMissed);
  const tellCaughtUp = apply(
    entries,
    () => true,
    ({ caughtUp }) => caughtUp(),
  );
  return () => {
    tellGone();
    tellCaughtUp();
  };
}

const runCursorOf = (id: string): AnyCursor | undefined => parseRunCursor(parseEventId(id).mark?.slice(1));

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
