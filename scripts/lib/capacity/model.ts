/** The capacity model: what a load costs in processes, memory, network, broker and money. A pure function. */
import { ASSUMED, LOGS, MEASURED } from './constants.ts';
import type { Bound, Capacity, CpuPart, Plan } from './plan.ts';

const US = 1e-6;
const KB = 1_024;
const MB = 1_024 * KB;
const GB = 1_024 * MB;
const SECONDS_OF_A_MONTH = 30 * 86_400;
/** Default `pingMs` of a feed. */
const PING_SECONDS = 15;

/** CPU to write one event to one connection, in µs: of one write, shared by the events in it. */
export function deliverUs(perWrite: number): number {
  return Math.max(MEASURED.deliverUs.value / perWrite, MEASURED.deliverJoinedUs.value);
}

export function connectionBytes(): number {
  return (MEASURED.connectionKb.value + ASSUMED.kernelKb.value) * KB;
}

export function computeCapacity(plan: Plan): Capacity {
  const { connections, eventsPerSecond, utilisation, log } = plan;
  const costs = LOGS[log];
  const fanOut = fanOutOf(plan);
  const deliveries = eventsPerSecond * fanOut;
  const live = deliveries * (1 - plan.replayShare);
  const replayed = deliveries * plan.replayShare;
  const perConnectionPerSecond = connections === 0 ? 0 : deliveries / connections;
  const openings = connections / plan.lifetimeSeconds;
  const pings = connections * pingsPerSecond(perConnectionPerSecond / plan.perWrite);

  // Work that the processes share, in cores, and work that each of them does for itself.
  const shared: Record<Exclude<CpuPart, 'tail'>, number> = {
    deliver: live * deliverUs(plan.perWrite) * US,
    replay: replayed * MEASURED.replayUs.value * US,
    publish: eventsPerSecond * costs.publishUs.value * US,
    pings: pings * MEASURED.pingUs.value * US,
    openings: openings * MEASURED.connectUs.value * US,
  };
  const sharedCores = sum(Object.values(shared));
  const tail = eventsPerSecond * costs.tailUs.value * US;
  const openingUs =
    MEASURED.connectUs.value + perConnectionPerSecond * plan.awaySeconds * MEASURED.replayUs.value;
  const deployCores = (connections * openingUs * US) / plan.deploySeconds;

  const needs: Record<Bound, number> = {
    'one is the least': 1,
    CPU: divide(sharedCores, utilisation - tail),
    // In a deploy the processes may use their whole core.
    reconnects: divide(sharedCores + deployCores, 1 - tail),
    memory: divide(connections * connectionBytes(), plan.processBytes - ASSUMED.processMb.value * MB),
    'connections of a process': connections / plan.processConnections,
    'time of a fan-out': (fanOut * deliverUs(plan.perWrite)) / 1_000 / plan.fanOutMs,
  };
  const [bound, least] = (Object.entries(needs) as Array<[Bound, number]>).reduce((most, one) =>
    Math.ceil(one[1]) > Math.ceil(most[1]) ? one : most,
  );
  const processes = Math.ceil(least);
  const each = connections / processes;
  const cpu: Record<CpuPart, number> = {
    deliver: shared.deliver / processes,
    replay: shared.replay / processes,
    tail,
    publish: shared.publish / processes,
    pings: shared.pings / processes,
    openings: shared.openings / processes,
  };
  const cpuTotal = sum(Object.values(cpu));
  const processBytes = ASSUMED.processMb.value * MB + each * connectionBytes();
  const sentBytes =
    deliveries * frameBytes(plan) +
    (live / plan.perWrite) * ASSUMED.packetBytes.value +
    pings * (ASSUMED.pingBytes.value + ASSUMED.packetBytes.value) +
    openings * ASSUMED.openingBytes.value;
  const sentBits = sentBytes * 8;
  const machines = Number.isFinite(processes)
    ? Math.max(
        Math.ceil(processes / plan.machineCores),
        Math.ceil((processes * processBytes) / plan.machineBytes),
        Math.ceil(sentBits / plan.machineBits),
      )
    : Infinity;
  const brokerLoad = brokerOf(plan, processes);
  const bytes = processes * processBytes;
  const priceCores = processes * plan.priceCore;
  const priceMemory = (bytes / GB) * plan.priceMemoryGb;
  const sentBytesPerMonth = sentBytes * SECONDS_OF_A_MONTH;
  const priceBroker = brokerLoad === undefined ? 0 : brokerPrice(plan, brokerLoad);
  const priceTraffic = (sentBytesPerMonth / 1e9) * plan.priceTrafficGb;
  const capacity: Omit<Capacity, 'problems'> = {
    processes,
    bound,
    machines,
    process: {
      connections: each,
      cpu,
      cpuTotal,
      bytes: processBytes,
      sentBitsPerSecond: sentBits / processes,
      fanOutMs: (fanOut / processes) * deliverUs(plan.perWrite) * 1e-3,
    },
    all: {
      deliveriesPerSecond: deliveries,
      openingsPerSecond: openings,
      cores: processes * cpuTotal,
      bytes,
      sentBitsPerSecond: sentBits,
      sentBytesPerMonth,
    },
    deploy: {
      openingsPerSecond: connections / plan.deploySeconds,
      shortestSeconds: divide(connections * openingUs * US, processes * (1 - cpuTotal)),
    },
    broker: brokerLoad,
    limits: {
      tailEventsPerSecond: utilisation / (costs.tailUs.value * US),
      appendEventsPerSecond:
        costs.brokerAppendUs === undefined ? Infinity : utilisation / (costs.brokerAppendUs.value * US),
    },
    costPerMonth: {
      cores: priceCores,
      memory: priceMemory,
      traffic: priceTraffic,
      broker: priceBroker,
      total: priceCores + priceMemory + priceTraffic + priceBroker,
    },
  };
  return { ...capacity, problems: problemsOf(plan, capacity) };
}

