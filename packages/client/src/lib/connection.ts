/** One connection at a time, and another one after it: the shell around states, retry policy and liveness. */
import { LinefeedError, type ErrorCode } from '@linefeed/shared';
import { FRAME, PROTOCOL_VERSION, type Hello, type Reconnect } from '@linefeed/shared/wire';
import type { Clock } from './clock.ts';
import {
  INITIAL,
  nextState,
  type ConnectionEvent,
  type ConnectionReason,
  type ConnectionSnapshot,
} from './connection-state.ts';
import { hear, judge, probe, type Pulse } from './liveness.ts';
import type { PageHint } from './page.ts';
import { NO_FAILURES, planRetry, type RetryOptions } from './retry-policy.ts';
import { createStore, type Readable } from './store.ts';
import type { Ending, Opening, RequestOptions, Transport, TransportConnection } from './transport.ts';

export interface ConnectionOptions {
  readonly request: RequestOptions;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly retry: RetryOptions;
  readonly connectTimeoutMs: number;
  /** Pause so long after the page was hidden; `undefined`: never. */
  readonly hiddenGraceMs: number | undefined;
  /** What to ask for, taken afresh for each attempt. */
  readonly plan: () => Pick<Opening, 'entries' | 'cursor'>;
  readonly onFrame: (event: string, data: string, id: string) => void;
  /** The response is gone; what it was asked for is open again. */
  readonly onGone: () => void;
  /** Over for good: refused with this error, or finished without. */
  readonly onOver: (error: LinefeedError | undefined) => void;
  readonly full: () => Promise<void> | undefined;
  readonly committed: () => string | undefined;
}

export interface Connection extends Readable<ConnectionSnapshot> {
  readonly lastEventAt: () => number | undefined;
  /** Opens now, whatever went before. */
  readonly open: (reason: ConnectionReason) => void;
  /** Drops the response and opens another one, soon. */
  readonly reopen: (reason: ConnectionReason) => void;
  /** Drops everything and stays where `event` leads. */
  readonly stop: (event: 'rest' | 'close', reason: ConnectionReason) => void;
  readonly listen: (event: string) => void;
  readonly hint: (hint: PageHint) => void;
}

