/** One node of a world: a feed on the log, whose hooks and `authorize` do all that an application may do. */
import { createFeed, type ConnectionInfo, type Log, type RunStore } from '@linefeed/server';
import { LinefeedError } from '@linefeed/shared';
import { ADDRESSES, board, type LoggedAddress, type UserContext, type WorldFeed } from './board.ts';
import type { Chance, SimClock } from './clock.ts';
import { LOG_FAILURE } from './log.ts';
import { REQUEST_HEADER } from './network.ts';
import { MAX_RUNS_PER_PRINCIPAL } from './run-history.ts';
import { isRunFailure } from './run-link.ts';
import { SINK_FAILURE } from './sink.ts';
import { createSteps, SOURCE_FAILURE, type RunBook } from './sources.ts';
import type { Traits } from './traits.ts';
import type { WireChecker } from './wire.ts';

export interface NodeOptions {
  readonly log: Log;
  /** Set in a world with runs. */
  readonly runStore:
    | { readonly store: RunStore; readonly leaseMs: number; readonly keepMs: number }
    | undefined;
  readonly clock: SimClock;
  readonly chance: Chance;
  readonly traits: Traits;
  readonly runs: RunBook;
  readonly isCalm: () => boolean;
  readonly wireOf: (request: number) => WireChecker;
  readonly publish: (feed: WorldFeed, target: LoggedAddress) => Promise<void>;
  readonly fail: (what: string) => void;
}

export const MAX_BUFFERED_BYTES = 4_000;
const AUTHORIZE_FAILURE = 'authorize cannot decide now';
/** Errors that the application and its log throw, and that `onError` may receive. */
const KNOWN_FAILURES: readonly string[] = [AUTHORIZE_FAILURE, LOG_FAILURE, SINK_FAILURE, SOURCE_FAILURE];

/** Whether the log is on a server that cannot be reached. */
export function isLogFailure(error: unknown): boolean {
  return LinefeedError.is(error) && error.code === 'log_failed' && error.retryable;
}

/** A stop that a client requested, and that the node did not answer in time or before its end. */
function isUnansweredStop(error: unknown): boolean {
  return LinefeedError.is(error) && (error.code === 'draining' || error.code === 'timeout');
}

export function createNode(options: NodeOptions): WorldFeed {
  const { log, runStore, clock, chance, traits, runs, isCalm, wireOf, publish, fail } = options;
  const onRetryable = (request: number): void => {
    wireOf(request).retryableFailures += 1;
  };
  /** A hook that calls back into the feed. */
  const act = ({ id }: ConnectionInfo<UserContext>): void => {
    if (!traits.actingHooks || isCalm() || !chance.is(0.15)) return;
    const target = chance.pick(ADDRESSES);
    chance.pick([
      () => disconnect(feed, wireOf, (connection) => connection.id === id),
      () => disconnect(feed, wireOf, () => chance.is(0.3)),
      () => void publish(feed, target),
    ])();
  };
  const feed: WorldFeed = createFeed(
    { ...board },
    {
      log,
      ...(runStore === undefined ? {} : runOptions(runStore)),
      clock: clock.server,
      pingMs: 5_000,
      timeoutMs: 15_000,
      maxDurationMs: 60_000,
      retryMs: 300,
      maxBufferedBytes: MAX_BUFFERED_BYTES,
      stallTimeoutMs: 8_000,
      maxSubscriptions: 256,
      context: identify,
      authorize: ({ context, topic, action }) => {
        const verdict = (topic !== 'secret' && action !== 'stop') || context.user.startsWith('ann');
        return traits.unsureAuthorize && !isCalm() ? decideLater(verdict) : verdict;
      },
      onOpen: act,
      onSubscribe: act,
      onGap: act,
      onClose: act,
      onError: (error: unknown) => {
        if (isRunFailure(error) || isUnansweredStop(error)) return;
        if (traits.remoteLog && isLogFailure(error)) return;
        // A request of a node that is stopping may find its log closed.
        if (traits.remoteLog && LinefeedError.is(error) && error.code === 'closed') return;
        if (!(error instanceof Error && KNOWN_FAILURES.includes(error.message)))
          fail(`onError: ${String(error)}`);
      },
      streams: { steps: createSteps({ clock, chance, runs, isCalm, onRetryable }) },
    },
  );

  function identify(request: Request): UserContext {
    const number = Number(request.headers.get(REQUEST_HEADER));
    const user = request.headers.get('user') ?? 'nobody';
    const context = { request: number, user, principal: user };
    if (!traits.shortSessions || isCalm()) return context;
    const leftMs = chance.between(500, 30_000);
    wireOf(number).expiresAt = clock.now() + leftMs;
    return { ...context, expiresAt: clock.server.wallNow() + leftMs };
  }

  async function decideLater(verdict: boolean): Promise<boolean> {
    if (chance.is(0.3)) await clock.sleep(chance.pick([5, 50, 1_000, 12_000]));
    if (chance.is(0.2)) {
      const status = chance.pick([429, 503]);
      throw Object.assign(new Error(AUTHORIZE_FAILURE), { status });
    }
    return verdict;
  }

  return feed;
}

function runOptions({ store, leaseMs, keepMs }: NonNullable<NodeOptions['runStore']>) {
  return {
    runs: store,
    stopFromClients: true,
    runLeaseMs: leaseMs,
    runKeepMs: keepMs,
    runPollMs: 100,
    maxRunDurationMs: 30_000,
    maxRunsPerPrincipal: MAX_RUNS_PER_PRINCIPAL,
  };
}

export function disconnect(
  feed: WorldFeed,
  wireOf: (request: number) => WireChecker,
  isNamed: (connection: ConnectionInfo<UserContext>) => boolean,
): void {
  const named: number[] = [];
  feed.disconnect((connection) => {
    const isOne = isNamed(connection);
    if (isOne) named.push(connection.context.request);
    return isOne;
  });
  for (const request of named) wireOf(request).disconnected = true;
}
