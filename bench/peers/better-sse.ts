/** better-sse: sessions registered with a channel that broadcasts. */
import { createServer } from 'node:http';
import { createChannel, createSession } from 'better-sse';
import type { Contender } from '../lib/contender.ts';
import { listen } from '../lib/listen.ts';

export async function start(): Promise<Contender> {
  const channel = createChannel();
  const server = createServer((req, res) => {
    void createSession(req, res).then((session) => channel.register(session));
  });
  return {
    port: await listen(server),
    request: { method: 'GET', path: '/' },
    subscribers: () => channel.sessionCount,
    publish: (payloads) => {
      for (const payload of payloads) channel.broadcast(payload, 'news');
    },
  };
}
