/** One contender under load: its server process, its load process, and their common measurements. */
import { join } from 'node:path';
import { Remote } from './calls.ts';
import type { Contender, ContenderOptions, Cpu } from './contender.ts';
import type { Latencies } from './stats.ts';

const FOLDER = join(import.meta.dirname, '..');

/** The address of a contender, and the request for its stream. */
export interface Endpoint {
  readonly port: number;
  /** Port on which the load sends ticks. */
  readonly control: number;
  readonly request: Contender['request'];
}

/** The cost of a run of closed ticks. */
export interface Cost {
  readonly cpuUsPerEvent: number;
  readonly systemUsPerEvent: number;
  readonly eventsPerSecond: number;
}

export interface Memory {
  readonly rss: number;
  /** The server's own heap; `undefined` if another process is the server. */
  readonly v8?: {
    readonly heapUsed: number;
    /** Size of its young generation, with or without retained objects. */
    readonly young: number;
  };
}

export interface Ticks {
  /** Events in each tick. */
  readonly count?: number;
  readonly ms?: number;
  readonly minTicks?: number;
  readonly maxTicks?: number;
  /** Number of events that a tick brings to all clients together; default: each event to every client. */
  readonly marksPerTick?: number;
  /** Timeout of one tick. */
  readonly timeoutMs?: number;
}

export class Pair {
  readonly name: string;
  readonly server: Remote;
  readonly load: Remote;
  readonly endpoint: Endpoint;

  static async start(
    name: string,
    file: string,
    options: ContenderOptions,
    flags: readonly string[] = [],
  ): Promise<Pair> {
    const server = new Remote(join(FOLDER, 'host.ts'), [file, JSON.stringify(options)], flags);
    const load = new Remote(join(FOLDER, 'load.ts'), []);
    try {
      return new Pair(name, server, load, await server.call<Endpoint>('describe'));
    } catch (error) {
      await Promise.all([server.end(), load.end()]);
      throw error;
    }
  }

  private constructor(name: string, server: Remote, load: Remote, endpoint: Endpoint) {
    this.name = name;
    this.server = server;
    this.load = load;
    this.endpoint = endpoint;
  }

  /** Opens streams, and waits until the server counts them. */
  async connect(count: number, options: object = {}): Promise<void> {
    const before = await this.server.call<number>('subscribers');
    await this.load.call('connect', { endpoint: this.endpoint, count, ...options });
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

  /** Ticks that wait for each other: the server's cost of an event. */
  async cost(ticks: Ticks): Promise<Cost> {
    await this.server.call('gc');
    const before = await this.cpu();
    const done = await this.load.call<{ events: number; ms: number }>('closed', ticks);
    const after = await this.cpu();
    const system = after.system - before.system;
    const used = after.user - before.user + system;
    return {
      cpuUsPerEvent: used / done.events,
      systemUsPerEvent: system / done.events,
      eventsPerSecond: (done.events / done.ms) * 1_000,
    };
  }

  /** Ticks at fixed times: the latency of events. */
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
