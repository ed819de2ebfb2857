/** The contract of runs that record messages of the AI SDK. A separate entry, so that only its users need `ai`. */
export { uiMessageChunk } from './lib/contract/ui-message-chunk.ts';
