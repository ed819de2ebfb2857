/** One contender under load: its server process, its load process, and the measurements that both make together. */
import { join } from 'node:path';
import { Remote } from './calls.ts';
import type { ContenderOptions } from './contender.ts';
import type { Latencies } from './stats.ts';

const FOLDER = join(import.meta.dirname, '..');

export interface Target {
  readonly port: number;
  readonly control: number;
  readonly request: { readonly method: string; readonly path: string; readonly body?: string };
}

export interface Cpu {
  readonly user: number;
  readonly system: number;
}

/** What a run of closed ticks cost. */
export interface Cost {
  readonly cpuUsPerEvent: number;
  readonly systemUsPerEvent: number;
  readonly eventsPerSecond: number;
  readonly bytesPerEvent: number;
  readonly ticks: number;
  readonly events: number;
}

export interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
  /** What V8's young generation takes of it, whatever is held. */
  readonly young: number;
}

export interface Ticks {
  /** Events in each tick. */
  readonly count?: number;
  readonly ms?: number;
  readonly minTicks?: number;
  readonly maxTicks?: number;
  /** Events that a tick brings to all clients together; default: each event to every client. */
  readonly marksPerTick?: number;
}

export class Pair {
  readonly name: string;
  readonly server: Remote;
  readonly load: Remote;
  readonly target: Target;

  static async start(
    name: string,
    file: string,
    options: ContenderOptions,
    { execArgv = [] as readonly string[] } = {},
  ): Promise<Pair> {
    const server = new Remote(join(FOLDER, 'host.ts'), [file, JSON.stringify(options)], { execArgv });
    const load = new Remote(join(FOLDER, 'load.ts'), []);
    try {
      return new Pair(name, server, load, await server.call<Target>('describe'));
    } catch (error) {
      await Promise.all([server.end(), load.end()]);
      throw error;
    }
  }

  private constructor(name: string, server: Remote, load: Remote, target: Target) {
    this.name = name;
    this.server = server;
    this.load = load;
    this.target = target;
  }

  /** Opens streams, and waits until the server counts them. */
  async connect(count: number, options: object = {}): Promise<void> {
    const before = await this.server.call<number>('subscribers');
    await this.load.call('connect', { target: this.target, count, ...options });
    await this.waitForSubscribers(before + count);
  }

  async waitForSubscribers(count: number): Promise<void> {
    const deadline = performance.now() + 60_000;
    let open = await this.server.call<number>('subscribers');
    while (open !== count) {
      if (performance.now() > deadline)
        throw new Error(`${this.name}: ${open} of ${count} streams are open.`);
      await sleep(20);
      open = await this.server.call<number>('subscribers');
    }
  }

  async cpu(): Promise<Cpu> {
    return await this.server.call<Cpu>('cpu');
  }

  async memory(): Promise<Memory> {
    return await this.server.call<Memory>('memory');
  }

  /** Ticks that wait for each other: what an event costs the server. */
  async cost(ticks: Ticks): Promise<Cost> {
    await this.server.call('gc');
    const before = await this.cpu();
    const done = await this.load.call<{ ticks: number; events: number; bytes: number; ms: number }>(
      'closed',
      ticks,
    );
    const after = await this.cpu();
    const system = after.system - before.system;
    const used = after.user - before.user + system;
    return {
      cpuUsPerEvent: used / done.events,
      systemUsPerEvent: system / done.events,
      eventsPerSecond: (done.events / done.ms) * 1_000,
      bytesPerEvent: done.bytes / done.events,
      ticks: done.ticks,
      events: done.events,
    };
  }

  /** Ticks at fixed times: how late events are. */
  async latency(options: { count?: number; ticks: number; intervalMs: number }): Promise<Latencies> {
    return await this.load.call<Latencies>('open', options);
  }

  async end(): Promise<void> {
    await Promise.all([this.server.end(), this.load.end()]);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
