import { parseCursor, type Cursor } from '@linefeed/shared/wire';
import { expect, it } from 'vitest';
import { createCommitTracker, type InFlight, type CommitTracker } from './commit-tracker.ts';

const at = (position: number): Cursor => parseCursor(`e.${position.toString(36)}`)!;

/** Returns the number of frames in the list. */
function countKept(commits: CommitTracker): number {
  const probe = commits.track();
  let count = 0;
  for (let one = probe.next; one !== probe; one = one.next) count += 1;
  commits.ack(probe);
  // Without the start of the list.
  return count - 1;
}

it('a commit tracker commits the same as a plain list in any order, and keeps only unacknowledged frames', () => {
  // A seeded generator: every run has the same orders.
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (let round = 0; round < 200; round += 1) {
    let committed = 0;
    const commits = createCommitTracker();
    commits.onCommit = () => (committed += 1);
    const list: Array<{ position: number; inFlight: InFlight; settled: boolean }> = [];
    for (let step = 0; step < 60; step += 1) {
      const open = list.filter(({ settled }) => !settled);
      if (open.length === 0 || random(2) === 0) {
        const position = random(4) === 0 ? 0 : step + 1;
        const inFlight = commits.track(position === 0 ? undefined : at(position));
        list.push({ position, inFlight, settled: false });
      } else {
        const one = open[random(open.length)]!;
        one.settled = true;
        commits.ack(one.inFlight);
      }
      const firstOpen = list.findIndex(({ settled }) => !settled);
      const before = list.slice(0, firstOpen < 0 ? list.length : firstOpen);
      const newest = before.findLast(({ position }) => position > 0)?.position;
      expect(commits.committed()).toBe(newest === undefined ? undefined : `e.${newest.toString(36)}`);
      expect(countKept(commits)).toBe(list.filter(({ settled }) => !settled).length);
    }
    expect(committed > 0).toBe(commits.committed() !== undefined);
  }
});

it('a commit tracker calls the callbacks of frames in order, after all earlier frames and before the commit', () => {
  const log: string[] = [];
  const commits = createCommitTracker();
  commits.onCommit = () => log.push('commit');
  const [first, second, third] = ['first', 'second', 'third'].map((name, index) =>
    commits.track(at(index + 1), () => log.push(name)),
  ) as [InFlight, InFlight, InFlight];
  commits.ack(second);
  commits.ack(third);
  expect(log).toEqual([]);
  commits.ack(first);
  expect(log).toEqual(['first', 'second', 'third', 'commit']);
  expect(commits.committed()).toBe('e.3');
});

it('a commit tracker commits a frame after all of its acknowledgements', () => {
  const commits = createCommitTracker();
  const inFlight = commits.track(at(1));
  inFlight.pending += 1;
  commits.ack(inFlight);
  expect(commits.committed()).toBeUndefined();
  commits.ack(inFlight);
  expect(commits.committed()).toBe('e.1');
});