/** Connections that receive an event, on average. */
export function fanOutOf({ connections, addresses, perConnection, fanOut }: Plan): number {
  return fanOut ?? (connections * perConnection) / addresses;
}

/** A connection with events at random times gets a ping only after a silence of the ping interval. */
function pingsPerSecond(writesPerSecond: number): number {
  return Math.exp(-writesPerSecond * PING_SECONDS) / PING_SECONDS;
}

/** Bytes of an event in the response. */
function frameBytes({ bytes }: Plan): number {
  return bytes + ASSUMED.frameBytes.value;
}

function brokerOf(plan: Plan, processes: number): Capacity['broker'] {
  const { log, eventsPerSecond, bytes, utilisation } = plan;
  const { brokerAppendUs, brokerTailUs } = LOGS[log];
  if (brokerAppendUs === undefined || brokerTailUs === undefined) return undefined;
  const received = eventsPerSecond * (bytes + ASSUMED.entryBytes.value) * 8;
  const appendCores = eventsPerSecond * brokerAppendUs.value * US;
  const tailCoresOfOne = eventsPerSecond * brokerTailUs.value * US;
  const spare = utilisation * brokerCores(plan) - appendCores;
  return {
    appendCores,
    tailCores: processes * tailCoresOfOne,
    receivedBitsPerSecond: received,
    sentBitsPerSecond: received * processes,
    // One for appends and pages, one for the tail.
    connections: 2 * processes,
    // 2 - 1e-16 processes are 2.
    mostProcesses: Math.max(0, Math.floor(spare / tailCoresOfOne + 1e-9)),
  };
}

/** Whole cores, with the same part of each in use as in the processes. */
function brokerPrice(
  { utilisation, priceCore }: Plan,
  { appendCores, tailCores }: NonNullable<Capacity['broker']>,
): number {
  return Math.max(1, Math.ceil((appendCores + tailCores) / utilisation)) * priceCore;
}

function problemsOf(plan: Plan, capacity: Omit<Capacity, 'problems'>): string[] {
  const { log, utilisation, eventsPerSecond } = plan;
  const { processes, machines, broker, limits } = capacity;
  const problems: string[] = [];
  if (!Number.isFinite(processes)) {
    problems.push(
      `Following ${round(eventsPerSecond)} events a second uses each process: at most ${round(limits.tailEventsPerSecond)} with this log. More processes do not help. Split the channel over several feeds with a log each.`,
    );
  }
  if (eventsPerSecond > limits.appendEventsPerSecond) {
    problems.push(
      `The broker appends at most ${round(limits.appendEventsPerSecond)} events a second to one log. Split the channel over several feeds with a log each.`,
    );
  }
  if (broker !== undefined && Number.isFinite(processes) && processes > broker.mostProcesses) {
    problems.push(
      `The broker needs ${(broker.appendCores + broker.tailCores).toFixed(1)} cores, because each of ${round(processes)} processes reads the whole log. It has ${brokerCores(plan)}, and with ${Math.round(utilisation * 100)} % of them in use it serves ${round(broker.mostProcesses)} processes. Use fewer and larger processes, or split the channel over several feeds with a log each.`,
    );
  }
  if (broker !== undefined && Number.isFinite(processes) && broker.sentBitsPerSecond > plan.machineBits) {
    problems.push(
      `The broker sends ${(broker.sentBitsPerSecond / 1e9).toFixed(1)} Gbit/s, more than its machine can: ${plan.machineBits / 1e9} Gbit/s.`,
    );
  }
  const { shared } = LOGS[log];
  if (shared === 'process' && processes > 1) {
    problems.push(
      `memoryLog belongs to one process, and this load needs ${round(processes)}: use sqlite, redis, postgres or nats.`,
    );
  }
  if (shared === 'machine' && machines > 1) {
    problems.push(
      `sqliteLog belongs to one machine, and this load needs ${round(machines)}: use redis, postgres or nats.`,
    );
  }
  return problems;
}

function round(value: number): string {
  return Math.floor(value).toLocaleString('en');
}

/** Without room, no number is enough. */
function divide(need: number, room: number): number {
  return room > 0 ? need / room : Infinity;
}

/** Cores of the broker that one log can use. */
function brokerCores({ log, machineCores }: Plan): number {
  return LOGS[log].threads === 'one' ? 1 : machineCores;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
