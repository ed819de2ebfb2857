/** The chunks of a UI message stream of the AI SDK, as the payload of a run. */
import type { UIMessageChunk } from 'ai';
import { chunkSchema } from './chunk-schema.ts';
import type { Schema } from './schema.ts';

/**
 * The payload of a run that records a UI message stream of the AI SDK. It accepts every object with a `type`.
 *
 * @example
 *   import { defineChannel, run } from '@linefeed/shared';
 *   import { uiMessageChunk } from '@linefeed/shared/ai';
 *   import { z } from 'zod';
 *
 *   export const chats = defineChannel({
 *     answer: run({ params: z.object({ chat: z.string() }), data: uiMessageChunk }),
 *   });
 */
export const uiMessageChunk: Schema<UIMessageChunk> = chunkSchema('chunk of a UI message');
