/** The contract of runs that record streams of TanStack AI. A separate entry, so that only its users need it. */
export { streamChunk } from './lib/contract/stream-chunk.ts';
