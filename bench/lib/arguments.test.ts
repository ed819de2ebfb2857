import { describe, expect, it } from 'vitest';
import { readArguments, type Arguments } from './arguments.ts';

const read = (...args: string[]): Arguments =>
  readArguments(args, { cases: ['fanout', 'idle'], contenders: ['linefeed', 'floor'] });

describe('readArguments', () => {
  it('the bench measures every case in five full runs without arguments', () => {
    expect(read()).toEqual({
      help: false,
      report: false,
      dry: false,
      narrowedBy: [],
      cases: [],
      settings: {
        rounds: 5,
        runMs: 700,
        quick: false,
        connections: undefined,
        bytes: undefined,
        only: undefined,
      },
    });
  });

  it('--only, --connections and --bytes narrow a run, but a case name, --quick and --rounds do not', () => {
    expect(read('idle', '--quick', '--rounds', '9').narrowedBy).toEqual([]);
    expect(read('--only', 'floor').narrowedBy).toEqual(['--only']);
    expect(read('--connections', '10', '--bytes', '20').narrowedBy).toEqual(['--connections', '--bytes']);
  });

  it.each([
    [['nosuch'], 'There is no case "nosuch". There are: fanout, idle'],
    [['--only', 'floor,nosuch'], 'There is no contender "nosuch". There are: linefeed, floor'],
    [['--rounds', '0'], '--rounds takes a whole number above 0, not "0"'],
    [['--rounds', '1.5'], '--rounds takes a whole number above 0, not "1.5"'],
    [['--connections', 'x'], '--connections takes a whole number above 0, not "x"'],
    [['--bytes='], '--bytes takes a whole number above 0, not ""'],
    [['--bogus'], "Unknown option '--bogus'"],
    [['--only'], "Option '--only <value>' argument missing"],
  ])('the arguments %j are refused with a one-line message', (args, message) => {
    expect(() => read(...args)).toThrow(new Error(message));
  });
});
