import { describe, expect, it } from 'vitest';
import { BEGINNING } from '@linefeed/shared/wire';
import type { LogEvent } from '../log/log.ts';
import { ReplayTrack } from './replay-track.ts';
import { ReplayTracks } from './replay-tracks.ts';

describe('the order of tracks', () => {
  it('a main track that is not live alternates with each rewind in turn', () => {
    const tracks = new ReplayTracks('9');
    tracks.rewind('a', '1', undefined);
    tracks.rewind('b', '2', undefined);
    const turns = Array.from({ length: 6 }, () => {
      const track = tracks.next(false)!;
      if (track !== tracks.main) tracks.putBack(track);
      return [...track.addresses.keys()][0] ?? 'main';
    });
    expect(turns).toEqual(['main', 'a', 'main', 'b', 'main', 'a']);
  });

  it('the next track is a rewind or none while the main track is live', () => {
    const tracks = new ReplayTracks('9');
    expect(tracks.next(true)).toBeUndefined();
    tracks.rewind('a', '1', undefined);
    for (let turn = 0; turn < 3; turn += 1) expect([...tracks.next(true)!.addresses.keys()]).toEqual(['a']);
  });
});

describe('the events of a page for a track', () => {
  const event = (address: string, position: string): LogEvent => ({ address, data: '1', position });

  it('a page gives each address the events past its start up to the end, and none to removed addresses', () => {
    const track = new ReplayTrack('2');
    track.add('a', BEGINNING);
    track.add('b', '5');
    track.add('c', BEGINNING);
    track.remove('c');
    const events = ['3', '5', '7', '9'].flatMap((position) => ['a', 'b', 'c'].map((a) => event(a, position)));
    const page = { epoch: 'e', events, through: '9', evictedThrough: new Map() };
    expect(track.owedOf(page, '7').map(({ address, position }) => `${address}${position}`)).toEqual([
      'a3',
      'a5',
      'a7',
      'b7',
    ]);
  });

  it('a page is passed on whole when no address has changed since its request', () => {
    const page = {
      epoch: 'e',
      events: [event('a', '4'), event('b', '5')],
      through: '6',
      evictedThrough: new Map([['b', '5']]),
    };
    const asked = (): ReplayTrack => {
      const track = new ReplayTrack('3');
      track.add('a', '3');
      track.add('b', '3');
      track.ask();
      return track;
    };
    const whole = asked();
    expect(whole.owedOf(page, '6')).toBe(page.events);
    expect(whole.owedOf(page, '4')).toEqual([event('a', '4')]);
    const removed = asked();
    removed.remove('b');
    expect(removed.owedOf(page, '6')).toEqual([event('a', '4')]);
    const gone = asked();
    expect(gone.takeGaps(page)).toHaveLength(1);
    expect(gone.owedOf(page, '6')).toEqual([event('a', '4')]);
  });
});
