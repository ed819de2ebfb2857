/** Decides the result of a subscribe request, before its response is opened. */
import type { AnyChannel } from '@linefeed/shared';
import type { LinefeedError } from '@linefeed/shared/wire';
import type { Hub } from '../delivery/hub.ts';
import type { RunTails } from '../runs/run-tail.ts';
import { readReach, type Reach } from '../delivery/start-position.ts';
import type { Authorizer } from './authorize.ts';
import { readKeptRuns, type KeptRuns } from './kept-runs.ts';
import type { Authorized, Denied } from './resolve.ts';
import { readStreamResume, withStreamStarts } from './stream-resume.ts';
import type { SubscribeRequest } from './subscribe-request.ts';

const NOTHING: ReadonlySet<string> = new Set();

/** The subscriptions of a new connection. */
export interface Accepted {
  readonly type: 'accepted';
  readonly logged: readonly Authorized[];
  /** Streams and runs. */
  readonly streams: readonly Authorized[];
  readonly refused: readonly Denied[];
  /** How far the log reaches, if one of the cursors is ahead of this process. */
  readonly reach: Reach | undefined;
  readonly kept: KeptRuns;
}

export type Decision =
  | Accepted
  /** The client has everything that it requests, or nothing of it can be resumed. It must not reconnect. */
  | { readonly type: 'complete' }
  | { readonly type: 'refused'; readonly error: LinefeedError };

export interface DeciderOptions {
  readonly channel: AnyChannel;
  readonly hub: Hub;
  readonly runs: RunTails;
  readonly authorizer: Authorizer;
}

/** `context`: that of the request. */
export type Decide = (asked: SubscribeRequest, context: unknown) => Promise<Decision>;

export function createDecider({ channel, hub, runs, authorizer }: DeciderOptions): Decide {
  return async (asked, context) => {
    const entries = withStreamStarts(channel, asked);
    const alone = entries.length === 1;
    const isReceived = ({ topic, from }: (typeof entries)[number]): boolean =>
      channel.topics.get(topic)?.kind === 'stream' && readStreamResume(from).type === 'ended';
    if (entries.every(isReceived)) return { type: 'complete' };
    const { authorized, refused } = await authorizer.authorizeAll(entries, {
      context,
      taken: NOTHING,
      alone,
    });
    if (authorized.length === 0) {
      // A client gives up all its entries after a final status. A retryable refusal takes precedence.
      const { error } =
        refused.find(/* seam: retryable-refusal-first */ (entry) => entry.error.retryable) ?? refused[0]!;
      return { type: 'refused', error };
    }
    const streams = authorized.filter(({ definition }) => definition.kind !== 'logged');
    // A single stream that sent data without ids cannot be resumed, so there is nothing to run.
    if (alone && isStream(streams[0]) && readStreamResume(streams[0].from).type === 'begun') {
      return { type: 'complete' };
    }
    const logged = authorized.filter(({ definition }) => definition.kind === 'logged');
    const [reach, kept] = await Promise.all([
      readReach(hub, [asked.lastEventId, ...logged.map(({ from }) => from)]),
      readKeptRuns(runs, streams),
    ]);
    return { type: 'accepted', logged, streams, refused, reach, kept };
  };
}

function isStream(entry: Authorized | undefined): entry is Authorized {
  return entry?.definition.kind === 'stream';
}
