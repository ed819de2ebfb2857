/** The current connection and its successors. Combines the state machine, the retry policy and the liveness check. */
import { LinefeedError, type ErrorCode } from '@linefeed/shared';
import { CONTROL_PREFIX, invalidOption, PROTOCOL_VERSION } from '@linefeed/shared/wire';
import { createStore } from '../base/store.ts';
import type { Ending, TransportConnection } from '../transport/transport.ts';
import { readControl } from './control-frame.ts';
import { checkTimeout, expectNextPing, restartTimeout, type Liveness } from './liveness.ts';
import { isHidden } from './page-lifecycle.ts';
import { NO_FAILURES, planRetry, type RetryHistory } from './retry-policy.ts';
import {
  INITIAL,
  nextState,
  type ConnectionEvent,
  type ConnectionReason,
  type ConnectionSnapshot,
} from './state.ts';
import type { Connection, ConnectionContext, ConnectionHandlers } from './types.ts';

// A large frame on a slow link gets up to 8 timeouts. The cost: a connection that dies in its opening is noticed that
// late.
const MAX_TIMEOUT_MULTIPLIER = 8;

export function createConnection(context: ConnectionContext): Connection {
  const { clock, backPressure, retry, connectTimeoutMs = 10_000, pauseWhenHidden } = context;
  const { getSnapshot, set, subscribe } = createStore(INITIAL);
  let handlers: ConnectionHandlers;
  let response: TransportConnection | undefined;
  let liveness: Liveness | undefined;
  let lastBytesAt: number | undefined;
  let history: RetryHistory = NO_FAILURES;
  let retryMs: number | undefined;
  /** A refusal that may be temporary was retried. The next refusal in a row is final. */
  let hasRetriedRefusal = false;
  let hasReportedOption = false;
  /** Multiplier of the server's timeout. It doubles after a silence that may have been a frame in transit. */
  let timeoutMultiplier = 1;
  let hasFrameAfterHello = false;
  let cancelTimer = () => {};
  let cancelPause: (() => void) | undefined;
  /** End of the wait that the server requested. Page hints do not shorten that wait. */
  let notBefore = 0;

  /** Returns false if a listener has changed the state during `set`. The caller must then stop. */
  const move = (event: ConnectionEvent, reason: ConnectionReason, change?: Partial<ConnectionSnapshot>) => {
    const before = getSnapshot();
    const state = nextState(before.state, event);
    const next = {
      ...before,
      retryInMs: undefined,
      cursor: context.committed(),
      lastEventAt: lastBytesAt,
      ...change,
      state,
      previous: state === before.state ? before.previous : before.state,
      reason,
    };
    set(next);
    return getSnapshot() === next;
  };

  const drop = () => {
    cancelTimer();
    response?.close();
    response = liveness = undefined;
    handlers.onGone();
  };

  const wait = (delayMs: number, task: () => void) => {
    cancelTimer();
    cancelTimer = clock.after(delayMs, task);
  };

  const pauseLater = () => {
    if (!pauseWhenHidden || !isHidden()) return;
    cancelPause ??= clock.after(pauseWhenHidden === true ? 30_000 : pauseWhenHidden.graceMs, () => {
      cancelPause = undefined;
      if (nextState(getSnapshot().state, 'suspend') !== 'suspended') return;
      drop();
      move('suspend', 'hidden');
    });
  };

  const stopPause = () => {
    cancelPause?.();
    cancelPause = undefined;
  };

  const watch = (next: Liveness | undefined) => {
    liveness = next;
    if (!next) {
      if (!hasFrameAfterHello && response?.framesOnly)
        timeoutMultiplier = Math.min(timeoutMultiplier * 2, MAX_TIMEOUT_MULTIPLIER);
      const silentMs = clock.now() - lastBytesAt!;
      return fail(
        'silence',
        `No bytes arrived for ${silentMs} ms: check the network, and proxies that buffer.`,
      );
    }
    wait(next.checkAt - clock.now(), () =>
      // While back-pressure pauses reading, silence proves nothing.
      watch((backPressure.full() ? restartTimeout : checkTimeout)(liveness!, clock.now())),
    );
  };

  const open = (reason: ConnectionReason) => {
    drop();
    pauseLater();
    if (!move('start', reason, { attempt: history.failures + 1 })) return;
    wait(connectTimeoutMs, () =>
      fail('connect_timeout', `No hello within ${connectTimeoutMs} ms: is ${context.url} a feed?`),
    );
    // A handler can close or reopen the connection in the middle of a chunk.
    const isCurrent = () => current === response;
    const current: TransportConnection = context.transport(
      { ...context, ...handlers.plan() },
      {
        full: backPressure.full,
        onLife() {
          if (!isCurrent()) return;
          lastBytesAt = clock.now();
          liveness &&= restartTimeout(liveness, lastBytesAt);
        },
        onRetry(ms) {
          retryMs = ms;
        },
        onFrame(event, data, id) {
          if (!isCurrent()) return;
          try {
            receive(event, data, id);
          } catch (cause) {
            fail('protocol', `${event} is malformed: ${data}`, cause);
          }
        },
        onEnd(ending) {
          if (isCurrent()) lose(ending);
        },
      },
    );
    if (!current.close) {
      return lose({
        error: invalidOption('Call the transport: fetchTransport().'),
      });
    }
    response = current;
  };

  const receive = (event: string, data: string, id: string) => {
    const name = event.startsWith(CONTROL_PREFIX) && event.slice(CONTROL_PREFIX.length);
    // An event or ping after the opening proves that whole frames arrive in time: reset the multiplier.
    if (!name || name === 'ping') {
      hasFrameAfterHello = true;
      timeoutMultiplier = 1;
    }
    if (!name) return handlers.onEvent(event, data, id);
    const body = readControl(name, data);
    if (name === 'reconnect') return reopen(body.reason, body.afterMs);
    if (name === 'hello') {
      if (body.protocol !== PROTOCOL_VERSION) {
        const message = `The server has protocol ${body.protocol}, not ${PROTOCOL_VERSION}: reload the page.`;
        return lose({ error: new LinefeedError('protocol', message) });
      }
      const connectedAt = clock.now();
      hasRetriedRefusal = hasReportedOption = false;
      cancelTimer();
      hasFrameAfterHello = false;
      const { pingMs, timeoutMs } = body;
      if (timeoutMs > 0)
        watch(restartTimeout({ pingMs, timeoutMs: timeoutMs * timeoutMultiplier }, connectedAt));
      const isOpen = move('hello', 'hello', {
        error: undefined,
        connectedAt,
        hasEverConnected: true,
        connectionCount: getSnapshot().connectionCount + 1,
      });
      if (!isOpen) return;
    }
    handlers.onControl(name, body, id);
  };

  const lose = (
    { error, retryAfter, full }: Ending,
    reason: ConnectionReason = error?.code ?? 'finished',
    afterMs?: number,
  ) => {
    const { state, attempt, connectedAt, hasEverConnected } = getSnapshot();
    drop();
    if (full) {
      if (move('suspend', 'queue'))
        void backPressure.full()?.then(() => getSnapshot().reason === 'queue' && open('queue'));
      return;
    }
    if (!error && afterMs === undefined) {
      move('finished', reason);
      return handlers.onOver();
    }
    // Each attempt calls `headers` again. So the first 401 is retried; the second in a row is final.
    const unauthorized = error?.status === 401 && !hasRetriedRefusal;
    // Chromium accepts a response head that was cut, with a truncated content type. Retry once.
    const isCut = error?.code === 'wrong_content_type' && hasEverConnected && !hasRetriedRefusal;
    hasRetriedRefusal ||= unauthorized || isCut;
    const nowMs = clock.now();
    const plan = planRetry(
      history,
      {
        connectedMs: state === 'connected' ? nowMs - connectedAt! : undefined,
        afterMs: unauthorized ? 0 : afterMs,
        isDismissal: reason === 'expired' || reason === 'disconnected',
        retryAfter,
        retryMs,
      },
      retry,
      nowMs,
      clock.random(),
    );
    const { failures, delayMs, askedMs } = plan;
    history = plan;
    notBefore = nowMs + askedMs;
    if (error) {
      Object.assign(error, { attempt });
      const { retryable, message } = error;
      if (plan.exhausted || !(retryable || unauthorized || isCut)) {
        const final = retryable
          ? new LinefeedError('retries_exhausted', `Gave up after ${failures} attempts: ${message}`, {
              cause: error,
              attempt,
              status: error.status,
              retryable: false,
            })
          : error;
        move('refused', final.code, { error: final });
        return handlers.onOver(final);
      }
    }
    if (error?.code === 'invalid_option' && !hasReportedOption) {
      hasReportedOption = true;
      context.report(error);
    }
    if (move('lost', reason, { attempt: failures, retryInMs: delayMs, error }))
      wait(delayMs, () => open('retry'));
  };

  const reopen = (reason: ConnectionReason, afterMs = 0) => lose({}, reason, afterMs);

  const fail = (code: ErrorCode, message: string, cause?: unknown) =>
    lose({ error: new LinefeedError(code, message, { cause, retryable: true }) });

  return {
    getSnapshot,
    subscribe,
    attach(given) {
      handlers = given;
    },
    lastEventAt: () => lastBytesAt,
    open,
    reopen,
    stop(event, reason) {
      const { state } = getSnapshot();
      stopPause();
      if (nextState(state, event) === state) return;
      drop();
      history = NO_FAILURES;
      move(event, reason);
    },
    listen: (event) => response?.listen?.(event),
    control: (request) => response?.control?.(request),
    hint(hint) {
      if (hint === 'pagehide') return;
      const { state, reason } = getSnapshot();
      const waitMs = notBefore - clock.now();
      if (!isHidden()) stopPause();
      if (hint === 'hidden') pauseLater();
      else if (liveness) watch(expectNextPing(liveness, clock.now()));
      else if (
        hint !== 'offline' &&
        (reason === 'hidden'
          ? !isHidden()
          : hint === 'online'
            ? state === 'connecting' || state === 'reconnecting'
            : state === 'reconnecting' && !response)
      ) {
        if (waitMs <= 0) return open('page');
        if (move('lost', reason, { retryInMs: waitMs })) wait(waitMs, () => open('page'));
      }
    },
  };
}
