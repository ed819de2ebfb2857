/** Runs the tables in one engine or in Node, and compares the outcomes. */
import { isDeepStrictEqual } from 'node:util';
import { CONNECTION } from './connection.ts';
import { LISTENED, PARSING } from './parsing.ts';
import { PLAIN } from './plain.ts';
import type { Job, ParsingOutcome } from './readers.ts';
import type { Verdict } from '../verdict.ts';
import type { Asked, ConformanceServer, Script } from './server.ts';
import type {
  Chunking,
  ClientOutcome,
  ConnectionRow,
  ParsingRow,
  Place,
  PlainOutcome,
  PlainRow,
} from './table.ts';

interface Comparison {
  readonly name: string;
  readonly job: Job;
  readonly compare: (outcome: unknown) => Pick<Verdict, 'fault' | 'deviates'>;
}

/** Runs jobs where the readers are. */
export type Runner = (jobs: readonly Job[]) => Promise<readonly unknown[]>;

export async function runConformance(
  place: Place,
  server: ConformanceServer,
  runner: Runner,
): Promise<Verdict[]> {
  const readers = place === 'node' ? (['fetch'] as const) : (['fetch', 'EventSource'] as const);
  const comparisons = [
    ...readers.flatMap((reader) => [
      ...PARSING.flatMap((row, index) => parsing(place, reader, row, index, server)),
      ...CONNECTION.filter(
        (row) =>
          (row.readers?.includes(reader) ?? true) && !(place === 'node' && row.client.crossOrigin === true),
      ).map((row) => connection(reader, row, server)),
    ]),
    ...(place === 'node' ? [] : await Promise.all(PLAIN.map((row) => plain(place, row, server)))),
  ];
  const outcomes = await runner(comparisons.map(({ job }) => job));
  return comparisons.map(({ name, compare }, index) => ({ name, ...compare(outcomes[index]) }));
}

function parsing(
  place: Place,
  reader: 'fetch' | 'EventSource',
  row: ParsingRow,
  index: number,
  { origin }: ConformanceServer,
): Comparison[] {
  const chunkings: readonly Chunking[] =
    row.body.length > 1 ? ['as given', 'whole', 'bytes'] : ['whole', 'bytes'];
  return chunkings.map((chunking) => {
    const deviation = reader === 'EventSource' && place !== 'node' ? row.deviates?.[place] : undefined;
    const isDeviant = deviation !== undefined && (deviation.chunkings?.includes(chunking) ?? true);
    return {
      name: `parsing, ${reader}, ${chunking}: ${row.name}`,
      job: {
        type: 'parse',
        url: `${origin}/parse/${index}/${chunking.replace(' ', '-')}`,
        reader,
        listened: LISTENED,
        open: row.open === true ? row.frames.length : undefined,
      },
      compare(outcome) {
        const { frames, retryMs } = outcome as ParsingOutcome;
        if (reader === 'fetch' && row.retryMs !== undefined && !isDeepStrictEqual(retryMs, row.retryMs)) {
          return { fault: differ('reconnection times', retryMs, row.retryMs), deviates: false };
        }
        return judge('frames', frames, row.frames, isDeviant ? deviation.frames : undefined);
      },
    };
  });
}

function connection(
  reader: 'fetch' | 'EventSource',
  { name, answers, client, expected }: ConnectionRow,
  server: ConformanceServer,
): Comparison {
  const script = server.play(answers);
  const origin = client.crossOrigin === true ? server.otherOrigin : server.origin;
  return {
    name: `connection, ${reader}: ${name}`,
    job: { type: 'follow', url: origin + script.path, reader, script: client },
    compare(outcome) {
      const seen = { ...(outcome as ClientOutcome), ...toSeen(script) };
      const { pauseMs, atMost, headers, methods, ...exact } = expected;
      for (const key of Object.keys(exact) as Array<keyof typeof exact>) {
        const [is, be] = [seen[key], exact[key]];
        if (!isDeepStrictEqual(is, be)) return { fault: differ(key, is, be), deviates: false };
      }
      if (atMost !== undefined && seen.cursors.length > atMost)
        return { fault: `${seen.cursors.length} requests, not ${atMost} at most`, deviates: false };
      if (pauseMs !== undefined && !(seen.pauseMs >= pauseMs[0] && seen.pauseMs <= pauseMs[1]))
        return { fault: differ('pause', seen.pauseMs, pauseMs), deviates: false };
      for (const [header, value] of Object.entries(headers ?? {})) {
        if (seen.headers[header] !== value)
          return { fault: differ(header, seen.headers[header], value), deviates: false };
      }
      if (methods?.[reader] !== undefined && !isDeepStrictEqual(seen.methods, methods[reader]))
        return { fault: differ('methods', seen.methods, methods[reader]), deviates: false };
      return { fault: undefined, deviates: false };
    },
  };
}

function toSeen({ asked }: Script) {
  const gets = asked.filter(({ method }) => method === 'GET');
  return {
    cursors: gets.map(({ url }) => url.searchParams.get('last_event_id') ?? undefined),
    pauseMs: (gets[1]?.atMs ?? Infinity) - (gets[0]?.atMs ?? 0),
    headers: gets[0]?.headers ?? {},
    methods: [...new Set(asked.map(({ method }) => method))],
    left: gets[0]?.left,
  };
}

async function plain(
  place: Exclude<Place, 'node'>,
  row: PlainRow,
  server: ConformanceServer,
): Promise<Comparison> {
  const script =
    row.refusedMs === undefined
      ? server.play(row.answers)
      : await server.playRefusing(row.answers, row.refusedMs);
  const { data = [], readyState } = row.deviates?.[place]?.outcome ?? row.expected;
  const until = { watchMs: row.watchMs, events: data.length, readyState };
  return {
    name: `plain EventSource: ${row.name}`,
    job: { type: 'watch', url: `${script.origin}${script.path}?first`, ...until },
    compare(outcome) {
      const seen: PlainOutcome = {
        ...(outcome as PlainOutcome),
        lastEventIds: script.asked.map(({ lastEventId }: Asked) => lastEventId),
        paths: script.asked.map(({ url }: Asked) => url.search.slice(1)),
      };
      const only = (expected: PlainOutcome): PlainOutcome =>
        Object.fromEntries(
          Object.keys(expected).map((key) => [key, seen[key as keyof PlainOutcome]]),
        ) as PlainOutcome;
      const deviation = row.deviates?.[place]?.outcome;
      return judge('outcome', only(deviation ?? row.expected), row.expected, deviation);
    },
  };
}

/** A known deviation must be observed: if it is gone, its line must leave the table and the guide. */
function judge(
  what: string,
  seen: unknown,
  standard: unknown,
  deviation: unknown,
): Pick<Verdict, 'fault' | 'deviates'> {
  const expected = deviation ?? standard;
  if (isDeepStrictEqual(seen, expected)) return { fault: undefined, deviates: deviation !== undefined };
  const gone = deviation !== undefined && isDeepStrictEqual(seen, standard);
  return {
    fault: gone ? 'does not deviate any more: take it out of the table' : differ(what, seen, expected),
    deviates: false,
  };
}

function differ(what: string, is: unknown, be: unknown): string {
  return `${what}: ${show(is)}, not ${show(be)}`;
}

function show(value: unknown): string {
  const text = JSON.stringify(value, (_, each: unknown) => (each === undefined ? 'none' : each)) ?? 'none';
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
