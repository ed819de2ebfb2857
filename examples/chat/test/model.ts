/** A model of the SDK's own test package, whose answers a test controls. */
import { MockLanguageModelV4 } from 'ai/test';

type Parts = Awaited<ReturnType<MockLanguageModelV4['doStream']>>['stream'];
type Part = Parts extends ReadableStream<infer P> ? P : never;

const USAGE = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};

export interface Model {
  readonly language: MockLanguageModelV4;
  /** Number of calls. */
  readonly calls: () => number;
  /** Whether the signal of the latest call has aborted. */
  readonly isAborted: () => boolean;
  /** Adds words to the latest answer. Waits for its call. */
  readonly say: (...words: string[]) => Promise<void>;
  readonly callTool: (id: string, name: string, input: object) => Promise<void>;
  readonly finish: (reason?: 'stop' | 'tool-calls') => Promise<void>;
  readonly fail: (error: Error) => Promise<void>;
}

export function createModel(): Model {
  let controller: ReadableStreamDefaultController<Part> | undefined;
  let calls = 0;
  let signal: AbortSignal | undefined;
  let hasText = false;
  let arrived = () => {};
  const answer = async () => {
    while (controller === undefined) await new Promise<void>((resolve) => (arrived = resolve));
    return controller;
  };
  const language = new MockLanguageModelV4({
    async doStream({ abortSignal }) {
      calls += 1;
      signal = abortSignal;
      hasText = false;
      const stream = new ReadableStream<Part>({ start: (given) => void (controller = given) });
      arrived();
      return { stream };
    },
  });
  return {
    language,
    calls: () => calls,
    isAborted: () => signal?.aborted ?? false,
    async say(...words) {
      const stream = await answer();
      if (!hasText) stream.enqueue({ type: 'text-start', id: 't' });
      hasText = true;
      for (const delta of words) stream.enqueue({ type: 'text-delta', id: 't', delta });
    },
    async callTool(toolCallId, toolName, input) {
      (await answer()).enqueue({ type: 'tool-call', toolCallId, toolName, input: JSON.stringify(input) });
    },
    async finish(reason = 'stop') {
      const stream = await answer();
      if (hasText) stream.enqueue({ type: 'text-end', id: 't' });
      stream.enqueue({ type: 'finish', finishReason: { unified: reason, raw: reason }, usage: USAGE });
      stream.close();
      controller = undefined;
    },
    async fail(error) {
      const stream = await answer();
      stream.enqueue({ type: 'error', error });
      stream.close();
      controller = undefined;
    },
  };
}
