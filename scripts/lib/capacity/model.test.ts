import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readArguments } from './arguments.ts';
import { ASSUMED, LOGS, MEASURED, type LogName } from './constants.ts';
import { computeCapacity, connectionBytes, deliverUs } from './model.ts';
import type { Capacity, Plan } from './plan.ts';

const DEFAULTS = readArguments([]).plan;

const compute = (plan: Partial<Plan>): Capacity => computeCapacity({ ...DEFAULTS, ...plan });

/** No work but the one of the test. */
const QUIET: Partial<Plan> = { eventsPerSecond: 0, replayShare: 0, lifetimeSeconds: 1e12 };

describe('known points of the capacity model', () => {
  it('10,000 idle connections cost the pings and the memory that the bench has measured', () => {
    const { process, processes } = compute({ ...QUIET, connections: 10_000 });
    expect(processes).toBe(1);
    expect(process.cpuTotal * 100).toBeCloseTo(0.65, 1);
    const kb = (process.bytes - ASSUMED.processMb.value * 2 ** 20) / 10_000 / 1_024;
    expect(kb).toBeCloseTo(MEASURED.connectionKb.value + ASSUMED.kernelKb.value, 5);
  });

  it('an event to 5,000 connections takes the CPU and the time that the bench has measured', () => {
    const { process } = compute({
      ...QUIET,
      connections: 5_000,
      fanOut: 5_000,
      eventsPerSecond: 1,
      log: 'memory',
    });
    expect(process.fanOutMs).toBeCloseTo((5_000 * MEASURED.deliverUs.value) / 1_000, 6);
    expect(process.cpu.deliver).toBeCloseTo(process.fanOutMs / 1_000, 6);
  });

  it('100 events in a write cost what the bench has measured', () => {
    expect(deliverUs(1)).toBe(MEASURED.deliverUs.value);
    expect(deliverUs(100)).toBeCloseTo(0.1, 2);
    expect(deliverUs(10_000)).toBe(MEASURED.deliverJoinedUs.value);
  });

  it('5,000 clients that each missed 100 events reconnect in about the time of the storm of the bench', () => {
    // One address, so that each client misses 100 events in 10 s at 10 events a second.
    const { deploy, process } = compute({
      connections: 5_000,
      addresses: 1,
      eventsPerSecond: 10,
      awaySeconds: 10,
      utilisation: 1,
      fanOutMs: 1_000,
      log: 'memory',
    });
    const cpuUs = (deploy.shortestSeconds * (1 - process.cpuTotal) * 1e6) / 5_000;
    // The bench: 116 µs. Its clients share pages of the log; the model does not count on that.
    expect(cpuUs / 116).toBeGreaterThan(0.9);
    expect(cpuUs / 116).toBeLessThan(1.35);
  });

  it('traffic counts payload, frame and packet in bytes, and bandwidth in bits', () => {
    const { all } = compute({ ...QUIET, connections: 1, fanOut: 1, eventsPerSecond: 1_000, bytes: 200 });
    const each = 200 + ASSUMED.frameBytes.value + ASSUMED.packetBytes.value;
    expect(all.sentBitsPerSecond / 1_000 / 8).toBeCloseTo(each, 0);
    expect(all.sentBytesPerMonth / 86_400 / 30).toBeCloseTo(each * 1_000, -3);
  });

  it('a month costs whole cores, memory, traffic and a broker', () => {
    const { costPerMonth, all } = compute({ priceCore: 10, priceMemoryGb: 2, priceTrafficGb: 0.1 });
    expect(costPerMonth.cores).toBe(10);
    expect(costPerMonth.memory).toBeCloseTo((all.bytes / 2 ** 30) * 2, 9);
    expect(costPerMonth.traffic).toBeCloseTo(all.sentBytesPerMonth / 1e10, 9);
    expect(costPerMonth.broker).toBe(10);
    const { cores, memory, traffic, broker, total } = costPerMonth;
    expect(total).toBeCloseTo(cores + memory + traffic + broker, 9);
    expect(compute({ log: 'memory' }).costPerMonth.broker).toBe(0);
  });
});

