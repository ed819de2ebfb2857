/** What tabs say to each other. Everything is text or JSON: it is copied from one tab to another. */
import type { ControlRequest, Reconnect, SubscriptionEntry } from '@linefeed/shared/wire';
import { LinefeedError } from '@linefeed/shared';
import type { Ending } from '../transport.ts';

/** A frame on its way to every line, or to the one whose id is given. */
export type Item = readonly [event: string, data: string, id: string, line?: string];

/** What lines hear beside frames; no event name starts like these. */
export const SIGNAL = {
  /** The opening was heard. */
  ack: '!ack',
  /** How a response ended: data is an ending. */
  end: '!end',
  /** `retry:` of the server. */
  retry: '!retry',
} as const;

/** Data of a `reconnect` that is no failure: come back at once. */
export const RETURN: string = JSON.stringify({ afterMs: 0, reason: 'drain' } satisfies Reconnect);

/** From the leader to all tabs. `hail`: it has just become the leader. */
export interface LeaderMessage {
  readonly leader: string;
  readonly hail?: boolean;
  readonly items: readonly Item[];
}

/** The keys of a line's entries start with its id. */
export const LINE_ID_LENGTH = 12;

/** From a line to the leader, whoever that is. Nothing but `line`: it is closed. */
export interface LineMessage {
  readonly line: string;
  /** The tab it belongs to. */
  readonly tab: string;
  readonly open?: readonly SubscriptionEntry[];
  readonly change?: Pick<ControlRequest, 'add' | 'remove'>;
}

export type Message = LeaderMessage | LineMessage;

/** An error does not survive the way as one. */
export function encodeEnding({ error, ...ending }: Ending): string {
  if (!error) return JSON.stringify(ending);
  const { code, message, status, body, retryable } = error;
  return JSON.stringify({ ...ending, error: { code, message, status, body, retryable } });
}

export function decodeEnding(text: string): Ending {
  const { error, ...ending } = JSON.parse(text) as Ending;
  return { ...ending, error: error && new LinefeedError(error.code, error.message, error) };
}
