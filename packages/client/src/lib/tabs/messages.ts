/** The messages between tabs. They contain only text and JSON values, because they are copied between tabs. */
import type { ControlRequest, Reconnect, SubscriptionEntry } from '@linefeed/shared/wire';
import { LinefeedError } from '@linefeed/shared';
import type { Ending } from '../transport/transport.ts';

/** A frame for every connection, or for the connection whose id is given. */
export type Item = readonly [event: string, data: string, id: string, connection?: string];

/** Signals to connections, besides frames. No event name starts with `!`. */
export const SIGNAL = {
  /** The leader has received the opening. */
  ack: '!ack',
  /** The response ended; `data` is the encoded ending. */
  end: '!end',
  /** The shared connection cannot serve the request; `data` is the reason. */
  alone: '!alone',
  /** The server's `retry:`. */
  retry: '!retry',
} as const;

/** Data of a `reconnect` that is not a failure and has no wait. */
export const RETURN: string = JSON.stringify({ afterMs: 0, reason: 'drain' } satisfies Reconnect);

/** From the leader to all tabs. `announce`: this tab has just become the leader. */
export interface LeaderMessage {
  readonly leader: string;
  readonly announce?: boolean;
  readonly items: readonly Item[];
}

/** The keys of a connection's entries start with the connection's id, which has this length. */
export const CONNECTION_ID_LENGTH = 12;

/** From a connection to the leader. Without `open` and `change`, the connection is closed. */
export interface TabMessage {
  readonly connection: string;
  /** The tab that the connection belongs to. */
  readonly tab: string;
  readonly open?: readonly SubscriptionEntry[];
  readonly change?: Pick<ControlRequest, 'add' | 'remove'>;
}

export type Message = LeaderMessage | TabMessage;

/** Encodes an ending as JSON: a structured clone does not preserve a LinefeedError. */
export function encodeEnding({ error, ...ending }: Ending): string {
  if (!error) return JSON.stringify(ending);
  const { code, message, status, body, retryable } = error;
  return JSON.stringify({ ...ending, error: { code, message, status, body, retryable } });
}

/** Returns `undefined` if the text is not an ending. */
export function decodeEnding(text: string): Ending | undefined {
  try {
    const { error, over, full, retryAfter } = JSON.parse(text) as Ending;
    if (!(error ? isText(error.code) && isText(error.message) : over === true || full === true))
      return undefined;
    return {
      ...(error ? { error: new LinefeedError(error.code, error.message, error) } : { over, full }),
      retryAfter: isText(retryAfter) ? retryAfter : undefined,
    };
  } catch {
    return undefined;
  }
}

type Loose<T> = { readonly [K in keyof T]?: unknown };

/**
 * Returns `data` if it is a valid message. Every script of the origin can write to the channel, so `data` can be
 * anything.
 */
export function readMessage(data: unknown): Message | undefined {
  const message = Object(data) as Loose<LeaderMessage & TabMessage>;
  const { leader, items, connection, tab, open = [], change } = message;
  const { add = [], remove = [] } = Object(change) as Loose<Required<TabMessage>['change']>;
  const isEntry = (entry: unknown) => {
    const { address, key, from = '' } = Object(entry) as Loose<SubscriptionEntry>;
    return isText(address) && isText(from) && isText(key) && key.startsWith(connection as string);
  };
  const isMessage =
    leader === undefined
      ? isText(connection) &&
        connection.length === CONNECTION_ID_LENGTH &&
        isText(tab) &&
        isListOf(open, isEntry) &&
        isListOf(add, isEntry) &&
        isListOf(remove, isText)
      : isText(leader) && isListOf(items, (item) => isListOf(item, isText) && item.length > 2);
  return isMessage ? (message as unknown as Message) : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isListOf(value: unknown, isOne: (one: unknown) => boolean): value is readonly unknown[] {
  return Array.isArray(value) && value.every(isOne);
}
