/** Reads one run as a stream of chunks. The stream ends only with a final chunk or an error. */
import { LinefeedError } from '@linefeed/shared';
import type { UIMessageChunk } from 'ai';
import type { RunEnd, RunStarted, Subscription } from '../subscriptions/types.ts';
import { toEndingChunk, toFinalType, type FinalType } from './ending.ts';

/** The callbacks of a subscription to runs, called in the order of the wire. */
export interface RunListener {
  /** A returned promise delays the next event. */
  readonly onEvent: (data: unknown, event: { readonly id?: string | undefined }) => unknown;
  /** Delivery enters a run, or another attempt continues it. */
  readonly onRun: (started: Pick<RunStarted, 'run'>) => void;
  readonly onEnd: (ending: RunEnd) => void;
  /** All that was recorded when the subscription was accepted has been delivered. */
  readonly onCaughtUp: () => void;
  readonly onError: (error: LinefeedError) => void;
}

export interface RunReaderOptions {
  readonly subscribe: (listener: RunListener) => Subscription;
  /** The run to read. Absent: the first one that delivery enters, as a replay. */
  readonly run?: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** Whether the page has the whole message: then a run that is over is not replayed. */
  readonly isOnPage: (messageId: string) => boolean;
  /** The stream has the start of a message. */
  readonly onStart: (messageId: string) => void;
  /** The stream has the end of the run. */
  readonly onComplete: () => void;
  readonly toErrorText: ((ending: RunEnd) => string) | undefined;
}

export interface RunReader {
  readonly stream: ReadableStream<UIMessageChunk>;
  /**
   * Whether there is something to read. `false`: no run was running, or its message is on the page. Rejects if the
   * subscription fails before that is known.
   */
  readonly isNeeded: Promise<boolean>;
  /**
   * Gives up: another reader of the same chat reads what comes. Then `isNeeded` is pending until the signal aborts. Does
   * nothing once `isNeeded` is known.
   */
  readonly giveWay: () => void;
}

/** Chunks that wait for the chat. With more of them the subscription waits. */
const HIGH_WATER_MARK = 64;

export function createRunReader(options: RunReaderOptions): RunReader {
  const { signal, isOnPage, onStart, onComplete, toErrorText } = options;
  const isReplay = options.run === undefined;
  let run = options.run;
  let messageId: string | undefined;
  let last: FinalType | undefined;
  let isEmpty = true;
  let isCaughtUp = false;
  let isDecided = false;
  let isClosed = false;
  let resume = () => {};
  let controller!: ReadableStreamDefaultController<UIMessageChunk>;
  let resolve!: (isNeeded: boolean) => void;
  let reject!: (error: unknown) => void;
  const isNeeded = new Promise<boolean>((...both) => ([resolve, reject] = both));
  // Only a replay waits for it.
  isNeeded.catch(() => {});

  const close = () => {
    if (isClosed) return;
    isClosed = true;
    signal?.removeEventListener('abort', abort);
    resume();
    subscription();
  };
  const decide = (needed: boolean) => {
    if (isDecided) return;
    isDecided = true;
    resolve(needed);
    if (!needed) close();
    else if (messageId !== undefined) onStart(messageId);
  };
  const breakWith = (error: unknown) => {
    if (isClosed) return;
    reject(error);
    controller.error(error);
    close();
  };
  const abort = () => breakWith(signal?.reason);
  const fail = (error: LinefeedError) => {
    // With this error only, the chat can resume the unfinished message.
    const isDisconnect = error.retryable || error.code === 'retries_exhausted' || error.code === 'closed';
    breakWith(isDisconnect ? new TypeError('network error', { cause: error }) : error);
  };
  const isMessageOnPage = () => messageId !== undefined && isOnPage(messageId);

  const onEvent = (chunk: UIMessageChunk, id: string | undefined): unknown => {
    if (isClosed || !id?.startsWith(`${run}.`)) return undefined;
    // It was for the readers of its time.
    if (isReplay && !isCaughtUp && 'transient' in chunk && chunk.transient) return undefined;
    isEmpty = false;
    last = toFinalType(chunk) ?? last;
    if (chunk.type === 'start' && messageId === undefined) {
      messageId = chunk.messageId;
      if (isDecided && messageId !== undefined) onStart(messageId);
    }
    if (!isMessageOnPage()) decide(true);
    controller.enqueue(chunk);
    // The stream has no reader before the decision, so nothing may wait for one.
    if (!isDecided || controller.desiredSize! > 0) return undefined;
    return new Promise<void>((done) => (resume = done));
  };
  const onEnd = (ending: RunEnd) => {
    run ??= ending.run;
    if (isClosed || run !== ending.run) return;
    // A run without chunks has no message. If it failed, the page has to tell it.
    const isFailure = ending.outcome !== 'done' && ending.outcome !== 'stopped';
    decide(isEmpty ? isFailure : !isMessageOnPage());
    if (isClosed) return;
    const chunk = toEndingChunk(ending, last, toErrorText);
    if (chunk) controller.enqueue(chunk);
    controller.close();
    onComplete();
    close();
  };

  const stream = new ReadableStream<UIMessageChunk>(
    {
      start: (given) => void (controller = given),
      pull: () => resume(),
      cancel: close,
    },
    { highWaterMark: HIGH_WATER_MARK },
  );
  const subscription = options.subscribe({
    onEvent: (data, { id }) => onEvent(data as UIMessageChunk, id),
    onRun(started) {
      // The record of the expected run is deleted, so delivery enters a later one.
      if (run !== undefined && run !== started.run) onEnd(toGone(run));
      run = started.run;
    },
    onEnd,
    onCaughtUp() {
      isCaughtUp = true;
      decide(run !== undefined);
    },
    onError: fail,
  });
  subscription.subscribe(() => {
    if (subscription.getSnapshot().status === 'ended') {
      fail(new LinefeedError('closed', 'The subscription ended before the run.'));
    }
  });
  signal?.addEventListener('abort', abort);
  if (!isReplay) decide(true);
  return {
    stream,
    isNeeded,
    giveWay() {
      if (isDecided) return;
      isDecided = true;
      close();
      signal?.addEventListener('abort', () => reject(signal.reason));
    },
  };
}

function toGone(run: string): RunEnd {
  return { run, outcome: 'gone', reason: undefined, result: undefined, error: undefined };
}
