/** The load process of a measurement: many clients over bare sockets, which count marks, and the clock of every tick. */
import { connect as connectSocket, type Socket } from 'node:net';
import { answerCalls } from './lib/calls.ts';
import { MARK_BYTE } from './lib/contender.ts';
import type { Ticks } from './lib/pair.ts';
import { summarize, type Latencies } from './lib/stats.ts';

interface Client {
  readonly socket: Socket;
  /** Marks it received since the last reset. */
  marks: number;
  open: boolean;
}

interface Target {
  readonly port: number;
  readonly request: { readonly method: string; readonly path: string; readonly body?: string };
  readonly control: number;
}

const clients: Client[] = [];
let marks = 0;
let bytes = 0;
let opened = 0;
let closed = 0;
/** What is waited for, and who is told. */
let wanted = Infinity;
let onWanted: () => void = () => undefined;
let onClientMarks: ((client: Client, found: number) => void) | undefined;
let control: Socket | undefined;

// One buffer for all: it is worked through before the next read.
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
  if (marks >= wanted) {
    wanted = Infinity;
    onWanted();
  }
}

function openClient(port: number, head: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({
      port,
      host: '127.0.0.1',
      onread: { buffer, callback: (length) => (read(client, length), true) },
    });
    const client: Client = { socket, marks: 0, open: false };
    socket.on('connect', () => {
      socket.write(head);
      resolve();
    });
    socket.on('error', reject);
    socket.on('close', () => (closed += 1));
    clients.push(client);
  });
}

function headOf({ method, path, body }: Target['request'], lastEventId?: string): string {
  const length =
    body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${body.length}\r\n`;
  const id = lastEventId === undefined ? '' : `last-event-id: ${lastEventId}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n${id}${length}\r\n${body ?? ''}`;
}

async function until(what: string, isSo: () => boolean, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms.`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Ticks until `ms` have passed, each when the one before has arrived everywhere. */
function tickClosed(
  count: number,
  ms: number,
  minTicks: number,
  maxTicks: number,
  marksPerTick = count * clients.length,
): Promise<object> {
  const line = `${count}\n`;
  const start = performance.now();
  const before = marks;
  const bytesBefore = bytes;
  let ticks = 0;
  let running = true;
  // A load that sleeps between two reads is woken by each write, and the server pays: up to 1 µs, the more the slower it
  // is. One that never sleeps costs every contender the same.
  const stayAwake = (): void => {
    if (running) setImmediate(stayAwake);
  };
  stayAwake();
  return new Promise((resolve) => {
    const tick = (): void => {
      const elapsed = performance.now() - start;
      if (ticks >= minTicks && (elapsed >= ms || ticks >= maxTicks)) {
        running = false;
        resolve({ ticks, events: marks - before, bytes: bytes - bytesBefore, ms: elapsed });
        return;
      }
      ticks += 1;
      wanted = marks + marksPerTick;
      onWanted = tick;
      control!.write(line);
    };
    tick();
  });
}

/** Ticks at fixed times, whatever has arrived; an event's latency runs from the time its tick was due. */
async function tickOpen(count: number, ticks: number, intervalMs: number): Promise<Latencies> {
  const latencies: number[] = [];
  const start = performance.now() + 5;
  for (const client of clients) client.marks = 0;
  onClientMarks = (client, found) => {
    const now = performance.now();
    for (let index = client.marks - found; index < client.marks; index += 1) {
      latencies.push(now - (start + Math.floor(index / count) * intervalMs));
    }
  };
  const total = marks + ticks * count * clients.length;
  for (let tick = 0; tick < ticks; tick += 1) {
    const due = start + tick * intervalMs;
    while (performance.now() < due) {
      const left = due - performance.now();
      await new Promise<void>((resolve) => {
        // Timers are late by up to a millisecond or two; the rest is spun.
        if (left > 3) setTimeout(resolve, left - 3);
        else setImmediate(resolve);
      });
    }
    control!.write(`${count}\n`);
  }
  await until('every event of the open loop', () => marks >= total, 90_000);
  onClientMarks = undefined;
  return summarize(latencies);
}

answerCalls({
  connect: async ({
    target,
    count,
    parallel = 200,
    requests,
    lastEventId,
  }: {
    target: Target;
    count: number;
    parallel?: number;
    requests?: readonly string[];
    lastEventId?: string;
  }) => {
    if (control === undefined) {
      control = connectSocket({ port: target.control, host: '127.0.0.1', noDelay: true });
      control.on('error', () => undefined);
    }
    const first = clients.length;
    const one = async (index: number): Promise<void> => {
      const path = requests?.[index % requests.length];
      await openClient(
        target.port,
        headOf(path === undefined ? target.request : { ...target.request, path }, lastEventId),
      );
    };
    for (let index = 0; index < count; index += parallel) {
      const batch = Array.from({ length: Math.min(parallel, count - index) }, (_, k) =>
        one(first + index + k),
      );
      await Promise.all(batch);
      // The kernel has a connection before the server does; most servers answer at once, and some with their first event.
      const deadline = performance.now() + 100;
      while (parallel < count && opened < clients.length && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  },
  opened: () => opened,
  closedEarly: () => closed,
  received: () => ({ marks, bytes }),
  /** Resolves when so many marks more have arrived than at the last `reset`. */
  awaitMarks: async ({ count, from, timeoutMs }: { count: number; from: number; timeoutMs?: number }) =>
    await until(`${count} events`, () => marks - from >= count, timeoutMs),
  closed: async ({ count = 1, ms = 700, minTicks = 2, maxTicks = 100_000, marksPerTick }: Ticks) =>
    await tickClosed(count, ms, minTicks, maxTicks, marksPerTick),
  open: async ({ count = 1, ticks = 10, intervalMs = 100 }) => await tickOpen(count, ticks, intervalMs),
  /** Lets one client read nothing more; it counts no longer. */
  stall: () => {
    const client = clients.pop()!;
    client.socket.pause();
  },
  disconnect: () => {
    for (const { socket } of clients.splice(0)) socket.destroy();
    opened = 0;
  },
});
