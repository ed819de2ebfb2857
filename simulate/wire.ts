/** Reads the bytes that a server writes to one connection, and reports each broken rule of PROTOCOL.md. */
import {
  FRAME,
  type End,
  type Gap,
  type RunBegin,
  type Subscribed,
  type SubscriptionError,
} from '@linefeed/shared/wire';
import { ADDRESSES } from './board.ts';
import { toPlace, toText } from './checker.ts';
import type { RunHistory } from './run-history.ts';
import { createRunWire } from './run-wire.ts';
import type { Place, WorldLog } from './world-log.ts';

export interface WireOptions {
  readonly log: WorldLog;
  readonly runs: RunHistory | undefined;
  readonly now: () => number;
  readonly fail: (what: string) => void;
}

export interface WireChecker {
  /** Called with each piece of bytes that the server writes. */
  write(bytes: Uint8Array): void;
  /** The cursors of the request: a gap from one of them belongs to the opening. */
  asked: ReadonlySet<string>;
  /** The addresses for which the request has an entry from `earliest`. */
  askedEarliest: ReadonlySet<string>;
  /** The time at which the authorization of its user ends. */
  expiresAt: number;
  /** The application disconnected it: only one `reconnect` may follow. */
  disconnected: boolean;
  /** Sources of this connection that failed with a retryable error which the client has not received yet. */
  retryableFailures: number;
  /** The subscribed event names, streams included. */
  readonly names: Iterable<string>;
}

/** A logged address of the connection. */
interface Delivered {
  /** Everything up to here was written, or announced as a gap. */
  at: Place;
  rewinding: boolean;
  /** Unchanged since the opening: no control request has added it again, and it has not caught up. */
  isOfOpening: boolean;
}

interface Frame {
  readonly event: string;
  readonly data: string;
  readonly id: string | undefined;
}

const keepsAll = new Set(ADDRESSES.filter(({ keep }) => keep === 'all').map(({ address }) => address));
/** Order of the frames between hello and the end of the opening's answers. */
const RANK = { logged: 0, refused: 1, stream: 2 };

