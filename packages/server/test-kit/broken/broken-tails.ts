/** Logs that break a promise about tails. */
import { BEGINNING } from '@linefeed/shared/wire';
import type { TailListener } from '../../src/lib/log/log.ts';
import { broken, type BrokenLog, type Change } from './broken-log.ts';

const onTail =
  (change: (listener: TailListener) => Partial<TailListener>): Change =>
  (log) => ({
    tail: (listener) =>
      log.tail({
        onEvents: (events, through) => listener.onEvents(events, through),
        onReset: (reason, newest) => listener.onReset(reason, newest),
        onError: (error) => listener.onError(error),
        ...change(listener),
      }),
  });

export const BROKEN_TAILS: readonly BrokenLog[] = [
  broken(
    'starts a tail at its first event',
    [
      'a tail starts at the newest event and receives later events',
      'a new tail works after another tail was closed',
    ],
    (log) => ({
      tail: (listener) => ({ ...log.tail(listener), start: { epoch: log.epoch, position: BEGINNING } }),
    }),
  ),
  broken(
    'omits every third event of a tail',
    [
      'every handle receives every append, in one order',
      'a tail that lags by 3,000 events receives all of them in order',
      'a page of 1000 addresses has the events of each past a position of its own',
      ...['the server restarts', 'the server pauses', 'the connections are reset', 'answers are lost'].map(
        (when) => `every event that is published until it succeeds reaches every tail once if ${when}`,
      ),
      'every event that is published until it succeeds reaches every tail once if the connections become half-open',
    ],
    onTail((listener) => {
      let count = 0;
      return {
        onEvents: (events, through) =>
          listener.onEvents(
            events.filter(() => ++count % 3 !== 0),
            through,
          ),
      };
    }),
  ),
  broken(
    'repeats events to a tail',
    ['a listener that appends does not change the order of events'],
    onTail((listener) => ({
      onEvents(events, through) {
        listener.onEvents(events, through);
        listener.onEvents(events, through);
      },
    })),
  ),
  broken(
    'does not tell a tail about values',
    ['the position of a tail moves past values that were superseded before delivery'],
    onTail((listener) => ({
      onEvents(events, through) {
        if (events.some(({ address }) => address !== 'p')) listener.onEvents(events, through);
      },
    })),
  ),
  broken(
    'continues a tail that was closed',
    ['a closed tail receives no more events, but other tails do'],
    (log) => ({ tail: (listener) => ({ start: log.tail(listener).start, close: () => undefined }) }),
  ),
  broken(
    'hides the error of a listener',
    ['a listener that throws receives its error, and other listeners are not affected'],
    onTail((listener) => ({
      onEvents(events, through) {
        try {
          listener.onEvents(events, through);
        } catch {
          // Hidden.
        }
      },
    })),
  ),
  broken(
    'does not tell a tail that events were evicted before it received them',
    [
      'a tail is reset if events were evicted before it received them',
      'a tail that is slower than the eviction is reset, and pages report what it missed',
    ],
    onTail((listener) => ({
      onReset(reason, newest) {
        if (reason === 'trimmed') listener.onEvents([], newest.position);
        else listener.onReset(reason, newest);
      },
    })),
  ),
  broken(
    'repeats the error of an outage',
    ['a tail is told once that the server is away, and continues when it is back'],
    onTail((listener) => ({
      onError(error) {
        listener.onError(error);
        listener.onError(error);
      },
    })),
  ),
];
