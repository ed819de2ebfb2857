/** A client with a scripted transport, and a server that records the runs of the address `r`. */
import { FRAME, type SubscriptionEntry } from '@linefeed/shared/wire';
import type { Subscription } from '../src/lib/subscriptions/types.ts';
import { createTestRuns, type TestRuns } from '../src/lib/testing/test-runs.ts';
import { createScript, type Script, type ScriptOptions } from './scripted-client.ts';

export { createTestRuns, type TestRuns };

export interface RunScript extends Script {
  readonly runs: TestRuns;
  /** The connection is lost after this many more frames of runs. The server then writes nothing more. */
  frames: number;
  /** Subscribes to `r`, and adds a line to `log` for each call. */
  readonly follow: (log: string[], options?: FollowOptions) => Subscription;
  /** The client sends its opening request, and the server accepts each entry. */
  readonly open: () => Promise<void>;
  /** The client sends its control requests, and the server accepts each entry of the latest one. */
  readonly add: () => Promise<void>;
  /** The connection is lost, and the client makes its next attempt. The server accepts each entry. */
  readonly resume: () => Promise<void>;
}

export interface FollowOptions {
  readonly from?: string;
  readonly signal?: AbortSignal;
  /** Runs after each line. Its promise delays the next call. */
  readonly on?: (line: string) => unknown;
}

export function createRunScript(options?: ScriptOptions): RunScript {
  const script = createScript(options);
  const send = (event: string, json: string, id = ''): void => {
    const { sink } = script.last();
    if (run.frames <= 0) return;
    run.frames -= 1;
    sink.onLife();
    sink.onFrame(event, json, id);
    if (run.frames === 0) script.last().lose();
  };
  const runs = createTestRuns(send, () => '', script.clock.now);

  const accept = (entries: readonly SubscriptionEntry[], n?: number): void => {
    const answers = entries.map((entry) => ({ ...entry, ...runs.accept(entry.address, entry.from) }));
    for (const { address, key, start } of answers)
      send(FRAME.subscribed, JSON.stringify({ address, event: address, key, n, run: start }));
    for (const { deliver } of answers) deliver();
  };

  const run: RunScript = Object.assign(script, {
    runs,
    frames: Infinity,
    follow(log: string[], { on, ...rest }: FollowOptions = {}) {
      const write = (line: string) => {
        log.push(line);
        return on?.(line);
      };
      return script.client.subscribe('r', (payload: unknown) => write(String(payload)), {
        onRun: ({ run, attempt }) => write(`run ${run.slice(0, 9)} ${attempt}`),
        onEnd: ({ run, outcome }) => write(`end ${run.slice(0, 9)} ${outcome}`),
        onCaughtUp: () => write('live'),
        ...rest,
      });
    },
    async open() {
      await script.settle();
      runs.leave();
      script.last().hello();
      accept(script.last().opening.entries);
      await script.settle();
    },
    async add() {
      await script.settle();
      const { add = [], n } = script.controls.at(-1)!;
      accept(add, n);
      await script.settle();
    },
    async resume() {
      if (!script.last().closed) script.last().lose();
      await script.clock.advance(10_000);
      await run.open();
    },
  });
  return run;
}
