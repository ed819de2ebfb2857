/** A client with a scripted transport and a manual clock, and the steps of a test: connect, join, cut, reconnect. */
import type { AnyChannel } from '@linefeed/shared';
import type { ControlRequest, Hello, Subscribed } from '@linefeed/shared/wire';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import { createClient, type Client, type ClientOptions } from '../src/lib/client/client.ts';
import type { ConnectionSnapshot } from '../src/lib/connection/state.ts';
import type { EventInfo, Subscription, SubscriptionOptions } from '../src/lib/subscriptions/types.ts';
import { createScriptTransport, type Attempt } from './scripted-transport.ts';

/** A subscription, and the payloads that its handler got. */
export interface Listener extends Subscription {
  readonly got: unknown[];
}

export interface ListenOptions extends SubscriptionOptions {
  readonly params?: object;
  /** Runs after the payload is recorded. Its promise delays the next event. */
  readonly handler?: (payload: unknown, event: EventInfo) => unknown;
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
  readonly state: () => ConnectionSnapshot;
  /** Completes all work that needs no timer. */
  readonly settle: () => Promise<void>;
  /** Advances the clock by 100 ms until `passes` returns true. Returns the waited time. Default limit: 60 s. */
  readonly until: (passes: () => boolean, limitMs?: number) => Promise<number>;

  /** Subscribes. The request is not sent yet. */
  readonly listen: (topic: string, options?: ListenOptions) => Listener;
  /** Subscribes, and lets the client send its request. */
  readonly request: (topic: string, options?: ListenOptions) => Promise<Listener>;
  /** Subscribes on an open connection. The server accepts the control request at `position`. Default: 5. */
  readonly join: (topic: string, options?: ListenOptions, position?: number) => Promise<Listener>;
  /** Subscribes to a stream as the first subscription, and connects. The server runs the stream as `topic~1`. */
  readonly runStream: (topic: string, options?: ListenOptions) => Promise<Listener>;
  /** The server accepts every entry of the latest opening request at `position`. Default: 5. */
  readonly accept: (position?: number, change?: Partial<Subscribed>) => Promise<void>;
  /** The server accepts every entry of the latest control request at `position`. Default: 5. */
  readonly answer: (position?: number) => void;
  /** The connection is lost, and the client makes its next attempt. */
  readonly cut: () => Promise<void>;
  /** `cut` and `accept`. */
  readonly reconnect: (position?: number, change?: Partial<Subscribed>) => Promise<void>;
}

export interface ScriptOptions extends Partial<ClientOptions> {
  /** Changes the `hello` of every response. */
  readonly hello?: Partial<Hello>;
}

export function createScript({ hello, ...options }: ScriptOptions = {}): Script {
  const clock = createManualClock(1_000_000);
  clock.random = () => 0.5;
  const { transport, attempts } = createScriptTransport(hello);
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
    state: () => script.client.connection.getSnapshot(),
    settle: () => clock.advance(0),
    async until(passes, limitMs = 60_000) {
      let waitedMs = 0;
      for (; !passes() && waitedMs < limitMs; waitedMs += 100) await clock.advance(100);
      return waitedMs;
    },

    listen(topic, { params, handler, ...rest } = {}) {
      const got: unknown[] = [];
      const record = (payload: unknown, event: EventInfo) => {
        got.push(payload);
        return handler?.(payload, event);
      };
      const { subscribe } = script.client;
      const subscription = params ? subscribe(topic, params, record, rest) : subscribe(topic, record, rest);
      return Object.assign(subscription, { got });
    },
    async request(topic, options) {
      const listener = script.listen(topic, options);
      await script.settle();
      return listener;
    },
    async join(topic, options, position) {
      const listener = await script.request(topic, options);
      script.answer(position);
      return listener;
    },
    async runStream(topic, options) {
      const listener = await script.request(topic, options);
      script.last().hello();
      script.last().acceptStream(topic, '1');
      return listener;
    },
    async accept(position, change) {
      await script.settle();
      script.last().accept(position, change);
    },
    answer(position = 5) {
      const { add = [], n } = controls.at(-1)!;
      for (const { address, key } of add) script.last().subscribed(address, position, { key: key!, n });
    },
    async cut() {
      script.last().lose();
      await clock.advance(500);
    },
    async reconnect(position, change) {
      await script.cut();
      await script.accept(position, change);
    },
  };
  return script;
}

/** Creates a client with a subscription to each topic. The server accepts all of them at position 5. */
export async function connected(
  topics: string | readonly string[] = 'a',
  options?: ScriptOptions,
): Promise<Script> {
  const script = createScript(options);
  for (const topic of [topics].flat()) script.listen(topic);
  await script.accept();
  return script;
}
