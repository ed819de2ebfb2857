/** Replays the tracks of one connection: reads page after page while its reader has room. */
import { earlierOf, laterOf } from '../base/position.ts';
import type { Position } from '@linefeed/shared/wire';
import type { ReadPage } from '../log/log.ts';
import type { DeliveryOptions, DeliveryPort } from './delivery-port.ts';
import type { Hub } from './hub.ts';
import type { FoundGap, ReplayTrack } from './replay-track.ts';
import type { ReplayTracks } from './replay-tracks.ts';
import { readNextPage, waitForProgress, type TrackReader } from './track-reader.ts';

/** The delivery whose tracks are replayed. */
export interface ReplayOwner {
  readonly port: DeliveryPort;
  readonly isLive: boolean;
  /** The position of the connection. */
  readonly position: Position;
  /** Whether a track still waits for events of the log. */
  isReplaying(track: ReplayTrack): boolean;
  announceGaps(gaps: readonly FoundGap[], track: ReplayTrack): void;
  /** A track has moved, and may have caught up. */
  onMoved(track: ReplayTrack): void;
}

export class Replay implements TrackReader {
  readonly hub: Hub;
  readonly #options: DeliveryOptions;
  readonly #owner: ReplayOwner;
  readonly #tracks: ReplayTracks;
  #isPulling = false;
  /** Events replayed since delivery last left the live state. */
  #count = 0;

  constructor(options: DeliveryOptions, owner: ReplayOwner, tracks: ReplayTracks) {
    this.hub = options.hub;
    this.#options = options;
    this.#owner = owner;
    this.#tracks = tracks;
  }

  /** Reads pages until every track has caught up. */
  async pull(): Promise<void> {
    if (this.#isPulling) return;
    this.#isPulling = true;
    const { port } = this.#owner;
    try {
      // A caller that is still opening the connection must write its frames first.
      await Promise.resolve();
      while (!port.closed) {
        const track = this.#tracks.next(this.#owner.isLive);
        if (track === undefined) break;
        if (!port.outbox.writable) {
          await port.outbox.drained();
          continue;
        }
        const before = track.position;
        if (track.addresses.size > 0) {
          const page = await readNextPage(this, track);
          if (page === undefined) continue;
          this.#writePage(page, track);
        } else this.#skipToCursor(track);
        this.#owner.onMoved(track);
        await waitForProgress(this, track, before);
      }
    } catch (error) {
      port.onFailure(error);
    } finally {
      this.#isPulling = false;
    }
  }

  /** Moves a track without addresses: it has no page to read. */
  #skipToCursor(track: ReplayTrack): void {
    const isMain = track === this.#tracks.main;
    track.position = laterOf(track.position, isMain ? this.hub.position : this.#owner.position);
  }

  #writePage(page: ReadPage, track: ReplayTrack): void {
    const { counters } = this.#options;
    const { outbox } = this.#owner.port;
    const isMain = track === this.#tracks.main;
    // A rewind must not pass the main track: the id of its events would cover main-track events that are not written
    // yet.
    const end = isMain ? page.through : earlierOf(page.through, this.#owner.position);
    const events = /* seam: page-in-log-order */ track.owedOf(page, end);
    track.position = laterOf(track.position, end);
    if (events.length === 0) return;
    counters.replayed += events.length;
    counters.framesOut += events.length;
    this.#count += events.length;
    outbox.write(this.hub.pages.encode(events));
    if (isMain) outbox.lastId = events.at(-1)!.position;
  }

  /** Counts the replay that has reached the tail, if it had events. */
  countCaughtUp(): void {
    if (this.#count === 0) return;
    const { counters } = this.#options;
    counters.replays += 1;
    counters.largestReplay = Math.max(counters.largestReplay, this.#count);
    this.#count = 0;
  }

  // TrackReader -------------------------------------------------------------------------------------------------------

  isReading(track: ReplayTrack): boolean {
    const { port } = this.#owner;
    // The heartbeat may be late, for example after a suspend.
    return this.#owner.isReplaying(track) && !port.closed && !port.endIfOver(this.#options.clock.now());
  }

  readPage(track: ReplayTrack): ReadPage | PromiseLike<ReadPage> {
    return this.hub.pages.read(track.position, track.ask());
  }

  announceGaps(gaps: readonly FoundGap[], track: ReplayTrack): void {
    this.#owner.announceGaps(gaps, track);
  }

  changed(): Promise<void> {
    return this.hub.changed();
  }
}
