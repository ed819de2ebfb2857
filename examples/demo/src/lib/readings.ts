/** The readings of the host as they come in, each booked in the account. */
import { useReducer, useRef } from 'react';
import { passGap, type Desk } from './desk.ts';
import { useSubscription } from './hooks.ts';
import { addReading, type Reading } from './series.ts';

/** Readings from before this page was opened are its history, not a recovery. */
const openedAt = Date.now();

export function useReadings(desk: Desk): readonly Reading[] {
  const { client, book, resume } = desk;
  const [readings, add] = useReducer(addReading, []);
  const skewMs = useRef(Number.POSITIVE_INFINITY);

  useSubscription(client, (on) =>
    on.subscribe(
      'host',
      (reading, event) => {
        const delayMs = Date.now() - reading.at;
        // The smallest distance seen between the server's clock and ours; below zero, theirs is ahead.
        skewMs.current = Math.min(skewMs.current, delayMs);
        book({ kind: 'event', address: 'host', run: reading.run, n: reading.n });
        if (event.id !== undefined) resume.set('host', event.id);
        add({
          ...reading,
          delayMs,
          replayed: event.replayed,
          recovered: event.replayed && reading.at > openedAt,
          time: reading.at + Math.min(skewMs.current, 0),
        });
      },
      { from: resume.get('host') ?? 'earliest', onGap: passGap(desk, 'host') },
    ),
  );
  return readings;
}
