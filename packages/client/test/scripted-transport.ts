/** A transport whose responses a test controls, and a client that uses it with a manual clock. */
import type { AnyChannel } from '@linefeed/shared';
import { FRAME, type ControlRequest, type Hello, type Subscribed } from '@linefeed/shared/wire';
import { createManualClock, type ManualClock } from '../src/lib/base/clock.ts';
import { createClient, type Client, type ClientOptions } from '../src/lib/client/client.ts';
import { networkError } from '../src/lib/transport/request.ts';
import type { Ending, Opening, Transport, TransportSink } from '../src/lib/transport/transport.ts';
import { HELLO } from './frames.ts';

/** One response. */
export interface Attempt {
  readonly opening: Opening;
  readonly sink: TransportSink;
  closed: boolean;
  readonly send: (event: string, payload: unknown, id?: string) => void;
  readonly hello: (id?: string, change?: Partial<Hello>) => void;
  readonly subscribed: (address: string, position?: number, change?: Partial<Subscribed>) => void;
  readonly lose: (ending?: Ending) => void;
}

export interface Script {
  readonly client: Client<AnyChannel>;
  readonly clock: ManualClock;
  readonly attempts: Attempt[];
  /** The latest attempt. */
  readonly last: () => Attempt;
  /** The sent control requests. `controlStatus` is the status of the next responses. */
  readonly controls: ControlRequest[];
  controlStatus: number;
  readonly errors: unknown[];
  /** Completes all work that needs no timer. */
  readonly settle: () => Promise<void>;
}

/** Creates only the transport. */
export function createScriptTransport(): { readonly transport: Transport; readonly attempts: Attempt[] } {
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
        hello: (id, change) => attempt.send(FRAME.hello, { ...HELLO, ...change }, id),
        subscribed: (address, position = 0, change = {}) =>
          attempt.send(FRAME.subscribed, {
            address,
            event: address,
            cursor: `e.${position}`,
            tail: `e.${position}`,
            ...change,
          }),
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

export function createScript(options: Partial<ClientOptions> = {}): Script {
  const clock = createManualClock(1_000_000);
  const { transport, attempts } = createScriptTransport();
  const controls: ControlRequest[] = [];
  const errors: unknown[] = [];
  const script: Script = {
    client: createClient<AnyChannel>({
      url: '/events',
      clock,
      transport,
      onError: (error) => errors.push(error),
      fetch: async (_url, init) => {
        controls.push(JSON.parse(init?.body as string) as ControlRequest);
        return new Response('', { status: script.controlStatus });
      },
      ...options,
    }),
    clock,
    attempts,
    last: () => attempts.at(-1)!,
    controls,
    controlStatus: 202,
    errors,
    settle: () => clock.advance(0),
  };
  return script;
}
