/** Types of the capacity model: a planned load, and what carries it. */
import type { LogName } from './constants.ts';

/** The load, and the machines that carry it. */
export interface Plan {
  /** Open connections. */
  readonly connections: number;
  /** Addresses in all: a topic, or a topic with one value of its params. */
  readonly addresses: number;
  /** Addresses of each connection. */
  readonly perConnection: number;
  /** Events published each second, over all addresses. */
  readonly eventsPerSecond: number;
  /** Bytes of a payload as JSON. */
  readonly bytes: number;
  /** Connections that receive an event, on average. `undefined`: connections × perConnection / addresses. */
  readonly fanOut: number | undefined;
  /** Events of one connection that share a write. */
  readonly perWrite: number;
  /** Part of the delivered events that is read from the log, from 0 to 1. */
  readonly replayShare: number;
  /** Mean lifetime of a connection, in seconds. */
  readonly lifetimeSeconds: number;
  /** Time in which every connection reconnects after a deploy, in seconds. */
  readonly deploySeconds: number;
  /** Time for which a connection is away in a deploy, in seconds. The events of this time are replayed. */
  readonly awaySeconds: number;
  readonly log: LogName;
  /** Part of a core that a process uses at most in its steady state, from 0 to 1. */
  readonly utilisation: number;
  /** Time in which a process writes one event to all its connections at most, in milliseconds. */
  readonly fanOutMs: number;
  /** Connections of a process at most. */
  readonly processConnections: number;
  /** Memory of a process at most, in bytes. */
  readonly processBytes: number;
  readonly machineCores: number;
  readonly machineBytes: number;
  /** Bits of a second. */
  readonly machineBits: number;
  /** Prices: of a core and of a gigabyte of memory for a month, and of a gigabyte of sent traffic. */
  readonly priceCore: number;
  readonly priceMemoryGb: number;
  readonly priceTrafficGb: number;
}

/** What decides the number of processes. */
export type Bound =
  | 'one is the least'
  | 'CPU'
  | 'reconnects'
  | 'memory'
  | 'connections of a process'
  | 'time of a fan-out';

export interface Capacity {
  /** `Infinity`: no number of processes carries this load. */
  readonly processes: number;
  readonly bound: Bound;
  readonly machines: number;
  /** Values of one process. */
  readonly process: {
    readonly connections: number;
    /** Parts of a core in the steady state. */
    readonly cpu: Readonly<Record<CpuPart, number>>;
    readonly cpuTotal: number;
    readonly bytes: number;
    readonly sentBitsPerSecond: number;
    /** Time to write one event to the connections of this process that receive it. */
    readonly fanOutMs: number;
  };
  /** Values of all processes. */
  readonly all: {
    readonly deliveriesPerSecond: number;
    readonly openingsPerSecond: number;
    readonly cores: number;
    readonly bytes: number;
    readonly sentBitsPerSecond: number;
    readonly sentBytesPerMonth: number;
  };
  readonly deploy: {
    /** Openings of a second, in the time that was asked for. */
    readonly openingsPerSecond: number;
    /** The shortest time in which these processes reconnect all, while they deliver. */
    readonly shortestSeconds: number;
  };
  /** `undefined`: the log has no broker. */
  readonly broker:
    | {
        /** Cores for appends, and for sending each event to each process. */
        readonly appendCores: number;
        readonly tailCores: number;
        readonly receivedBitsPerSecond: number;
        readonly sentBitsPerSecond: number;
        readonly connections: number;
        /** Processes that can follow the log, until the broker uses its cores up. */
        readonly mostProcesses: number;
      }
    | undefined;
  readonly limits: {
    /** Events of a second at which following the log alone uses a process. */
    readonly tailEventsPerSecond: number;
    /** Events of a second that one point of serialisation appends; `Infinity` without a broker. */
    readonly appendEventsPerSecond: number;
  };
  readonly costPerMonth: {
    readonly cores: number;
    readonly memory: number;
    readonly traffic: number;
    /** Cores of the broker, without a second one for its failure. */
    readonly broker: number;
    readonly total: number;
  };
  /** What does not fit, and what to change. Empty: the plan holds. */
  readonly problems: readonly string[];
}

export type CpuPart = 'deliver' | 'replay' | 'tail' | 'publish' | 'pings' | 'openings';
