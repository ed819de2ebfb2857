/**
 * Fails a test file that leaves a socket, a server or a timer open, or that adds listeners without end. Makes
 * `vi.waitFor` wait as long as a busy machine needs.
 */
import diagnostics from 'node:diagnostics_channel';
import type { Server, Socket } from 'node:net';
import { afterAll, expect, vi } from 'vitest';

/** Time for a closing socket or a due timer to end. */
const GRACE_MS = 10_000;
/** Minimum timeout of `vi.waitFor`. Its default of 1 s is too short beside other work. */
const WAIT_MS = 30_000;

interface Handle {
  readonly what: () => string;
  readonly test: string;
  readonly isOpen: () => boolean;
}

const waitFor = vi.waitFor.bind(vi);
vi.waitFor = (callback, options = {}) => {
  const { timeout = 0, ...rest } = typeof options === 'number' ? { timeout: options } : options;
  // With fake timers each poll advances them by the interval: there the default interval stays.
  const interval = vi.isFakeTimers() ? undefined : 10;
  return waitFor(callback, { ...(interval && { interval }), ...rest, timeout: Math.max(timeout, WAIT_MS) });
};

const handles = new Set<Handle>();
const timers = new Map<unknown, Handle>();
const warnings: string[] = [];

function currentTest(): string {
  return expect.getState().currentTestName ?? 'outside of any test';
}

function watchSocket(side: string, socket: Socket): void {
  handles.add({
    what: () => `a ${side} socket to ${socket.remoteAddress ?? 'nowhere'}:${socket.remotePort ?? 0}`,
    test: currentTest(),
    isOpen: () => !socket.destroyed,
  });
}

diagnostics.subscribe('net.client.socket', (message) =>
  watchSocket('client', (message as { socket: Socket }).socket),
);
diagnostics.subscribe('net.server.socket', (message) =>
  watchSocket('server', (message as { socket: Socket }).socket),
);
diagnostics.subscribe('tracing:net.server.listen:asyncEnd', (message) => {
  const { server } = message as { server: Server };
  handles.add({ what: () => 'a listening server', test: currentTest(), isOpen: () => server.listening });
});

// Node's own timers do not use these functions. vitest took its references before this file ran.
const real = { setTimeout, setInterval, clearTimeout, clearInterval };

function watchTimer(handle: unknown, what: string): void {
  timers.set(handle, { what: () => what, test: currentTest(), isOpen: () => timers.has(handle) });
}

globalThis.setTimeout = Object.assign(
  (call: (...args: unknown[]) => unknown, ms?: number, ...args: unknown[]) => {
    const handle = real.setTimeout(() => {
      timers.delete(handle);
      call(...args);
    }, ms);
    watchTimer(handle, `a timer of ${ms ?? 0} ms`);
    return handle;
  },
  real.setTimeout,
) as typeof setTimeout;
globalThis.setInterval = ((call: (...args: unknown[]) => unknown, ms?: number, ...args: unknown[]) => {
  const handle = real.setInterval(call, ms, ...args);
  watchTimer(handle, `an interval of ${ms ?? 0} ms`);
  return handle;
}) as typeof setInterval;
const clear = (handle: Parameters<typeof clearTimeout>[0]) => {
  timers.delete(handle);
  real.clearTimeout(handle);
};
globalThis.clearTimeout = clear;
globalThis.clearInterval = clear;

process.on('warning', (warning) => {
  if (warning.name === 'MaxListenersExceededWarning') warnings.push(warning.message);
});

/** The handles that are still open, after a grace in which closing ones may close. */
export async function findLeaks(graceMs: number = GRACE_MS): Promise<string[]> {
  const until = performance.now() + graceMs;
  for (;;) {
    const open = [...handles, ...timers.values()].filter((handle) => handle.isOpen());
    if (open.length === 0 || performance.now() > until) {
      return [...open.map(({ what, test }) => `${what()}, opened by: ${test}`), ...warnings];
    }
    await new Promise((resolve) => real.setTimeout(resolve, 10));
  }
}

/** Clears the records: for the tests of this very file. */
export function forgetLeaks(): void {
  handles.clear();
  timers.clear();
  warnings.length = 0;
}

// Setup files register first, so this runs after every afterAll of the test file itself.
afterAll(async () => {
  const leaks = await findLeaks();
  if (leaks.length > 0) throw new Error(`Not cleared by this file:\n  ${leaks.join('\n  ')}`);
});
