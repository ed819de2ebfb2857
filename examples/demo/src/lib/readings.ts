/** The received readings of the host. */
import { useRef } from 'react';
import { useFollowing } from './desk.ts';
import { useTopic } from './link.ts';
import { addReading, type Reading } from './series.ts';

/** Readings from before this page was opened are its history, not a recovery. */
const openedAt = Date.now();
const none: readonly Reading[] = [];

export function useReadings(): readonly Reading[] {
  const { start, pass } = useFollowing('host', none, 'earliest');
  const skewMs = useRef(Number.POSITIVE_INFINITY);
  return useTopic('host', {
    ...start,
    reduce(before, reading, event) {
      const delayMs = Date.now() - reading.at;
      // The smallest observed difference between the server's clock and ours; below zero, the server's is ahead.
      skewMs.current = Math.min(skewMs.current, delayMs);
      const added = addReading(before, {
        ...reading,
        delayMs,
        replayed: event.replayed,
        recovered: event.replayed && reading.at > openedAt,
        time: reading.at + Math.min(skewMs.current, 0),
      });
      return pass(reading, event, added);
    },
  }).data;
}