export function createConnection(options: ConnectionOptions): Connection {
  const { clock, retry, full } = options;
  const store = createStore(INITIAL);
  let response: TransportConnection | undefined;
  let pulse: Pulse | undefined;
  let heardAt: number | undefined;
  let history = NO_FAILURES;
  let retryMs: number | undefined;
  let reauthorized = false;
  let cancelTimer = () => {};
  let cancelPause = () => {};

  const move = (
    event: ConnectionEvent,
    reason: ConnectionReason,
    change: Partial<ConnectionSnapshot> = {},
  ) => {
    const before = store.getSnapshot();
    const state = nextState(before.state, event);
    store.set({
      ...before,
      retryInMs: undefined,
      cursor: options.committed(),
      lastEventAt: heardAt,
      ...change,
      state,
      previous: state === before.state ? before.previous : before.state,
      reason,
    });
  };

  const drop = () => {
    cancelTimer();
    response?.close();
    response = pulse = undefined;
    options.onGone();
  };

  const wait = (delayMs: number, task: () => void) => {
    cancelTimer();
    cancelTimer = clock.after(delayMs, task);
  };

  const watch = () => {
    if (pulse === undefined) return;
    // While we read nothing ourselves, silence is our own.
    pulse = full() === undefined ? judge(pulse, clock.now()) : hear(pulse, clock.now());
    if (pulse !== undefined) return wait(pulse.dueAt - clock.now(), watch);
    fail('silence', `Nothing came for ${clock.now() - heardAt!} ms; the server promised a sign of life.`);
  };

  const open = (reason: ConnectionReason) => {
    drop();
    move('start', reason, { attempt: history.failures + 1 });
    wait(options.connectTimeoutMs, () =>
      fail(
        'connect_timeout',
        `No hello within ${options.connectTimeoutMs} ms: is ${options.request.url} a feed, does a proxy hold it back?`,
      ),
    );
    const current: TransportConnection = options.transport(
      { ...options.request, ...options.plan() },
      {
        full,
        onLife() {
          heardAt = clock.now();
          pulse &&= hear(pulse, heardAt);
        },
        onRetry(ms) {
          retryMs = ms;
        },
        onFrame(event, data, id) {
          // A handler may have closed or reopened us in the middle of a chunk.
          if (current !== response) return;
          try {
            receive(event, data, id);
          } catch (cause) {
            fail('protocol', `${event} is malformed: ${data}`, cause);
          }
        },
        onEnd(ending) {
          if (current === response) lose(ending);
        },
      },
    );
    response = current;
  };

  const receive = (event: string, data: string, id: string) => {
    if (event === FRAME.hello) {
      const { protocol, pingMs, timeoutMs } = JSON.parse(data) as Hello;
      if (protocol !== PROTOCOL_VERSION) {
        const message = `The server speaks protocol ${protocol}, this client ${PROTOCOL_VERSION}: reload the page.`;
        return lose({ error: new LinefeedError('protocol', message) });
      }
      const connectedAt = clock.now();
      const { connectionCount } = store.getSnapshot();
      reauthorized = false;
      cancelTimer();
      if (timeoutMs > 0) {
        pulse = hear({ pingMs, timeoutMs }, connectedAt);
        wait(pulse.dueAt - connectedAt, watch);
      }
      move('hello', 'hello', {
        error: undefined,
        connectedAt,
        hasEverConnected: true,
        connectionCount: connectionCount + 1,
      });
    }
    if (event === FRAME.reconnect) {
      const { afterMs, reason } = JSON.parse(data) as Reconnect;
      return reopen(reason, afterMs);
    }
    options.onFrame(event, data, id);
  };

  const lose = (
    { error, retryAfter, full: isFull }: Ending,
    reason: ConnectionReason = error?.code ?? 'finished',
    afterMs?: number,
  ) => {
    const { state, connectedAt } = store.getSnapshot();
    drop();
    if (isFull) {
      move('suspend', 'queue');
      void full()?.then(() => store.getSnapshot().reason === 'queue' && open('queue'));
      return;
    }
    if (error === undefined && afterMs === undefined) {
      move('finished', reason);
      return options.onOver(undefined);
    }
    if (error) Object.assign(error, { attempt: store.getSnapshot().attempt });
    // Headers are asked for afresh on each attempt: the second 401 in a row is final.
    const unauthorized = error?.status === 401 && !reauthorized;
    if (unauthorized) reauthorized = true;
    const plan = planRetry(
      history,
      {
        connectedMs: state === 'connected' ? clock.now() - connectedAt! : undefined,
        afterMs: unauthorized ? 0 : afterMs,
        retryAfter,
        retryMs,
      },
      retry,
      clock.now(),
      clock.random(),
    );
    history = plan.history;
    const exhausted = error !== undefined && history.failures >= (retry.maxAttempts ?? Infinity);
    if (error !== undefined && ((!error.retryable && !unauthorized) || exhausted)) {
      const final = error.retryable
        ? new LinefeedError(
            'retries_exhausted',
            `Gave up after ${history.failures} attempts: ${error.message}`,
            { cause: error },
          )
        : error;
      move('refused', final.code, { error: final });
      return options.onOver(final);
    }
    move('lost', reason, { attempt: history.failures, retryInMs: plan.delayMs, error });
    wait(plan.delayMs, () => open('retry'));
  };

  const reopen = (reason: ConnectionReason, afterMs = 0) => lose({}, reason, afterMs);

  const fail = (code: ErrorCode, message: string, cause?: unknown) =>
    lose({ error: new LinefeedError(code, message, { cause, retryable: true }) });

  return {
    ...store,
    lastEventAt: () => heardAt,
    open,
    reopen,
    stop(event, reason) {
      drop();
      cancelPause();
      history = NO_FAILURES;
      move(event, reason);
    },
    listen: (event) => response?.listen?.(event),
    hint(hint) {
      const { state, reason } = store.getSnapshot();
      if (hint === 'pagehide') return;
      cancelPause();
      if (hint === 'hidden') {
        if (options.hiddenGraceMs === undefined) return;
        cancelPause = clock.after(options.hiddenGraceMs, () => {
          if (nextState(store.getSnapshot().state, 'suspend') !== 'suspended') return;
          drop();
          move('suspend', 'hidden');
        });
      } else if (pulse !== undefined) {
        pulse = probe(pulse, clock.now());
        wait(pulse.dueAt - clock.now(), watch);
      } else if (
        hint !== 'offline' &&
        (reason === 'hidden' || (state === 'reconnecting' && (response === undefined || hint === 'online')))
      ) {
        open('page');
      }
    },
  };
}