export function createWireChecker({ log, runs, now, fail }: WireOptions): WireChecker {
  const decoder = new TextDecoder();
  const addresses = new Map<string, Delivered>();
  const streams = new Set<string>();
  const runWire = createRunWire(runs, fail);
  let state: 'new' | 'opening' | 'open' | 'over' = 'new';
  let rank = RANK.logged;
  /** An id was written that a client keeps: losses may not be announced after it. */
  let hasTold = false;
  let lastShared: Place | undefined;

  /** An id asserts: everything up to it was written, for each address that shares the connection's cursor. */
  const checkId = (id: string, frame: string): void => {
    const place = toPlace(id);
    if (place === undefined) return;
    hasTold = true;
    for (const [address, { at, rewinding }] of addresses) {
      if (rewinding || !keepsAll.has(address)) continue;
      if (at.epoch !== place.epoch) fail(`${frame} has the id ${id} before ${address} left ${toText(at)}`);
      // An id of a numbering that the log has left: resuming from it gives a gap for each address.
      else if (place.epoch === log.epoch && log.countUpTo(address, at, place) > 0)
        fail(`${frame} has the id ${id}, but events of ${address} after ${toText(at)} were not written`);
    }
  };

  const onSubscribed = ({ event, cursor, run, n, rewind }: Subscribed): void => {
    const place = cursor === undefined ? undefined : toPlace(cursor);
    const own = place === undefined ? RANK.stream : RANK.logged;
    if (n === undefined && (state !== 'opening' || own < rank))
      fail(`${event} was accepted after other frames of the opening`);
    rank = Math.max(rank, own);
    if (run !== undefined) return runWire.subscribe(event);
    if (place === undefined) return void streams.add(event);
    const known = addresses.get(event);
    if (known !== undefined && n !== undefined) known.isOfOpening = false;
    // Entries of one event name are delivered once, from the earliest start. Only a rewind starts again.
    const isAgain = rewind === true && n !== undefined;
    // In another epoch its gap is still pending.
    const isGapDue = known !== undefined && known.at.epoch !== place.epoch;
    if (!isAgain && known !== undefined && (isGapDue || known.at.position <= place.position)) return;
    addresses.set(event, { at: place, rewinding: rewind === true, isOfOpening: n === undefined });
  };

  const onError = ({ address: event, n, retryable }: SubscriptionError): void => {
    // A source that failed. Its frames follow the opening.
    if (streams.delete(event)) {
      state = 'open';
      if (!retryable) return;
      checker.retryableFailures -= 1;
      if (checker.retryableFailures < 0)
        fail(`${event} is offered for another run, which no source asked for`);
    } else if (n === undefined && state !== 'opening') fail(`${event} was refused after the opening`);
    else rank = Math.max(rank, RANK.refused);
  };

  const onCaughtUp = (known: Delivered): void => {
    known.rewinding = false;
    // A reset ends a rewind. The gap of its cursor is then sent with the gaps of the reset.
    known.isOfOpening = false;
  };

  const onGap = ({ address, from, to, reason }: Gap): void => {
    const known = addresses.get(address);
    const end = toPlace(to);
    if (known === undefined || end === undefined) return fail(`a gap of ${address}, which has no place`);
    const start = toPlace(from);
    // A client that fetches the events since `from` never gets earlier ones.
    const isHere = start?.epoch === known.at.epoch;
    // The epoch stays if no process knows what was lost.
    const isLost = reason === 'rollback' && start?.epoch === end.epoch;
    const isOfCursor =
      reason === 'unknown' || reason === 'future' || (checker.asked.has(from) && (!isHere || isLost));
    // A cursor ahead of the log can only come from a client.
    const isAhead = start !== undefined && start.position > log.endOf(start.epoch);
    // A lost cursor starts at the beginning, although the gap starts at the cursor: the client has the events up to it.
    // If the log begins anew before the gap is written, the gap of the reset takes its place. It still starts at the
    // cursor, but has the reason `epoch` and ends in the new epoch. An entry from `earliest` has no event yet.
    const isOfLostCursor =
      reason === 'rollback' ||
      (known.isOfOpening && checker.asked.has(from) && !checker.askedEarliest.has(address));
    const isFromBeginning = known.at.position === 0 && isOfLostCursor;
    if (isHere && keepsAll.has(address) && !isOfCursor && !isFromBeginning && !isAhead) {
      const count = log.countUpTo(address, known.at, start);
      if (count > 0)
        fail(`the gap of ${address} starts at ${from}, ${count} events after ${toText(known.at)}`);
    }
    if (known.isOfOpening && !known.rewinding && isOfCursor && hasTold)
      fail(`the gap of ${address} from ${from} came after an id`);
    if (known.at.epoch !== end.epoch || known.at.position < end.position) known.at = end;
    if (lastShared?.epoch !== end.epoch) lastShared = undefined;
  };

  const onEvent = ({ event, data, id = '' }: Frame): void => {
    if (now() > checker.expiresAt)
      fail(`${event} was written ${now() - checker.expiresAt} ms after the authority had ended`);
    if (runWire.names.has(event)) runWire.event(event, id, data);
    if (streams.has(event) || runWire.names.has(event)) return checkId(id, event);
    const known = addresses.get(event);
    if (known === undefined) return fail(`${event} was written without being subscribed`);
    const place = toPlace(id);
    if (place === undefined) return fail(`${event} was written without a cursor`);
    if (place.epoch !== known.at.epoch)
      fail(`${event} ${id} is of another epoch than ${toText(known.at)}, without a gap`);
    else if (place.position <= known.at.position)
      fail(`${event} ${id} was written, although the position of delivery was ${toText(known.at)}`);
    else if (!log.isContinued(known.at, place))
      fail(`${event} ${id} is of another history than ${toText(known.at)}, without a gap`);
    else if (keepsAll.has(event) && log.countUpTo(event, known.at, place) > 1)
      fail(`events of ${event} between ${toText(known.at)} and ${id} are missing`);
    known.at = place;
    if (known.rewinding) return;
    if (lastShared?.epoch === place.epoch && place.position <= lastShared.position)
      fail(`${event} ${id} was written after ${toText(lastShared)}`);
    lastShared = place;
    checkId(id, event);
  };

  const onFrame = (frame: Frame): void => {
    const { event, data, id } = frame;
    if (state === 'over') return fail(`${event} was written after the end of the connection`);
    if (checker.disconnected && event !== FRAME.reconnect)
      return fail(`${event} was written after a disconnect`);
    if (state === 'new' && event !== FRAME.hello && event !== FRAME.reconnect)
      fail(`${event} was written before hello`);
    if (!event.startsWith('linefeed.')) {
      state = 'open';
      return onEvent(frame);
    }
    const body = JSON.parse(data) as Record<string, never>;
    if (event === FRAME.hello) state = 'opening';
    else if (event === FRAME.subscribed) onSubscribed(body as unknown as Subscribed);
    else if (event === FRAME.error) onError(body as unknown as SubscriptionError);
    else if (event === FRAME.reconnect) state = 'over';
    else state = 'open';
    if (event === FRAME.gap) onGap(body as unknown as Gap);
    else if (event === FRAME.bookmark) checkId(id!, event);
    else if (event === FRAME.run) runWire.begin(body as unknown as RunBegin, id!);
    else if (event === FRAME.caughtup) {
      const known = addresses.get(body['address']!);
      if (known !== undefined) onCaughtUp(known);
    } else if (event === FRAME.end && body['run'] !== undefined) {
      runWire.end(body as unknown as End, id!);
    } else if (event === FRAME.end) {
      runWire.remove(body['address']!);
      if (!streams.delete(body['address']!)) addresses.delete(body['address']!);
    }
  };

  const checker: WireChecker = {
    asked: new Set(),
    askedEarliest: new Set(),
    expiresAt: Infinity,
    disconnected: false,
    retryableFailures: 0,
    get names() {
      return [...addresses.keys(), ...streams, ...runWire.names];
    },
    write(bytes) {
      const frames = decoder.decode(bytes).split('\n\n');
      if (frames.pop() !== '') fail('a frame was not written whole');
      for (const text of frames) onFrame(parseFrame(text));
    },
  };
  return checker;
}

function parseFrame(text: string): Frame {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(': ');
    fields.set(line.slice(0, colon), line.slice(colon + 2));
  }
  return { event: fields.get('event') ?? 'message', data: fields.get('data') ?? '', id: fields.get('id') };
}
