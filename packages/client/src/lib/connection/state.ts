/**
 * The states of a connection and their transitions. Pure.
 *
 * 1. Only `hello` leads to `connected`, and only from an attempt.
 * 2. A lost connection becomes `reconnecting`. `connecting` is an attempt without an earlier connection to resume.
 * 3. `idle`, `suspended`, `closed` and `failed` hold no response and no retry timer. A late `lost`, `hello`, `refused`
 *    or `finished` of an earlier attempt does not change them.
 * 4. `close` leads to `closed` from every state.
 * 5. Only `start` leaves `closed` and `failed`, on an explicit request.
 * 6. `start`, `rest` and `close` leave `suspended`; a retry timer never does.
 */
import type { ErrorCode, LinefeedError } from '@linefeed/shared';
import type { ReconnectReason } from '@linefeed/shared/wire';

/**
 * - `idle`: nothing is subscribed
 * - `connecting`: the first attempt; no response or no `hello` yet
 * - `connected`: `hello` was received
 * - `reconnecting`: the connection was lost; the client waits (`retryInMs` is set) or tries again
 * - `suspended`: paused by this client because the page is hidden or a handler's queue is full
 * - `closed`: closed by the user, or ended by the server (204)
 * - `failed`: refused with an error that a retry does not fix
 */
export type ConnectionState =
  | 'idle'
  | 'connecting'
  | 'connected'
  | 'reconnecting'
  | 'suspended'
  | 'closed'
  | 'failed';

/** The events that cause transitions. */
export type ConnectionEvent =
  | 'start'
  | 'hello'
  | 'lost'
  | 'refused'
  | 'finished'
  | 'suspend'
  | 'rest'
  | 'close';

/** Why a state was entered: the action, the server's reason, or the code of the error. */
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
  | ReconnectReason
  | ErrorCode;

// The compiler checks that no event is missing.
const NEXT: Readonly<Record<ConnectionEvent, ConnectionState>> = {
  start: 'connecting',
  hello: 'connected',
  lost: 'reconnecting',
  refused: 'failed',
  finished: 'closed',
  suspend: 'suspended',
  rest: 'idle',
  close: 'closed',
};

/** Returns the state after `event` in `state`. */
export function nextState(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  const isFinal = state === 'closed' || state === 'failed';
  const isOpen = !isFinal && state !== 'idle' && state !== 'suspended';
  if (event === 'start') return isOpen && state !== 'connecting' ? 'reconnecting' : 'connecting';
  return event === 'close' || (event === 'rest' ? !isFinal : isOpen) ? NEXT[event] : state;
}

/** The connection at its last change. */
export interface ConnectionSnapshot {
  /** The present state. */
  readonly state: ConnectionState;
  /** The state before this one. A change of details only does not change it. */
  readonly previous: ConnectionState;
  /** Why the state was entered. */
  readonly reason: ConnectionReason;
  /** Attempts since the last stable connection, including this one. 0 before the first attempt. */
  readonly attempt: number;
  /** Length of the current wait, in milliseconds from this change. `undefined` if the client is not waiting. */
  readonly retryInMs: number | undefined;
  /** The last error. `undefined` once connected. */
  readonly error: LinefeedError | undefined;
  /** The committed cursor at this change. `client.cursor` has the current value. */
  readonly cursor: string | undefined;
  /** When the last `hello` was received, in milliseconds since 1970. */
  readonly connectedAt: number | undefined;
  /**
   * When the last bytes had arrived at this change, in milliseconds since 1970. `client.lastEventAt` has the current
   * value.
   */
  readonly lastEventAt: number | undefined;
  /** Whether `hello` was ever received. */
  readonly hasEverConnected: boolean;
  /** How many times `hello` was received. */
  readonly connectionCount: number;
}

// The absent fields are undefined.
export const INITIAL: ConnectionSnapshot = {
  state: 'idle',
  previous: 'idle',
  reason: 'new',
  attempt: 0,
  hasEverConnected: false,
  connectionCount: 0,
} as ConnectionSnapshot;
