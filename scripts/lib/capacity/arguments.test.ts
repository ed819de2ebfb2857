import { describe, expect, it } from 'vitest';
import { OPTIONS, readArguments } from './arguments.ts';
import { computeCapacity } from './model.ts';
import { formatCapacity, HELP, toJson } from './table.ts';

const plan = (...args: string[]): ReturnType<typeof readArguments>['plan'] => readArguments(args).plan;

describe('arguments of the capacity model', () => {
  it.each([
    ['--connections', '2.5M', 'connections', 2_500_000],
    ['--connections', '800', 'connections', 800],
    ['--events', '600/min', 'eventsPerSecond', 10],
    ['--events', '2k/s', 'eventsPerSecond', 2_000],
    ['--events', '0', 'eventsPerSecond', 0],
    ['--bytes', '4kB', 'bytes', 4_096],
    ['--process-memory', '512MB', 'processBytes', 536_870_912],
    ['--lifetime', '1h', 'lifetimeSeconds', 3_600],
    ['--fan-out-time', '50ms', 'fanOutMs', 50],
    ['--replay-share', '5%', 'replayShare', 0.05],
    ['--replay-share', '0.05', 'replayShare', 0.05],
    ['--machine-network', '500Mbit/s', 'machineBits', 500_000_000],
    ['--fan-out', '7', 'fanOut', 7],
  ] as const)('%s %s is read as %s = %s', (option, text, name, value) => {
    expect(plan(option, text)[name]).toBeCloseTo(value, 9);
  });

  it.each([
    [['--connections', '0'], '--connections takes a number above 0, such as 800, 10k or 2.5M, not "0"'],
    [['--connections', '-5'], "Option '--connections' argument is ambiguous"],
    [['--connections=-5'], '--connections takes a number above 0, such as 800, 10k or 2.5M, not "-5"'],
    [['--connections', '10kB'], '--connections takes a number above 0, such as 800, 10k or 2.5M, not "10kB"'],
    [['--connections='], '--connections takes a number above 0, such as 800, 10k or 2.5M, not ""'],
    [['--fan-out='], '--fan-out takes a number above 0, such as 800, 10k or 2.5M, not ""'],
    [['--events', '5/d'], '--events takes a number of events, such as 50/s, 2k/s or 600/min, not "5/d"'],
    [['--bytes', '4 apples'], '--bytes takes a size, such as 200, 200B, 4kB or 2GB, not "4 apples"'],
    [['--lifetime', '30'], '--lifetime takes a time, such as 500ms, 30s, 10min or 1h, not "30"'],
    [['--replay-share', '120%'], '--replay-share takes a part, such as 5% or 0.05, not "120%"'],
    [['--log', 'kafka'], '--log takes one of memory, sqlite, redis, postgres, nats, not "kafka"'],
    [['--bogus'], "Unknown option '--bogus'"],
    [['10k'], "Unexpected argument '10k'"],
    [['--connections'], "Option '--connections <value>' argument missing"],
    [
      ['--per-connection', '20', '--addresses', '10'],
      '--per-connection 20 is more than --addresses 10: a connection subscribes to an address once',
    ],
    [['--fan-out', '20', '--connections', '10'], '--fan-out 20 is more than --connections 10'],
  ])('the arguments %j are refused with a one-line message', (args, message) => {
    expect(() => readArguments(args)).toThrow(message);
    expect(() => readArguments(args)).toThrow(/^[^\n]+$/);
  });

  it('--help names every option with its default', () => {
    for (const [name, option] of Object.entries(OPTIONS)) {
      expect(HELP).toContain(`  --${name} `);
      expect(HELP).toContain(option.about);
    }
    expect(readArguments(['--help']).help).toBe(true);
  });
});

describe('output of the capacity model', () => {
  it('the table has a line for each part, with units', () => {
    const asked = plan('--connections', '100k', '--events', '500/s');
    const text = formatCapacity(asked, computeCapacity(asked));
    expect(text).toMatch(/^load +100 k connections, 500 events\/s of 200 B, each to 100 connections$/m);
    expect(text).toMatch(/^processes +10 \(decided by: connections of a process\)$/m);
    expect(text).toMatch(/^its CPU +[\d.]+ % of a core: live events [\d.]+ %/m);
    expect(text).toMatch(/^delivered +50 k events\/s, [\d.]+ Mbit\/s$/m);
  });

  it('the table of a load that does not fit names what to change, and no number of processes', () => {
    const asked = plan('--events', '10M/s', '--fan-out', '1');
    const text = formatCapacity(asked, computeCapacity(asked));
    expect(text).not.toMatch(/Infinity|NaN|^processes/m);
    expect(text).toMatch(/This does not fit:\n- Following/);
  });

  it('--json is JSON with the plan and the capacity', () => {
    expect(readArguments(['--json']).json).toBe(true);
    const asked = plan('--log', 'memory');
    const parsed = JSON.parse(toJson(asked, computeCapacity(asked))) as Record<string, unknown>;
    expect(parsed).toMatchObject({ plan: { log: 'memory' }, capacity: { processes: 1, problems: [] } });
  });
});
