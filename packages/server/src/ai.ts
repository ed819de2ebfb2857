/** Linefeed for the AI SDK: a UI message stream as the source of a run. Pair it with `@linefeed/client/ai`. */
export { uiMessageSource } from './lib/ai/ui-message-source.ts';
export type { UIMessageRun, UIMessageSourceOptions } from './lib/ai/ui-message-source.ts';
export type { ChunkStream } from './lib/ai/read-chunks.ts';
