import { describe, expect, it } from 'vitest';
import { Numbering } from './numbering.ts';

const at = (epoch: string, position: string, parent?: string) => ({ epoch, position, parent });

/** Followed, at event 1 of epoch `one`. */
function create(): Numbering {
  const numbering = new Numbering(at('one', '1aaaa'));
  numbering.startTail();
  return numbering;
}

describe('the numbering of a remote log', () => {
  it('a new epoch whose parent is the present one is a rollback, and any other one is a new log', () => {
    const one = create();
    expect(one.take(one.known, at('two', '1aaaa', 'one'))).toEqual({
      reason: 'rollback',
      newest: at('two', '1aaaa'),
    });
    expect(one.take(one.known, at('new', '0'))).toMatchObject({ reason: 'epoch' });
    expect(one.take(one.known, at('four', '5bbbb', 'three'))).toMatchObject({ reason: 'epoch' });
  });

  it('after an append that starts an epoch, listeners continue before its events', () => {
    const numbering = create();
    const change = numbering.take(numbering.known, at('two', '2bbbb', 'one'), at('two', '1aaaa', 'one'));
    expect(change).toMatchObject({ newest: { position: '1aaaa' } });
    expect(numbering.tail.position).toBe('1aaaa');
    expect(numbering.newest.position).toBe('2bbbb');
  });

  it('a late answer of a numbering that was left changes nothing', () => {
    const numbering = create();
    const known = numbering.known;
    numbering.take(known, at('two', '1aaaa', 'one'));
    expect(numbering.take(known, at('one', '9aaaa'))).toBe('late');
    expect(numbering.newest).toEqual(at('two', '1aaaa'));
  });

  it('the answer of an earlier call that names an unknown epoch is not taken', () => {
    const numbering = create();
    const known = numbering.known;
    numbering.take(known, at('three', '1aaaa', 'two'));
    // `two` was left before this process saw it.
    expect(numbering.take(known, at('two', '5aaaa', 'one'))).toBe('late');
    expect(numbering.take(known, at('four', '6aaaa', 'three'))).toBe('unclear');
    expect(numbering.epoch).toBe('three');
  });

  it('a left epoch in the answer of a present call means that an older log has returned', () => {
    const numbering = create();
    numbering.take(numbering.known, at('two', '1aaaa', 'one'));
    expect(numbering.take(numbering.known, at('one', '9aaaa'))).toBe('returned');
    expect(numbering.epoch).toBe('two');
    expect(numbering.take(numbering.known, at('three', '9aaaa', 'one'))).toMatchObject({
      reason: 'rollback',
    });
  });

  it('a position that was returned is what the server must contain, until the tail brings it', () => {
    const numbering = create();
    numbering.take(numbering.known, at('one', '2bbbb'));
    expect(numbering.known.position).toBe('2bbbb');
    expect(numbering.tail.position).toBe('1aaaa');
    numbering.seen.add('2bbbb');
    expect(numbering.unproven('2bbbb')).toEqual([]);
    numbering.moveTail('2bbbb');
    expect(numbering.hasClaims).toBe(false);
  });

  it('of two answers to concurrent calls from two histories, neither hides the other', () => {
    const numbering = create();
    const known = numbering.known;
    // An old master and a new one answer: the same sequence, and different events.
    numbering.take(known, at('one', '2bbbb'));
    numbering.take(known, at('one', '3cccc'));
    for (const position of ['2xxxx', '3cccc']) numbering.seen.add(position);
    expect(numbering.unproven('3cccc')).toEqual(['2bbbb']);
    expect(numbering.known.position).toBe('2bbbb');
  });

  it('an answer replaces the position that its call has proved', () => {
    const numbering = create();
    for (const position of ['2bbbb', '3cccc', '4dddd']) numbering.take(numbering.known, at('one', position));
    expect(numbering.unproven('9')).toEqual([]);
    expect(numbering.unproven('9zzzz')).toEqual(['4dddd']);
  });

  it('a page of another history than the one of the tail is noticed, although the tail is past it', () => {
    const numbering = create();
    const known = numbering.known;
    for (const position of ['2bbbb', '3cccc']) numbering.seen.add(position);
    numbering.moveTail('3cccc');
    numbering.take(known, at('one', '2bbbb'));
    expect(numbering.hasClaims).toBe(false);
    numbering.take(known, at('one', '2xxxx'));
    expect(numbering.known.position).toBe('2xxxx');
  });

  it('without listeners the newest known position is where a tail starts', () => {
    const numbering = new Numbering(at('one', '1aaaa'));
    numbering.take(numbering.known, at('one', '5bbbb'));
    numbering.take(at('one', '1aaaa'), at('one', '3bbbb'));
    numbering.startTail();
    expect(numbering.tail.position).toBe('5bbbb');
  });
});

it('at most 1,000 positions past the tail are remembered, and the newest stay', () => {
  const numbering = create();
  for (let n = 2; n <= 2_000; n += 1) numbering.claim(`${n.toString(36)}bbbb`);
  expect(numbering.unproven('zzzzzzzz').length).toBe(1_000);
  expect(numbering.newest.position).toBe(`${(2_000).toString(36)}bbbb`);
});
