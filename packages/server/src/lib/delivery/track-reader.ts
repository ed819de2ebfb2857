/** Reads a track from the log page by page: the steps that a connection and `feed.subscribe` have in common. */
import type { Awaitable } from '@linefeed/shared/wire';
import type { Hub } from './hub.ts';
import type { ReadPage } from '../log/log.ts';
import type { FoundGap, ReplayTrack } from './replay-track.ts';

export interface TrackReader {
  readonly hub: Hub;
  /** Whether this track is still read. It is asked after each wait: a reset of the log replaces a track. */
  isReading(track: ReplayTrack): boolean;
  /** Reads a page of the track. `undefined`: the reader has left. */
  readPage(track: ReplayTrack): Awaitable<ReadPage | undefined>;
  /** Announces gaps. No later event was passed on before. */
  announceGaps(gaps: readonly FoundGap[], track: ReplayTrack): void;
  /** Resolves when the tail has reported something, or after a moment. */
  changed(): Promise<void>;
}

/**
 * Reads the next page of a track and announces its gaps. The caller passes on the events and moves the track.
 *
 * @returns `undefined` if the page cannot be used because the track or the log has changed. The caller reads again.
 */
export async function readNextPage(reader: TrackReader, track: ReplayTrack): Promise<ReadPage | undefined> {
  const { additions } = track;
  const page = await reader.readPage(track);
  // The page has no events of an address that was added during the read.
  if (page === undefined || !reader.isReading(track) || track.additions !== additions) return undefined;
  if (/* seam: page-of-this-epoch */ page.epoch !== reader.hub.epoch) {
    // The log has a new numbering already. The tail will report the reset.
    await reader.changed();
    return undefined;
  }
  const gaps = track.takeGaps(page);
  /* seam: gaps-before-events */ reader.announceGaps(gaps, track);
  return reader.isReading(track) ? page : undefined;
}

/**
 * Waits for the tail if a page has not moved its track. Such a page is older than the tail, as on a lagging replica.
 * Reading again at once would be a loop.
 */
export function waitForProgress(
  reader: TrackReader,
  track: ReplayTrack,
  before: string,
): Promise<void> | undefined {
  const waits = /* seam: no-progress-waits */ track.position === before && reader.isReading(track);
  return waits ? reader.changed() : undefined;
}
