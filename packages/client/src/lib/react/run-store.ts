/** The store of one `useRun`: the state of the newest run of its address, and its subscription. */
import { LinefeedError, type AnyChannel } from '@linefeed/shared';
import type { RunOutcome } from '@linefeed/shared/wire';
import type { Client } from '../client/client.ts';
import type { StoppedRun, StopOptions } from '../client/stop.ts';
import type { AnyHandler, RunEnd, RunSubscriptionOptions, Subscription } from '../subscriptions/types.ts';
import type { HookStore } from './topic-store.ts';

/** The result of `useRun`. */
export interface RunState<T, Result = unknown> {
  /** All payloads of the run, or the result of `reduce` over them. A new run starts again with none. */
  readonly data: T;
  /** `idle`: there was no run, or not enabled. */
  readonly status: 'idle' | 'running' | 'ended';
  /** How the run ended. */
  readonly outcome: RunOutcome | undefined;
  /** The result of a run that is done. */
  readonly result: Result | undefined;
  /** Why the run failed, or why the subscription did. `closed`: the client was already closed. */
  readonly error: LinefeedError | undefined;
  /** Why the run was stopped or lost, if the server gives a reason. */
  readonly reason: string | undefined;
  /** The id of the run. */
  readonly run: string | undefined;
  /** Counts the sources of the run, from 1. */
  readonly attempt: number | undefined;
  /** The events that are already recorded are not applied yet. Then they are applied in one render. */
  readonly replaying: boolean;
  /**
   * Stops the run. Leaving it does not. Rejects as `stop` of the client.
   *
   * @param reason The readers of the run get it. Default: none.
   */
  readonly stop: (reason?: string) => Promise<StoppedRun | undefined>;
}

/** The options without their generic types. */
export interface LooseRunOptions {
  readonly params?: unknown;
  readonly initial?: unknown;
  readonly reduce?: ((state: unknown, ...event: Parameters<AnyHandler>) => unknown) | undefined;
  readonly enabled?: boolean | undefined;
  readonly from?: string | undefined;
}

type Stop = (topic: string, params: unknown, options: StopOptions) => Promise<StoppedRun | undefined>;

export function createRunStore(
  client: Client<AnyChannel>,
  topic: string,
  address: string,
  first: LooseRunOptions,
): HookStore<LooseRunOptions, RunState<unknown>> {
  const { params, reduce, initial, from } = first;
  const noRun: RunState<unknown> = {
    data: reduce ? initial : [],
    status: 'idle',
    outcome: undefined,
    result: undefined,
    error: undefined,
    reason: undefined,
    run: undefined,
    attempt: undefined,
    replaying: true,
    stop: (reason) => (client.stop as unknown as Stop)(topic, params, { run: shown.run, reason }),
  };
  /** Includes events that are not shown yet. */
  let state = noRun;
  /** The state of the last render, without the failure of the subscription. */
  let visible = noRun;
  let failure: LinefeedError | undefined;
  let shown = noRun;
  let disabled: RunState<unknown> | undefined;
  /** Id of the last event, or the position before the first one. */
  let resumeFrom: string | undefined;
  /** Start of the first subscription. A component that is hidden before its first event resumes from there. */
  let start: string | undefined;
  let isReplaying = true;

  const store: HookStore<LooseRunOptions, RunState<unknown>> = {
    client,
    address,
    from,
    options: first,
    subscribe(listener) {
      const show = (next: RunState<unknown>) => {
        visible = next;
        shown = { ...next, error: failure ?? next.error };
        disabled = undefined;
        listener();
      };
      const change = (next: Partial<RunState<unknown>>) => {
        state = { ...state, ...next };
        if (!isReplaying) show(state);
      };
      const handler: AnyHandler = (data, event) => {
        resumeFrom = event.id;
        isReplaying ||= event.replayed;
        const before = state.data;
        if (store.options.reduce) return change({ data: store.options.reduce(before, data, event) });
        const all = before as unknown[];
        // A copy for each replayed event would take quadratic time.
        if (before === visible.data) return change({ data: [...all, data] });
        all.push(data);
        return change({});
      };
      const options: RunSubscriptionOptions = {
        from: resumeFrom ?? start ?? from ?? 'start',
        onRun({ run, attempt }) {
          // A component that is shown again gets its run again.
          if (run === state.run) return change({ attempt });
          resumeFrom = `${run}.0`;
          const data = reduce ? initial : [];
          return change({ ...noRun, data, status: 'running', run, attempt, replaying: state.replaying });
        },
        onEnd(end: RunEnd) {
          // A component that is shown again gets the end again; `gone` if the run was deleted.
          if (state.status !== 'ended') change({ ...end, status: 'ended' });
        },
        onCaughtUp() {
          isReplaying = false;
          change({ replaying: false });
        },
      };
      isReplaying = true;
      let opened: Subscription;
      try {
        opened = (client.subscribe as (...all: unknown[]) => Subscription)(topic, params, handler, options);
      } catch (error) {
        // The client is closed permanently. An exception here would crash the whole page.
        if (!(error instanceof LinefeedError)) throw error;
        failure = error;
        shown = { ...shown, error };
        return () => {};
      }
      const unwatch = opened.subscribe(() => {
        const { error } = opened.getSnapshot();
        if (error === failure) return;
        failure = error;
        show(visible);
      });
      return () => {
        unwatch();
        opened();
        start ??= opened.startCursor();
      };
    },
    read({ enabled }) {
      if (enabled !== false) return shown;
      return (disabled ??= { ...shown, status: 'idle', replaying: false });
    },
  };
  return store;
}
