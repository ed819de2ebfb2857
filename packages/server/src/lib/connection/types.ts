/** Types of a connection: the reasons for its end, its counters and its identity. */
import type { ReconnectReason } from '@linefeed/shared/wire';
import type { Expiry } from '../base/expiry.ts';
import type { DeliveryCounters } from '../delivery/delivery-port.ts';
import type { OutboxCounters } from './outbox.ts';

/**
 * Why a connection ended, for hooks and statistics.
 *
 * - `client`: the client left
 * - `finished`: all its subscriptions were streams, and all have ended
 * - `stalled`: the client took no bytes for `stallTimeoutMs`
 * - a `ReconnectReason`: the feed told the client to reconnect
 */
export type CloseReason = 'client' | 'finished' | 'stalled' | ReconnectReason;

export interface ConnectionCounters extends DeliveryCounters, OutboxCounters {
  /** Connections cut because the reader took no bytes. */
  stalled: number;
}

export interface ConnectionIdentity {
  readonly id: string;
  readonly context: unknown;
  readonly principal: string | undefined;
  readonly expiry: Expiry;
}
