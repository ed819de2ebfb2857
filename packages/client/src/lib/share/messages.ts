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
  /** The shared connection cannot carry what was asked for: data says why. */
  alone: '!alone',
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

/** `undefined`: the text is no ending. */
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

/** A message as it came, if it is one. Every script of the origin can write to the channel, so anything may come. */
export function readMessage(data: unknown): Message | undefined {
  const message = Object(data) as Loose<LeaderMessage & LineMessage>;
  const { leader, items, line, tab, open = [], change } = message;
  const { add = [], remove = [] } = Object(change) as Loose<Required<LineMessage>['change']>;
  const isEntry = (entry: unknown) => {
    const { address, key, from = '' } = Object(entry) as Loose<SubscriptionEntry>;
    return isText(address) && isText(from) && isText(key) && key.startsWith(line as string);
  };
  const isMessage =
    leader === undefined
      ? isText(line) &&
        line.length === LINE_ID_LENGTH &&
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
