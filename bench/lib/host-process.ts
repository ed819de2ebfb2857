/** A server process of the bench without a load process. */
import { join } from 'node:path';
import { Remote } from './calls.ts';
import type { ContenderOptions, Cpu } from './contender.ts';
import type { Endpoint } from './pair.ts';

const FOLDER = join(import.meta.dirname, '..');
const SEEN_TIMEOUT_MS = 20_000;

export interface Host {
  readonly remote: Remote;
  readonly endpoint: Endpoint;
  action<T>(name: string, argument?: unknown): Promise<T>;
}

export async function startHost(file: string, options: ContenderOptions): Promise<Host> {
  const remote = new Remote(join(FOLDER, 'host.ts'), [file, JSON.stringify(options)]);
  try {
    return {
      remote,
      endpoint: await remote.call<Endpoint>('describe'),
      action: async (name, argument) => await remote.call('action', { name, argument }),
    };
  } catch (error) {
    await remote.end();
    throw error;
  }
}

export async function endAll(hosts: ReadonlyArray<{ readonly remote: Remote }>): Promise<void> {
  await Promise.all(hosts.map(({ remote }) => remote.end()));
}

/** Microseconds of CPU of the process. */
export async function cpuOfHost({ remote }: Host): Promise<number> {
  const { user, system } = await remote.call<Cpu>('cpu');
  return user + system;
}

/** Waits until the tail of a feed has brought so many events. */
export async function waitUntilSeen(host: Host, count: number): Promise<void> {
  const deadline = performance.now() + SEEN_TIMEOUT_MS;
  for (;;) {
    const seen = await host.action<number>('seen');
    if (seen >= count) return;
    if (performance.now() > deadline) throw new Error(`${seen} of ${count} events have arrived.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
