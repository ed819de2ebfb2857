/** A client of runs without a connection: a test calls the listeners of its subscriptions. */
import type { AnyChannel, LinefeedError } from '@linefeed/shared';
import type { UIMessageChunk } from 'ai';
import type { Client } from '../src/lib/client/client.ts';
import type { RunEnd } from '../src/lib/subscriptions/types.ts';
import type { RunListener } from '../src/lib/ai/run-reader.ts';

/** A subscription of the transport, and the steps of its server. */
export interface ScriptedRun {
  readonly params: object | undefined;
  readonly from: string;
  readonly isOpen: () => boolean;
  /** Delivery enters a run. Its chunks count from 1. */
  readonly begin: (run: string) => void;
  /** Delivers chunks of the current run. Resolves when the transport has taken all. */
  readonly send: (...chunks: readonly UIMessageChunk[]) => Promise<void>;
  readonly caughtUp: () => void;
  readonly end: (ending?: Partial<RunEnd>) => void;
  readonly fail: (error: LinefeedError) => void;
  /** The client is closed: all subscriptions end. */
  readonly close: () => void;
}

export interface ScriptedRuns {
  readonly client: Client<AnyChannel>;
  readonly subscriptions: ScriptedRun[];
  readonly last: () => ScriptedRun;
  /** The stop requests: topic, params, options. */
  readonly stops: unknown[][];
}

export function createScriptedRuns(): ScriptedRuns {
  const subscriptions: ScriptedRun[] = [];
  const stops: unknown[][] = [];
  const client = {
    subscribe(
      _topic: string,
      params: object | undefined,
      onEvent: RunListener['onEvent'],
      options: Omit<RunListener, 'onEvent'> & { from: string },
    ) {
      let isOpen = true;
      let current = '';
      let n = 0;
      const listeners = new Set<() => void>();
      const end = () => {
        isOpen = false;
        for (const listener of listeners) listener();
      };
      subscriptions.push({
        params,
        from: options.from,
        isOpen: () => isOpen,
        begin(run) {
          if (run !== current) n = 0;
          current = run;
          options.onRun({ run });
        },
        async send(...chunks) {
          for (const chunk of chunks) await onEvent(chunk, { id: `${current}.${++n}` });
        },
        caughtUp: () => options.onCaughtUp(),
        end: (ending) => options.onEnd({ run: current, outcome: 'done', ...ending } as RunEnd),
        fail: (error) => options.onError(error),
        close: end,
      });
      return Object.assign(end, {
        getSnapshot: () => ({ status: isOpen ? 'subscribed' : 'ended' }),
        subscribe: (listener: () => void) => listeners.add(listener),
      });
    },
    async stop(...stop: unknown[]) {
      stops.push(stop);
      return { run: 'r1', outcome: 'stopped' };
    },
  };
  return {
    client: client as unknown as Client<AnyChannel>,
    subscriptions,
    last: () => subscriptions.at(-1)!,
    stops,
  };
}

/** The chunks of a short answer. */
export const HELLO: readonly UIMessageChunk[] = [
  { type: 'start', messageId: 'm1' },
  { type: 'start-step' },
  { type: 'text-start', id: 't' },
  { type: 'text-delta', id: 't', delta: 'Hello' },
  { type: 'text-delta', id: 't', delta: ' world' },
  { type: 'text-end', id: 't' },
  { type: 'finish-step' },
  { type: 'finish', finishReason: 'stop' },
];
