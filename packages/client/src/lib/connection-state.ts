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

type Row = Readonly<Record<ConnectionState, ConnectionState>>;

const STAY: Row = {
  idle: 'idle',
  connecting: 'connecting',
  connected: 'connected',
  reconnecting: 'reconnecting',
  suspended: 'suspended',
  closed: 'closed',
  failed: 'failed',
};

/** Every attempt and every connection ends up in `state`; what rests is left alone. */
const attempting = (state: ConnectionState): Row => ({
  ...STAY,
  connecting: state,
  connected: state,
  reconnecting: state,
});

/** Everything but `closed` and `failed` ends up in `state`. */
const living = (state: ConnectionState): Row => ({ ...attempting(state), idle: state, suspended: state });

// The compiler asks for a row for each event, and each row has a cell for each state.
const TABLE: Readonly<Record<ConnectionEvent, Row>> = {
  start: {
    ...living('connecting'),
    connected: 'reconnecting',
    reconnecting: 'reconnecting',
    closed: 'connecting',
    failed: 'connecting',
  },
  hello: attempting('connected'),
  lost: attempting('reconnecting'),
  refused: attempting('failed'),
  finished: attempting('closed'),
  suspend: attempting('suspended'),
  rest: living('idle'),
  close: { ...living('closed'), failed: 'closed' },
};

/** Where `event` leads from `state`. */
export function nextState(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  return TABLE[event][state];
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