describe('the number of processes', () => {
  it.each<[Capacity['bound'], Partial<Plan>]>([
    ['one is the least', { connections: 1 }],
    ['connections of a process', { ...QUIET, connections: 100_000 }],
    ['memory', { ...QUIET, connections: 100_000, processConnections: 1e6, processBytes: 2 ** 29 }],
    ['CPU', { connections: 10_000, addresses: 1, eventsPerSecond: 50, fanOutMs: 10_000 }],
    ['time of a fan-out', { connections: 10_000, addresses: 1, eventsPerSecond: 1, fanOutMs: 10 }],
    ['reconnects', { ...QUIET, connections: 10_000, deploySeconds: 0.1 }],
  ])('is decided by: %s', (bound, plan) => {
    expect(compute(plan).bound).toBe(bound);
  });

  it('keeps each process within its bounds', () => {
    fc.assert(
      fc.property(plans(), (plan) => {
        const { processes, process, deploy } = computeCapacity(plan);
        if (!Number.isFinite(processes)) return;
        expect(process.cpuTotal).toBeLessThanOrEqual(plan.utilisation + 1e-9);
        expect(process.bytes).toBeLessThanOrEqual(Math.max(plan.processBytes, connectionBytes()) + 1);
        expect(process.connections).toBeLessThanOrEqual(plan.processConnections);
        expect(process.fanOutMs).toBeLessThanOrEqual(plan.fanOutMs + 1e-9);
        expect(deploy.shortestSeconds).toBeLessThanOrEqual(plan.deploySeconds + 1e-9);
      }),
    );
  });

  it('is one more than what would not be enough', () => {
    fc.assert(
      fc.property(plans(), (plan) => {
        const { processes, bound, process } = computeCapacity(plan);
        if (bound !== 'CPU' || !Number.isFinite(processes)) return;
        const shared = (process.cpuTotal - process.cpu.tail) * processes;
        expect(shared / (processes - 1) + process.cpu.tail).toBeGreaterThan(plan.utilisation - 1e-9);
      }),
    );
  });
});

/** A larger value of each never needs less. */
const GROWING = ['connections', 'eventsPerSecond', 'bytes', 'perConnection', 'awaySeconds'] as const;

describe('a larger load', () => {
  it.each(GROWING)('more %s never needs fewer processes, less traffic or less broker', (name) => {
    fc.assert(
      fc.property(plans(), fc.double({ min: 1, max: 50, noNaN: true }), (plan, factor) => {
        const larger = { ...plan, [name]: plan[name] * factor };
        const [before, after] = [computeCapacity(plan), computeCapacity(larger)];
        expect(after.processes).toBeGreaterThanOrEqual(before.processes);
        expect(after.all.sentBitsPerSecond).toBeGreaterThanOrEqual(before.all.sentBitsPerSecond * 0.999);
        expect(after.costPerMonth.total).toBeGreaterThanOrEqual(before.costPerMonth.total * 0.999);
        if (before.broker !== undefined && Number.isFinite(after.processes)) {
          expect(after.broker!.tailCores).toBeGreaterThanOrEqual(before.broker.tailCores);
          expect(after.broker!.sentBitsPerSecond).toBeGreaterThanOrEqual(before.broker.sentBitsPerSecond);
        }
      }),
    );
  });

  it('longer lifetimes, a slower deploy, larger processes and more addresses never need more processes', () => {
    fc.assert(
      fc.property(
        plans(),
        fc.constantFrom('lifetimeSeconds', 'deploySeconds', 'processBytes', 'fanOutMs', 'addresses'),
        fc.double({ min: 1, max: 50, noNaN: true }),
        (plan, name, factor) => {
          const larger = { ...plan, [name]: plan[name] * factor };
          expect(computeCapacity(larger).processes).toBeLessThanOrEqual(computeCapacity(plan).processes);
        },
      ),
    );
  });
});

