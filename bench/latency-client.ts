/** A client process: Linefeed's client with one handler, which notes the latency of each event. */
import { createClient } from '@linefeed/client';
import { defineChannel } from '@linefeed/shared';
import * as z from 'zod';
import { answerCalls } from './lib/calls.ts';
import { sharedNow } from './lib/logs.ts';

const channel = defineChannel({
  news: z.object({ n: z.number(), text: z.string(), at: z.number().optional() }),
});
const latencies: number[] = [];

answerCalls({
  follow: ({ port }: { port: number }) => {
    const client = createClient<typeof channel>({ url: `http://127.0.0.1:${port}/events` });
    client.subscribe('news', ({ at }) => {
      if (at !== undefined) latencies.push(sharedNow() - at);
    });
  },
  takeLatencies: () => latencies.splice(0),
});
