/** Handlers that end when a test decides. */
import { createScript, type ListenOptions, type Script, type ScriptOptions } from './scripted-client.ts';

export interface HeldHandler {
  readonly handler: () => Promise<void>;
  /** Ends the running handler. With an error, its promise rejects. */
  readonly finish: (error?: Error) => void;
}

export function hold(): HeldHandler {
  let end = (_error?: Error) => {};
  return {
    handler: () =>
      new Promise((resolve, reject) => {
        end = (error) => (error ? reject(error) : resolve());
      }),
    finish: (error) => end(error),
  };
}

export interface Handling {
  readonly script: Script;
  /** The payloads that the handler got. */
  readonly got: unknown[];
  readonly finish: HeldHandler['finish'];
  /** Sends events of `a`. */
  readonly deliver: (...positions: number[]) => void;
}

/** Connects at position 0 with a subscription to `a`. Its handler ends when the test calls `finish`. */
export async function handle(options?: ListenOptions, client?: ScriptOptions): Promise<Handling> {
  const script = createScript(client);
  const { handler, finish } = hold();
  const { got } = script.listen('a', { handler, ...options });
  await script.accept(0);
  return { script, got, finish, deliver: (...positions) => script.last().deliver('a', ...positions) };
}