describe('loads that do not fit', () => {
  it('no number of processes follows more events than fit into one process', () => {
    const { limits } = compute({ log: 'redis' });
    const most = limits.tailEventsPerSecond;
    expect(most * LOGS.redis.tailUs.value * 1e-6).toBeCloseTo(DEFAULTS.utilisation, 9);
    expect(compute({ eventsPerSecond: most * 0.9, addresses: 1e9 }).processes).toBeLessThan(Infinity);
    const over = compute({ eventsPerSecond: most * 1.1, addresses: 1e9 });
    expect(over.processes).toBe(Infinity);
    expect(over.problems[0]).toMatch(/More processes do not help/);
  });

  it('the broker that serves as many processes as it can has no problem, one more has', () => {
    const plan: Partial<Plan> = { eventsPerSecond: 5_000, addresses: 1e6, processConnections: 1_000 };
    const { broker } = compute(plan);
    const most = broker!.mostProcesses;
    expect(most).toBeGreaterThan(1);
    const tight = compute({ ...plan, connections: most * 1_000 });
    expect(tight.processes).toBe(most);
    expect(tight.problems).toEqual([]);
    const over = compute({ ...plan, connections: most * 1_000 + 1 });
    expect(over.problems).toHaveLength(1);
    expect(over.problems[0]).toMatch(/^The broker needs .+ cores/);
  });

  it('memoryLog does not fit two processes, and sqliteLog does not fit two machines', () => {
    const two: Partial<Plan> = { ...QUIET, connections: 20_000 };
    expect(compute({ ...two, log: 'memory' }).problems).toEqual([
      'memoryLog belongs to one process, and this load needs 2: use sqlite, redis, postgres or nats.',
    ]);
    expect(compute({ ...two, log: 'sqlite' }).problems).toEqual([]);
    expect(compute({ ...two, log: 'sqlite', machineCores: 1 }).problems[0]).toMatch(
      /^sqliteLog belongs to one machine/,
    );
    expect(compute({ ...two, log: 'redis', machineCores: 1 }).problems).toEqual([]);
  });

  it('a broker without the bandwidth for all tails is named', () => {
    const { problems } = compute({
      connections: 1_000_000,
      addresses: 1e6,
      eventsPerSecond: 2_000,
      bytes: 10_000,
      log: 'nats',
      machineCores: 1_000,
    });
    expect(problems).toEqual([expect.stringMatching(/^The broker sends .+ Gbit\/s, more than/)]);
  });

  it('a load of zero events divides by nothing', () => {
    const { broker, processes, problems } = compute({ eventsPerSecond: 0 });
    expect(processes).toBe(1);
    expect(problems).toEqual([]);
    expect(broker!.mostProcesses).toBe(Infinity);
  });
});

function plans(): fc.Arbitrary<Plan> {
  const between = (min: number, max: number): fc.Arbitrary<number> => fc.double({ min, max, noNaN: true });
  return fc
    .record({
      connections: between(1, 1e7),
      addresses: between(100, 1e6),
      perConnection: between(1, 50),
      eventsPerSecond: between(0.1, 2e4),
      bytes: between(1, 1e5),
      perWrite: between(1, 200),
      replayShare: between(0, 0.5),
      lifetimeSeconds: between(10, 3_600),
      deploySeconds: between(1, 600),
      awaySeconds: between(0, 60),
      utilisation: between(0.3, 0.9),
      fanOutMs: between(1, 1_000),
      processConnections: between(1_000, 1e5),
      processBytes: between(2 ** 29, 2 ** 33),
      log: fc.constantFrom(...(Object.keys(LOGS) as LogName[])),
    })
    .map((drawn) => ({ ...DEFAULTS, ...drawn }));
}
