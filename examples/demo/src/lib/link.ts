/** This page's end of the channel: its transport, client and hooks, and the server's name for it. */
import { createClient, eventSourceTransport, fetchTransport, type Transport } from '@linefeed/client';
import { createHooks } from '@linefeed/client/react';
import { createSharedClient } from '@linefeed/client/share';
import type { Board } from '../../channel.ts';

export const { Provider, useConnectionState, useTopic } = createHooks<Board>();

/** `shared`: over fetch, one connection for all tabs that choose it. */
const carriers = ['fetch', 'eventsource', 'shared'] as const;
export type Carrier = (typeof carriers)[number];

const ownName = toName();

export function openClient(carrier: Carrier) {
  // The server identifies visitors by their connections, so that a requested fault affects no other visitor.
  const visitor = carrier === 'shared' ? readSharedName() : ownName;
  const watched = watch(carrier === 'eventsource' ? eventSourceTransport() : fetchTransport());
  const options = {
    url: `/events?visitor=${visitor}`,
    transport: watched.transport,
    // A visitor who presses a button here waits for the effect.
    retry: { capMs: 3_000 },
  };
  const client = carrier === 'shared' ? createSharedClient<Board>(options) : createClient<Board>(options);
  return { client, carrier, visitor, lastPingAt: watched.lastPingAt, holdsConnection: watched.isOpen };
}

/**
 * A transport that reports facts that the client does not expose: pings, which are only signs of life, and whether this
 * tab has a connection open. If tabs share a connection, only the leading tab uses its transport.
 */
function watch(transport: Transport) {
  const open = new Set<object>();
  let lastPingAt: number | undefined;
  const watched: Transport = (opening, sink) => {
    const connection = transport(opening, {
      onLife: () => sink.onLife(),
      onRetry: (retryMs) => sink.onRetry(retryMs),
      onEnd(ending) {
        open.delete(sink);
        sink.onEnd(ending);
      },
      full: () => sink.full(),
      onFrame(event, data, id) {
        if (event === 'linefeed.ping') lastPingAt = Date.now();
        sink.onFrame(event, data, id);
      },
    });
    open.add(sink);
    return {
      ...connection,
      close() {
        open.delete(sink);
        connection.close();
      },
    };
  };
  return { transport: watched, lastPingAt: () => lastPingAt, isOpen: () => open.size > 0 };
}

/** Random, and made without `crypto.randomUUID`, which only a secure origin has. */
export function toName(): string {
  return Math.random().toString(36).slice(2, 10);
}

/** The same in all tabs of this browser. */
function readSharedName(): string {
  const name = localStorage.getItem('visitor') ?? toName();
  localStorage.setItem('visitor', name);
  return name;
}

export type Link = ReturnType<typeof openClient>;
type BoardClient = Link['client'];
export type ConnectionSnapshot = ReturnType<BoardClient['connection']['getSnapshot']>;

export function readCarrier(): Carrier {
  const chosen = new URLSearchParams(location.search).get('transport');
  return carriers.find((carrier) => carrier === chosen) ?? 'fetch';
}

export function writeCarrier(carrier: Carrier): void {
  const url = new URL(location.href);
  url.searchParams.set('transport', carrier);
  history.replaceState(null, '', url);
}

/** The year of the report is in the address, so that a reload shows the same report. */
export function readYear(): number {
  return Number(new URLSearchParams(location.search).get('year') ?? 2026);
}

export function writeYear(year: number): void {
  const url = new URL(location.href);
  url.searchParams.set('year', String(year));
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
