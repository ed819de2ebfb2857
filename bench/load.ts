/**
 * The load process of a measurement: many clients over bare sockets, which count marks, and the clock of every tick.
 */
import { connect as connectSocket, type Socket } from 'node:net';
import { answerCalls } from './lib/calls.ts';
import { MARK_BYTE } from './lib/contender.ts';
import type { Endpoint, Ticks } from './lib/pair.ts';
import { summarize, type Latencies } from './lib/stats.ts';

interface Client {
  readonly socket: Socket;
  /** Received marks since the last reset. */
  marks: number;
  open: boolean;
}

/** A pending wait for marks. */
interface Arrival {
  readonly total: number;
  readonly resolve: () => void;
}

/** Longer than any contender needs for one tick. */
const TICK_TIMEOUT_MS = 20_000;
const FLOOD_TIMEOUT_MS = 50_000;

const clients: Client[] = [];
let marks = 0;
let bytes = 0;
let opened = 0;
let arrival: Arrival | undefined;
let onClientMarks: ((client: Client, found: number) => void) | undefined;
let control: Socket | undefined;

// One buffer for all sockets: it is processed before the next read.
const buffer = Buffer.allocUnsafeSlow(256 * 1024);

function read(client: Client, length: number): void {
  bytes += length;
  if (!client.open) {
    client.open = true;
    opened += 1;
  }
  let found = 0;
  const chunk = buffer.subarray(0, length);
  for (let at = chunk.indexOf(MARK_BYTE); at !== -1; at = chunk.indexOf(MARK_BYTE, at + 1)) found += 1;
  if (found === 0) return;
  client.marks += found;
  marks += found;
  onClientMarks?.(client, found);
  if (arrival !== undefined && marks >= arrival.total) arrival.resolve();
}

/** Resolves when `count` more marks have arrived, in the same turn as the last one. */
async function arrive(count: number, timeoutMs: number): Promise<void> {
  const before = marks;
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      arrival = { total: before + count, resolve };
      timer = setTimeout(() => {
        reject(new Error(`${marks - before} of ${count} events have arrived within ${timeoutMs} ms.`));
      }, timeoutMs);
    });
  } finally {
    clearTimeout(timer);
    arrival = undefined;
  }
}

function openClient({ port, request }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({
      port,
      host: '127.0.0.1',
      onread: { buffer, callback: (length) => (read(client, length), true) },
    });
    const client: Client = { socket, marks: 0, open: false };
    socket.on('connect', () => {
      socket.write(headOf(request));
      resolve();
    });
    socket.on('error', reject);
    clients.push(client);
  });
}

function headOf({ method, path, body, lastEventId }: Endpoint['request']): string {
  const length =
    body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${body.length}\r\n`;
  const id = lastEventId === undefined ? '' : `last-event-id: ${lastEventId}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n${id}${length}\r\n${body ?? ''}`;
}

/** Sends ticks until `ms` have passed, each when the previous one has arrived everywhere. */
async function tickClosed({
  count = 1,
  ms = 700,
  minTicks = 2,
  maxTicks = 100_000,
  marksPerTick = count * clients.length,
  timeoutMs = TICK_TIMEOUT_MS,
}: Ticks): Promise<{ readonly events: number; readonly ms: number }> {
  const line = `${count}\n`;
  const start = performance.now();
  const before = marks;
  let running = true;
  // A load that sleeps between two reads is woken by each write, at the server's cost: up to 1 µs, more for slower
  // servers. A load that never sleeps costs every contender the same.
  const stayAwake = (): void => {
    if (running) setImmediate(stayAwake);
  };
  stayAwake();
  try {
    for (let tick = 0; tick < maxTicks && (tick < minTicks || performance.now() - start < ms); tick += 1) {
      const arrived = arrive(marksPerTick, timeoutMs);
      control!.write(line);
      await arrived;
    }
    return { events: marks - before, ms: performance.now() - start };
  } finally {
    running = false;
  }
}

/** Ticks at fixed times, independent of arrivals; an event's latency starts at the due time of its tick. */
async function tickOpen({
  count = 1,
  ticks,
  intervalMs,
}: {
  count?: number;
  ticks: number;
  intervalMs: number;
}): Promise<Latencies> {
  const latencies: number[] = [];
  const start = performance.now() + 5;
  for (const client of clients) client.marks = 0;
  onClientMarks = (client, found) => {
    const now = performance.now();
    for (let index = client.marks - found; index < client.marks; index += 1) {
      latencies.push(now - (start + Math.floor(index / count) * intervalMs));
    }
  };
  try {
    const arrived = arrive(ticks * count * clients.length, ticks * intervalMs + TICK_TIMEOUT_MS);
    for (let tick = 0; tick < ticks; tick += 1) {
      const due = start + tick * intervalMs;
      while (performance.now() < due) {
        const left = due - performance.now();
        await new Promise<void>((resolve) => {
          // Timers are late by up to a millisecond or two; the rest is a busy wait.
          if (left > 3) setTimeout(resolve, left - 3);
          else setImmediate(resolve);
        });
      }
      control!.write(`${count}\n`);
    }
    await arrived;
  } finally {
    onClientMarks = undefined;
  }
  return summarize(latencies);
}

answerCalls({
  connect: async ({
    endpoint,
    count,
    parallel = 200,
    requests,
  }: {
    endpoint: Endpoint;
    count: number;
    parallel?: number;
    requests?: readonly string[];
  }) => {
    if (control === undefined) {
      control = connectSocket({ port: endpoint.control, host: '127.0.0.1', noDelay: true });
      control.on('error', () => undefined);
    }
    const first = clients.length;
    const one = async (index: number): Promise<void> => {
      const path = requests?.[index % requests.length] ?? endpoint.request.path;
      await openClient({ ...endpoint, request: { ...endpoint.request, path } });
    };
    for (let index = 0; index < count; index += parallel) {
      const batch = Array.from({ length: Math.min(parallel, count - index) }, (_, k) =>
        one(first + index + k),
      );
      await Promise.all(batch);
      // The kernel accepts a connection before the server does. Most servers answer at once, some only with their first
      // event.
      const deadline = performance.now() + 100;
      while (opened < clients.length && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  },
  /** Opens all at once; returns the milliseconds until each has received `events` events. */
  flood: async ({ endpoint, count, events }: { endpoint: Endpoint; count: number; events: number }) => {
    const start = performance.now();
    const arrived = arrive(count * events, FLOOD_TIMEOUT_MS).then(() => performance.now() - start);
    const connected = Promise.all(Array.from({ length: count }, () => openClient(endpoint)));
    const [ms] = await Promise.all([arrived, connected]);
    return ms;
  },
  /** Received bytes since the start. */
  received: () => bytes,
  closed: tickClosed,
  open: tickOpen,
  /** Stops reading on one client; it is no longer counted. */
  stall: () => {
    const client = clients.pop()!;
    client.socket.pause();
  },
  disconnect: () => {
    for (const { socket } of clients.splice(0)) socket.destroy();
    opened = 0;
  },
});
