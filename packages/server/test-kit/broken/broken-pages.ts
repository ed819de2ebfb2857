/** Logs that break a promise about pages. */
import { BEGINNING, comparePositions } from '@linefeed/shared/wire';
import type { LogEvent, ReadPage, ReadQuery } from '../../src/lib/log/log.ts';
import { broken, type BrokenLog, type Change } from './broken-log.ts';

const onPage =
  (change: (page: ReadPage, query: ReadQuery) => Partial<ReadPage>): Change =>
  (log) => ({
    read: async (query) => {
      const page = await log.read(query);
      return { ...page, ...change(page, query) };
    },
  });

const onQuery =
  (change: (query: ReadQuery) => Partial<ReadQuery>): Change =>
  (log) => ({ read: (query) => log.read({ ...query, ...change(query) }) });

export const BROKEN_PAGES: readonly BrokenLog[] = [
  broken(
    'sorts positions as texts',
    ['positions stay in order past one, two and three digits'],
    onPage(({ events }) => ({
      events: events.toSorted((one, other) => (one.position < other.position ? -1 : 1)),
    })),
  ),
  broken(
    'changes payloads',
    ['payloads and addresses are read back unchanged'],
    onPage(({ events }) => ({
      events: events.map((event) => ({ ...event, data: event.data.replaceAll('ü', '?') })),
    })),
  ),
  broken(
    'takes the previous event of any address as prev',
    [
      'appends of two handles in turns have one order, and prev is right across them',
      'concurrent appends of two handles to the same addresses have the right prev',
      'a forgotten address with a new event keeps its watermark and has no wrong prev',
    ],
    onPage(({ events }) => ({
      events: events.map((event, index) => ({ ...event, prev: events[index - 1]?.position ?? BEGINNING })),
    })),
  ),
  broken(
    'has no prev',
    ['prev of an event is the position of the previous event of its address, or 0 for the first'],
    onPage(({ events }) => ({ events: events.map((event) => ({ ...event, prev: undefined })) })),
  ),
  broken(
    'reads other addresses too',
    ['a page has only events of the requested addresses'],
    onQuery(({ addresses }) => ({ addresses: new Map([...addresses, ['a1', BEGINNING]]) })),
  ),
  broken(
    'ignores the position of an address',
    [
      'each address is read past the later of its own position and `after`',
      'a page of 1000 addresses has the events of each past a position of its own',
    ],
    onQuery(({ addresses }) => ({
      addresses: new Map([...addresses.keys()].map((address) => [address, BEGINNING])),
    })),
  ),
  broken(
    'ends a page at its last event',
    [
      'a page without matching events reaches the newest position',
      'a page with room for all events reaches the newest position, and a full last page leaves none',
    ],
    onPage(({ events }, { after }) => ({ through: events.at(-1)?.position ?? after })),
  ),
  broken(
    'ends a page before its start',
    ['a page past the end of the log is empty and keeps the requested position'],
    (log) => ({
      read: async (query) => ({ ...(await log.read(query)), through: (await log.newest()).position }),
    }),
  ),
  broken(
    'drops the last event of a full page',
    [
      'pages limited by count join without a gap or a repeat',
      'pages lead to the tail without a gap or a repeat during concurrent appends',
    ],
    onPage(({ events }, { limit }) => ({ events: events.slice(0, limit - 1) })),
  ),
  broken(
    'ignores maxBytes of a page',
    ['pages are limited by bytes, and each has at least one event'],
    onQuery(() => ({ maxBytes: Infinity })),
  ),
  broken(
    'reads one address after the other',
    [
      'events of many busy and quiet addresses are merged in order',
      'a page of 1000 addresses has the events of each past a position of its own',
    ],
    onPage(({ events }) => ({
      events: events.toSorted((one, other) => (one.address < other.address ? -1 : 1)),
    })),
  ),
  broken(
    'answers every page from the state of its first one',
    [
      'events that are appended between two pages are in a later page',
      'a page has every append that its handle has acknowledged, and every event up to its end',
    ],
    (log) => {
      let end: string | undefined;
      return {
        async read(query) {
          end ??= (await log.newest()).position;
          const page = await log.read(query);
          const held = (event: LogEvent): boolean => comparePositions(event.position, end!) <= 0;
          return { ...page, events: page.events.filter(held) };
        },
      };
    },
  ),
  broken(
    'has no watermarks',
    [
      'the oldest events are evicted first, and the watermark covers them',
      'a page has the watermark of events that were evicted after the previous page',
      'the watermark of an address stays when a new event is appended to it',
      'addresses that the log has forgotten share a watermark',
      'a forgotten address with a new event keeps its watermark and has no wrong prev',
      'events past maxAgeMs are evicted, and the watermark covers them',
      'a handle has the watermark of events that another handle evicted',
      'a tail that is slower than the eviction is reset, and pages report what it missed',
      'events keep the order of their appends, and none is missing without notice, if one clock is an hour ahead',
      'events keep the order of their appends, and none is missing without notice, if one clock is an hour late',
    ],
    onPage(() => ({ evictedThrough: new Map() })),
  ),
  broken(
    'has a watermark for every address',
    ['a reader at the newest evicted position misses nothing', 'a watermark applies only to its address'],
    onPage(({ through }, { addresses }) => ({
      evictedThrough: new Map([...addresses.keys()].map((address) => [address, through])),
    })),
  ),
];
