/** Follows an address on the server: the same pages and gaps as a connection, as an async iterable. */
import { BEGINNING, comparePositions, LinefeedError, type Gap, type Position } from '@linefeed/shared/wire';
import type { FeedCore } from './feed.ts';
import type { FeedEvent } from './feed-types.ts';
import type { Member } from './hub.ts';
import { resolveCursor } from './start.ts';
import { Track, type FoundGap } from './track.ts';

const PAGE_EVENTS = 100;
const PAGE_BYTES = 256 * 1024;

export interface FollowOptions {
  readonly from?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onGap?: ((gap: Gap) => void) | undefined;
}

/** Events of one address from a cursor on. Nothing is queued: a slow reader reads on from the log. */
export async function* followLog(
  { hub }: FeedCore,
  resolvedAddress: string | Promise<string>,
  { from = 'now', signal, onGap }: FollowOptions,
): AsyncGenerator<FeedEvent<unknown>, void, undefined> {
  const address = await resolvedAddress;
  let wake: () => void = () => undefined;
  let resetReason: 'rollback' | 'epoch' | undefined;
  const member: Member = {
    deliver: () => wake(),
    flush: () => undefined,
    reset(reason) {
      resetReason = reason;
      wake();
    },
  };
  const onAbort = (): void => wake();
  signal?.addEventListener('abort', onAbort, { once: true });
  hub.add(member);
  hub.join(address, member);
  try {
    let track = await openTrack(address, from);
    while (!isAborted(signal)) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      if (resetReason !== undefined) {
        const position: Position = resetReason === 'epoch' ? BEGINNING : hub.position;
        const before = hub.cursorAt(track.position);
        track = new Track(position);
        track.add(address, position, { from: before, reason: resetReason });
        resetReason = undefined;
      }
      const page = await hub.log.read({
        after: track.position,
        addresses: track.addresses,
        limit: PAGE_EVENTS,
        maxBytes: PAGE_BYTES,
      });
      for (const gap of track.takeGaps(page)) announce(gap);
      for (const event of page.events) {
        if (isAborted(signal)) return;
        track.position = event.position;
        yield { data: JSON.parse(event.data), cursor: hub.cursorAt(event.position), address };
      }
      track.position = page.through;
      if (comparePositions(page.through, hub.position) >= 0 && resetReason === undefined) await woken;
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    hub.leave(address, member);
    hub.remove(member);
  }

  async function openTrack(name: string, start: string): Promise<Track> {
    const { position, gap } =
      start === 'now'
        ? { position: hub.position, gap: undefined }
        : start === 'earliest'
          ? { position: BEGINNING, gap: undefined }
          : await resolveCursor(hub, start);
    const at = position === 'now' ? hub.position : position;
    const track = new Track(at);
    track.add(name, at, gap);
    return track;
  }

  function announce({ from: asked, to, reason }: FoundGap): void {
    const from = 'cursor' in asked ? asked.cursor : hub.cursorAt(asked.position);
    const gap: Gap = { address, from, to: hub.cursorAt(to), reason };
    if (onGap !== undefined) return onGap(gap);
    throw new LinefeedError(
      'hole',
      `Events of ${address} between ${gap.from} and ${gap.to} are no longer held (${reason}).`,
      { address },
    );
  }
}

// A call, because between two reads of the property somebody else may have aborted.
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
