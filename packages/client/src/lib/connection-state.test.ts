import { describe, expect, it } from 'vitest';
import { nextState, type ConnectionEvent, type ConnectionState } from './connection-state.ts';

const STATES: readonly ConnectionState[] = [
  'idle',
  'connecting',
  'connected',
  'reconnecting',
  'suspended',
  'closed',
  'failed',
];
const EVENTS: readonly ConnectionEvent[] = [
  'start',
  'hello',
  'lost',
  'refused',
  'finished',
  'suspend',
  'rest',
  'close',
];
const ATTEMPTING: readonly ConnectionState[] = ['connecting', 'connected', 'reconnecting'];
const RESTING: readonly ConnectionState[] = ['idle', 'suspended', 'closed', 'failed'];

const arrows = STATES.flatMap((from) => EVENTS.map((event) => ({ from, event, to: nextState(from, event) })));

describe('the states of a connection', () => {
  it('has a next state for every event in every state', () => {
    expect(arrows).toHaveLength(56);
    expect(arrows.filter(({ to }) => !STATES.includes(to))).toEqual([]);
  });

  it('1. only hello leads to connected, and only from an attempt', () => {
    const into = arrows.filter(({ from, to }) => to === 'connected' && from !== 'connected');
    expect(into.map(({ from, event }) => `${from} ${event}`)).toEqual([
      'connecting hello',
      'reconnecting hello',
    ]);
  });

  it('2. a lost connection is reconnecting, and connecting continues nothing', () => {
    for (const from of ATTEMPTING) expect(nextState(from, 'lost')).toBe('reconnecting');
    expect(nextState('connected', 'start')).toBe('reconnecting');
    const into = arrows.filter(({ from, to }) => to === 'connecting' && from !== 'connecting');
    expect(into.map(({ from }) => from)).toEqual(['idle', 'suspended', 'closed', 'failed']);
  });

  it('3. a resting state is not moved by what a former attempt still says', () => {
    for (const from of RESTING) {
      for (const event of ['lost', 'hello', 'refused', 'finished'] as const) {
        expect(nextState(from, event)).toBe(from);
      }
    }
  });

  it('4. close leads to closed from everywhere', () => {
    expect(new Set(STATES.map((from) => nextState(from, 'close')))).toEqual(new Set(['closed']));
  });

  it('5. closed and failed are left only by start and close', () => {
    const out = arrows.filter(({ from, to }) => (from === 'closed' || from === 'failed') && to !== from);
    expect(out.map(({ from, event }) => `${from} ${event}`)).toEqual([
      'closed start',
      'failed start',
      'failed close',
    ]);
  });

  it('6. suspended is left only by start, rest and close', () => {
    const out = arrows.filter(({ from, to }) => from === 'suspended' && to !== from);
    expect(out.map(({ event }) => event)).toEqual(['start', 'rest', 'close']);
  });
});
