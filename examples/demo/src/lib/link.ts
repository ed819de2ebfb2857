/** This tab's end of the channel: its id, its transport, its client. */
import { createClient, eventSourceTransport, fetchTransport, type Transport } from '@linefeed/client';
import type { Board } from '../../channel.ts';

export type TransportName = 'fetch' | 'eventsource';

/** Names this tab to the server, so that the faults it asks for hit nobody else. */
export const tab = Math.random().toString(36).slice(2, 10);

export function openClient(transport: TransportName) {
  let lastPingAt: number | undefined;
  const client = createClient<Board>({
    url: `/events?tab=${tab}`,
    transport: watchPings(transport === 'fetch' ? fetchTransport() : eventSourceTransport(), () => {
      lastPingAt = Date.now();
    }),
    // Whoever presses a button here waits for what follows.
    retry: { capMs: 3_000 },
  });
  return { client, lastPingAt: () => lastPingAt };
}

/** A transport that tells of pings, which the client keeps to itself: they are signs of life and nothing else. */
function watchPings(transport: Transport, onPing: () => void): Transport {
  return (opening, sink) =>
    transport(opening, {
      onLife: () => sink.onLife(),
      onRetry: (retryMs) => sink.onRetry(retryMs),
      onEnd: (ending) => sink.onEnd(ending),
      full: () => sink.full(),
      onFrame(event, data, id) {
        if (event === 'linefeed.ping') onPing();
        sink.onFrame(event, data, id);
      },
    });
}

export type Link = ReturnType<typeof openClient>;
export type BoardClient = Link['client'];
export type ConnectionSnapshot = ReturnType<BoardClient['connection']['getSnapshot']>;

export function readTransport(): TransportName {
  return new URLSearchParams(location.search).get('transport') === 'eventsource' ? 'eventsource' : 'fetch';
}

export function writeTransport(transport: TransportName): void {
  const url = new URL(location.href);
  url.searchParams.set('transport', transport);
  history.replaceState(null, '', url);
}

/** Sends JSON to one of the small routes of the demo; rejects with a sentence to show. */
export async function post(path: string, body: object): Promise<void> {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }).catch(() => {
    throw new Error('The server cannot be reached right now.');
  });
  if (response.ok) return;
  const problem = (await response.json().catch(() => undefined)) as { message?: string } | undefined;
  throw new Error(problem?.message ?? `The server answered ${response.status}.`);
}
