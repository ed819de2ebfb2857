/** The chunks of TanStack AI, as the payload of a run. */
import type { StreamChunk } from '@tanstack/ai';
import { chunkSchema } from './chunk-schema.ts';
import type { Schema } from './schema.ts';

/**
 * The payload of a run that records a stream of TanStack AI. It accepts every object with a `type`.
 *
 * @example
 *   import { defineChannel, run } from '@linefeed/shared';
 *   import { streamChunk } from '@linefeed/shared/tanstack-ai';
 *   import { z } from 'zod';
 *
 *   export const chats = defineChannel({
 *     answer: run({ params: z.object({ chat: z.string() }), data: streamChunk }),
 *   });
 */
export const streamChunk: Schema<StreamChunk> = chunkSchema('chunk of TanStack AI');
