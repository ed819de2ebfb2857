/** A transport whose responses a test controls. */
import { FRAME, type Hello, type Subscribed, type SubscriptionError } from '@linefeed/shared/wire';
import { LinefeedError } from '@linefeed/shared';
import { networkError } from '../src/lib/transport/request.ts';
import type { Ending, Opening, Transport, TransportSink } from '../src/lib/transport/transport.ts';
import { HELLO } from './frames.ts';

/** One response. The methods do what a server does. */
export interface Attempt {
  readonly opening: Opening;
  readonly sink: TransportSink;
  closed: boolean;
  readonly send: (event: string, payload: unknown, id?: string) => void;
  readonly hello: (id?: string, change?: Partial<Hello>) => void;
  readonly subscribed: (address: string, position?: number, change?: Partial<Subscribed>) => void;
  /** Sends `hello`, and accepts every entry of the opening request at `position`. Default: 5. */
  readonly accept: (position?: number, change?: Partial<Subscribed>) => void;
  /** Accepts the entry `key` of a stream as `topic~key`. `n` is the number of the control request. */
  readonly acceptStream: (topic: string, key: string, n?: number) => void;
  /** Refuses an entry, permanently if `change` has nothing else. */
  readonly refuse: (address: string, change?: Partial<SubscriptionError>) => void;
  /** Sends one event for each position. Its payload is the position, and the previous one is one less. */
  readonly deliver: (address: string, ...positions: number[]) => void;
  readonly lose: (ending?: Ending) => void;
}

/** Returns the error of a response with an HTTP status. */
export function httpError(status: number): LinefeedError {
  return new LinefeedError('http_status', `The server answered ${status}.`, { status });
}

/** A retryable refusal. */
export const RETRYABLE: Partial<SubscriptionError> = { code: 'timeout', message: 'Slow.', retryable: true };

/** Returns the cursor of `position` in the epoch `e`. */
export function cursorAt(position: number): string {
  return `e.${position.toString(36)}`;
}

/** Returns the id of the event at `position`. The previous event of its address is at `prev`. */
export function idAt(position: number, prev: number = position - 1): string {
  return `${cursorAt(position)}.${prev.toString(36)}`;
}

/** `hello` changes the `hello` of every response. */
export function createScriptTransport(hello: Partial<Hello> = {}): {
  readonly transport: Transport;
  readonly attempts: Attempt[];
} {
  const attempts: Attempt[] = [];
  return {
    attempts,
    transport(opening, sink) {
      const attempt: Attempt = {
        opening,
        sink,
        closed: false,
        send(event, payload, id = '') {
          sink.onLife();
          sink.onFrame(event, JSON.stringify(payload), id);
        },
        hello: (id, change) => attempt.send(FRAME.hello, { ...HELLO, ...hello, ...change }, id),
        subscribed(address, position = 0, change = {}) {
          const cursor = cursorAt(position);
          attempt.send(FRAME.subscribed, { address, event: address, cursor, tail: cursor, ...change });
        },
        accept(position = 5, change = {}) {
          attempt.hello(cursorAt(position));
          for (const { address, key } of opening.entries)
            attempt.subscribed(address, position, { key: key!, ...change });
        },
        acceptStream(topic, key, n) {
          const address = `${topic}~${key}`;
          attempt.send(FRAME.subscribed, { address, event: address, key, n });
        },
        refuse(address, change) {
          const refusal = { address, code: 'forbidden', message: 'No.', retryable: false };
          attempt.send(FRAME.error, { ...refusal, ...change });
        },
        deliver(address, ...positions) {
          for (const position of positions) attempt.send(address, position, idAt(position));
        },
        lose: (ending = { error: networkError('The response ended.') }) => sink.onEnd(ending),
      };
      attempts.push(attempt);
      return {
        close() {
          attempt.closed = true;
        },
      };
    },
  };
}
