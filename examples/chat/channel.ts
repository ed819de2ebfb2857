/** The contract: the answers of a chat are runs, and their events are the chunks of the AI SDK. */
import { defineChannel, run } from '@linefeed/shared';
import { uiMessageChunk } from '@linefeed/shared/ai';
import { z } from 'zod';

export const ChatId = z.string().regex(/^[\w-]{1,40}$/);

export const chats = defineChannel({
  answer: run({ params: z.object({ chat: ChatId }), data: uiMessageChunk }),
});
