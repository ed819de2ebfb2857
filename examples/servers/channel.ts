/** The contract between these servers and their clients. */
import { defineChannel, topic, type Channel } from '@linefeed/shared';
import * as z from 'zod';

const topics = {
  notice: z.object({ text: z.string() }),
  room: topic({ params: z.object({ name: z.string() }), data: z.object({ text: z.string() }) }),
};

export const board: Channel<typeof topics> = defineChannel(topics);
