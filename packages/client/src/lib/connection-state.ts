/**
 * The states of a connection and every way from one to another. Pure.
 *
 * 1. Only `hello` leads to `connected`, and only from an attempt.
 * 2. A connection that is lost is `reconnecting`; `connecting` is an attempt that continues nothing.
 * 3. `idle`, `suspended`, `closed` and `failed` hold neither response nor retry timer; a late `lost`, `hello`,
 *    `refused` or `finished` of a former attempt changes none of them.
 * 4. `close` leads to `closed` from everywhere.
 * 5. `closed` and `failed` are left only by `start`: somebody asked.
 * 6. `suspended` is left by `start`, by `rest` and by `close`, never by a timer of the retry policy.
 */
import type { ErrorCode, LinefeedError } from '@linefeed/shared';
import type { Reconnect } from '@linefeed/shared/wire';

/**
 * - `idle`: nothing is subscribed
 * - `connecting`: the first attempt; neither response nor hello yet
 * - `connected`: hello was read
 * - `reconnecting`: lost; waiting (`retryInMs` is set) or trying again
 * - `suspended`: paused by this client: the page is hidden, or a handler's queue is full
 * - `closed`: closed by the user, or the server said that all is over
 * - `failed`: refused in a way that trying again does not mend
 */
export type ConnectionState =
  | 'idle'
  | 'connecting'
  | 'connected'
  | 'reconnecting'
  | 'suspended'
  | 'closed'
  | 'failed';

/** What can happen to a connection. */
export type ConnectionEvent =
  | 'start'
  | 'hello'
  | 'lost'
  | 'refused'
  | 'finished'
  | 'suspend'
  | 'rest'
  | 'close';

/** Why a state was entered: what was done, what the server said, or the code of the error. */
export type ConnectionReason =
  | 'new'
  | 'subscribed'
  | 'unsubscribed'
  | 'changed'
  | 'hello'
  | 'retry'
  | 'finished'
  | 'asked'
  | 'hidden'
  | 'queue'
  | 'page'
  | Reconnect['reason']
  | ErrorCode;

// What a state is: 3 something to continue, 2 a first attempt, 1 at rest, 0 over.
const RANK: Readonly<Record<ConnectionState, 0 | 1 | 2 | 3>> = {
  connected: 3,
  reconnecting: 3,
  connecting: 2,
  idle: 1,
  suspended: 1,
  closed: 0,
  failed: 0,
};

// By event, the lowest rank that it moves, and where to. The compiler asks for each event, and above for each state.
const RULES: Readonly<Record<ConnectionEvent, readonly [rank: 0 | 1 | 2, to: ConnectionState]>> = {
  start: [0, 'connecting'],
  hello: [2, 'connected'],
  lost: [2, 'reconnecting'],
  refused: [2, 'failed'],
  finished: [2, 'closed'],
  suspend: [2, 'suspended'],
  rest: [1, 'idle'],
  close: [0, 'closed'],
};

/** Where `event` leads from `state`. */
export function nextState(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  const [rank, to] = RULES[event];
  if (event === 'start' && RANK[state] === 3) return 'reconnecting';
  return RANK[state] < rank ? state : to;
}

/** A connection at the moment of its last change. */
export interface ConnectionSnapshot {
  readonly state: ConnectionState;
  /** The state before this one; a change of details alone keeps it. */
  readonly previous: ConnectionState;
  readonly reason: ConnectionReason;
  /** Attempts since the last stable connection, this one included; 0 while there was none. */
  readonly attempt: number;
  /** While waiting: how long the wait is, in milliseconds from the change on. */
  readonly retryInMs: number | undefined;
  /** What went wrong last; none once connected. */
  readonly error: LinefeedError | undefined;
  /** The committed cursor at this change; `client.cursor` is the live one. */
  readonly cursor: string | undefined;
  /** When the last hello was read, in milliseconds since 1970. */
  readonly connectedAt: number | undefined;
  /** When anything was last received, as it was at this change; `client.lastEventAt` is the live one. */
  readonly lastEventAt: number | undefined;
  readonly hasEverConnected: boolean;
  /** How many times hello was read. */
  readonly connectionCount: number;
}

export const INITIAL: ConnectionSnapshot = {
  state: 'idle',
  previous: 'idle',
  reason: 'new',
  attempt: 0,
  retryInMs: undefined,
  error: undefined,
  cursor: undefined,
  connectedAt: undefined,
  lastEventAt: undefined,
  hasEverConnected: false,
  connectionCount: 0,
};
