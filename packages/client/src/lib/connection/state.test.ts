import { describe, expect, it } from 'vitest';
import { nextState, type ConnectionEvent, type ConnectionState } from './state.ts';

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

describe('the connection state machine', () => {
  it('the connection state machine has a next state for every event in every state', () => {
    expect(arrows).toHaveLength(56);
    expect(arrows.filter(({ to }) => !STATES.includes(to))).toEqual([]);
  });

  it('only hello leads to the state connected, and only from an attempt', () => {
    const into = arrows.filter(({ from, to }) => to === 'connected' && from !== 'connected');
    expect(into.map(({ from, event }) => `${from} ${event}`)).toEqual([
      'connecting hello',
      'reconnecting hello',
    ]);
  });

  it('a lost connection leads to reconnecting, and only a resting state leads to connecting', () => {
    for (const from of ATTEMPTING) expect(nextState(from, 'lost')).toBe('reconnecting');
    expect(nextState('connected', 'start')).toBe('reconnecting');
    const into = arrows.filter(({ from, to }) => to === 'connecting' && from !== 'connecting');
    expect(into.map(({ from }) => from)).toEqual(['idle', 'suspended', 'closed', 'failed']);
  });

  it('late events of an earlier attempt do not change a resting state', () => {
    for (const from of RESTING) {
      for (const event of ['lost', 'hello', 'refused', 'finished'] as const) {
        expect(nextState(from, event)).toBe(from);
      }
    }
  });

  it('close leads to the state closed from every state', () => {
    expect(new Set(STATES.map((from) => nextState(from, 'close')))).toEqual(new Set(['closed']));
  });

  it('the states closed and failed are left only by start and close', () => {
    const out = arrows.filter(({ from, to }) => (from === 'closed' || from === 'failed') && to !== from);
    expect(out.map(({ from, event }) => `${from} ${event}`)).toEqual([
      'closed start',
      'failed start',
      'failed close',
    ]);
  });

  it('the state suspended is left only by start, rest and close', () => {
    const out = arrows.filter(({ from, to }) => from === 'suspended' && to !== from);
    expect(out.map(({ event }) => event)).toEqual(['start', 'rest', 'close']);
  });
});
