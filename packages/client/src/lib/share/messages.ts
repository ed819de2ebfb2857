/** What tabs say to each other. The name of the channel carries the version of this form. */
import { LinefeedError } from '@linefeed/shared';
import type { ControlRequest, SubscriptionEntry } from '@linefeed/shared/wire';
import type { Ending } from '../transport.ts';

/** A line: what stands for a connection between a tab and the leader. `line` counts those of a tab. */
interface Caller {
  readonly tab: string;
  readonly line: number;
}

/** Of any tab, for the leader. */
export type Request =
  | (Caller & {
      readonly type: 'open';
      readonly entries: readonly SubscriptionEntry[];
      readonly cursor: string | undefined;
    })
  | (Caller & { readonly type: 'change'; readonly change: ControlRequest })
  | { readonly type: 'bye'; readonly tab: string };

/** Of the leader. `hub`: which of its connections to the server it is about. */
export type Reply = { readonly hub: string } & (
  | /** A connection is about to be opened: everybody comes, with the place where they stand. */
    { readonly type: 'lead' }
  /** An opening has been heard. */
  | { readonly type: 'heard'; readonly to: string }
  | (Frame & {
      readonly type: 'hello';
      readonly to: string;
      readonly line: number;
      readonly retryMs?: number;
    })
  /** For one tab, or for all. `name`: from now on the tab wants frames of this event name. */
  | (Frame & {
      readonly type: 'frame';
      readonly to?: string;
      readonly name?: string | undefined;
      readonly apart?: boolean | undefined;
    })
  | { readonly type: 'life' }
  | { readonly type: 'end'; readonly ending: PlainEnding }
);

export interface Frame {
  readonly event: string;
  readonly data: string;
  readonly id: string;
}

export type Message = Request | Reply;

/** A reply as it is made; who sends it adds the rest. */
export type Unsigned = Reply extends infer R ? (R extends Reply ? Omit<R, 'hub'> : never) : never;

/** An ending as data: an error's class does not travel. */
export interface PlainEnding extends Omit<Ending, 'error'> {
  readonly error?: Pick<LinefeedError, 'code' | 'message' | 'status' | 'retryable' | 'body'> | undefined;
}

export function toPlain({ error, ...ending }: Ending): PlainEnding {
  if (!error) return ending;
  const { code, message, status, retryable, body } = error;
  return { ...ending, error: { code, message, status, retryable, body } };
}

export function fromPlain({ error, ...ending }: PlainEnding): Ending {
  return error ? { ...ending, error: new LinefeedError(error.code, error.message, error) } : ending;
}
