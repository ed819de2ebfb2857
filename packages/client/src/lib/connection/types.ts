/** The interface of a connection, and of the parts that it calls. */
import type { LinefeedError } from '@linefeed/shared';
import type { ControlRequest } from '@linefeed/shared/wire';
import type { BackPressure } from '../base/back-pressure.ts';
import type { Clock } from '../base/clock.ts';
import type { Readable } from '../base/store.ts';
import type { Opening, RequestOptions, Transport } from '../transport/transport.ts';
import type { PageHint } from './page-lifecycle.ts';
import type { RetryOptions } from './retry-policy.ts';
import type { ConnectionReason, ConnectionSnapshot } from './state.ts';

export interface ConnectionContext extends RequestOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly backPressure: BackPressure;
  /** The cursor to resume from: everything up to it is handled. */
  readonly committed: () => string | undefined;
  /** Calls the user's `onError` for an error that only the user can fix; retries continue. */
  readonly report: (error: LinefeedError) => void;
  readonly retry?: RetryOptions | undefined;
  readonly connectTimeoutMs?: number | undefined;
  /**
   * Disconnect after the page was hidden for this long; `true`: 30,000 ms.
   *
   * @default never
   */
  readonly pauseWhenHidden?: boolean | { readonly graceMs: number } | undefined;
}

export interface ConnectionHandlers {
  /** Returns the request of the next attempt. */
  readonly plan: () => Pick<Opening, 'entries' | 'cursor' | 'openOnly'>;
  /** A control frame; `name` is without the prefix. `hello` is the first. */
  readonly onControl: (name: string, body: unknown, id: string) => void;
  readonly onEvent: (event: string, data: string, id: string) => void;
  /** The response has ended. Its unanswered requests must be sent again. */
  readonly onGone: () => void;
  /** The connection ended permanently: refused with `error`, or finished without one. */
  readonly onOver: (error?: LinefeedError) => void;
}

export interface Connection extends Readable<ConnectionSnapshot> {
  /** Sets the callbacks of the connection. Required before `open`. */
  readonly attach: (handlers: ConnectionHandlers) => void;
  readonly lastEventAt: () => number | undefined;
  /** Opens a connection immediately, from any state. */
  readonly open: (reason: ConnectionReason) => void;
  /** Closes the response and schedules a new one. */
  readonly reopen: (reason: ConnectionReason) => void;
  /** Closes the response, cancels all timers and applies `event`. */
  readonly stop: (event: 'rest' | 'close', reason: ConnectionReason) => void;
  readonly listen: (event: string) => void;
  /** Sends a control request through the transport. Returns `undefined` if the transport cannot send one. */
  readonly control: (request: ControlRequest) => Promise<number> | undefined;
  readonly hint: (hint: PageHint) => void;
}
